//! rusty_pool: an unbounded crossbeam channel; grows between two sizes, which are the same here but in the
//! row about a burst. Has handles.

use std::time::Duration;

use rusty_pool::ThreadPool;

use super::optional::IDLE_TIMEOUT;
use super::{Execute, Return, Rival};

/// The pool of rusty_pool.
pub struct Rusty(ThreadPool);

impl Rival for Rusty {
    fn new(workers: usize) -> Self {
        // The keep-alive is for threads beyond the core size; there are none.
        let pool = ThreadPool::new(workers, workers, Duration::from_secs(60));
        // Otherwise it would start its threads with the first tasks.
        pool.start_core_threads();
        Self(pool)
    }

    fn finish(self) {
        self.0.shutdown_join();
    }
}

impl Execute for Rusty {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.execute(task);
    }
}

impl Return for Rusty {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        self.0.evaluate(task).await_complete()
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(|task| self.0.evaluate(task)));
        handles.into_iter().map(|handle| handle.await_complete()).for_each(check);
    }
}

/// The same, with one worker as long as it has nothing to do.
pub struct Growing(ThreadPool);

impl Rival for Growing {
    fn new(workers: usize) -> Self {
        let pool = ThreadPool::new(1, workers, IDLE_TIMEOUT);
        pool.start_core_threads();
        Self(pool)
    }

    fn size(&self) -> Option<usize> {
        Some(self.0.get_current_worker_count())
    }
}

impl Execute for Growing {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.execute(task);
    }
}
