//! A stage: a pool with a bounded queue before it, and figures about how full that was.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow};
use longshore::{JoinHandle, OnFull, Pool, SubmitErrorKind};

/// A pool that makes whoever submits to it wait while its queue is full.
#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    pool: Pool,
    queue: usize,
    waits: AtomicU64,
}

/// What a stage has to say at the end.
#[derive(Debug)]
pub struct StageReport {
    pub name: &'static str,
    pub workers: usize,
    pub queue: usize,
    pub done: u64,
    /// How often somebody found the queue full, and waited.
    pub waits: u64,
}

impl Stage {
    /// Starts the workers.
    pub fn new(name: &'static str, workers: Option<NonZeroUsize>, queue: NonZeroUsize) -> Result<Stage> {
        let builder = Pool::builder().thread_name(name).queue_capacity(queue.get()).on_full(OnFull::Block);
        let pool = match workers {
            Some(workers) => builder.workers(workers.get()),
            None => builder,
        }
        .build()
        .with_context(|| format!("the stage {name} does not start"))?;
        Ok(Stage { name, pool, queue: queue.get(), waits: 0.into() })
    }

    /// Hands a task to the stage, as soon as there is room in its queue.
    pub fn submit<T, F>(&self, task: F) -> Result<JoinHandle<T>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let refused = match self.pool.try_submit(task) {
            Ok(handle) => return Ok(handle),
            Err(refused) if matches!(refused.kind, SubmitErrorKind::Full) => refused,
            Err(refused) => return Err(anyhow!("{}", refused.kind)),
        };
        // Relaxed: read when the stages that submit here have ended.
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.pool.submit(refused.into_inner()).map_err(|refused| anyhow!("{}", refused.kind))
    }

    /// Finishes what was submitted, and ends the workers.
    pub fn close(&self) -> Result<StageReport> {
        self.pool.shutdown().with_context(|| format!("the stage {} does not end", self.name))?;
        let stats = self.pool.stats();
        Ok(StageReport {
            name: self.name,
            workers: stats.workers.len(),
            queue: self.queue,
            done: stats.completed,
            waits: self.waits.load(Ordering::Relaxed),
        })
    }
}
