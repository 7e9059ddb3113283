//! A stage: a pool with a bounded queue before it, and figures about how full that was.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow};
use longshore::{JoinHandle, OnFull, Pool, SubmitErrorKind};

/// A pool that makes its submitters wait while its queue is full, or while its tasks hold as much memory as
/// they may.
#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    pool: Pool,
    queue: usize,
    waits: AtomicU64,
}

/// What a stage is given.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub workers: Option<NonZeroUsize>,
    /// Tasks that may wait.
    pub queue: usize,
    /// What all its tasks may hold together, in bytes.
    pub memory: u64,
}

/// What a stage has to say at the end.
#[derive(Debug)]
pub struct StageReport {
    pub name: &'static str,
    pub workers: usize,
    pub queue: usize,
    pub done: u64,
    /// How many tasks found the queue or the memory full, and waited.
    pub waits: u64,
}

impl Stage {
    /// Starts the workers.
    pub fn new(name: &'static str, share: Share) -> Result<Stage> {
        let builder = Pool::builder().thread_name(name).queue_capacity(share.queue).on_full(OnFull::Block);
        let builder = builder.budget(share.memory);
        let pool = match share.workers {
            Some(workers) => builder.workers(workers.get()),
            None => builder,
        }
        .build()
        .with_context(|| format!("the stage {name} does not start"))?;
        Ok(Stage { name, pool, queue: share.queue, waits: 0.into() })
    }

    /// Hands a task to the stage that holds so many bytes until its end, as soon as there is room.
    pub fn submit<T, F>(&self, bytes: u64, task: F) -> Result<JoinHandle<T>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let refused = match self.pool.task().weight(bytes).on_full(OnFull::Reject).submit(task) {
            Ok(handle) => return Ok(handle),
            Err(refused) if matches!(refused.kind, SubmitErrorKind::Full) => refused,
            Err(refused) => return Err(anyhow!("{}", refused.kind)),
        };
        // Relaxed: read when the stages that submit here have ended.
        self.waits.fetch_add(1, Ordering::Relaxed);
        let submitted = self.pool.task().weight(bytes).submit(refused.into_inner());
        submitted.map_err(|refused| anyhow!("{}", refused.kind))
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
