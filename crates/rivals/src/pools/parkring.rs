//! parkring's work-stealing pool: its injector holds 1,024 tasks and then blocks the producer. No handles;
//! `install` calls and waits.

use parkring::ThreadPool;

use super::{Execute, Return, Rival, collect_by_channel};

/// The pool of parkring.
pub struct Parkring(ThreadPool);

impl Rival for Parkring {
    fn new(workers: usize) -> Self {
        Self(ThreadPool::new(workers))
    }
}

impl Execute for Parkring {
    const UNBOUNDED: bool = false;

    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.spawn(task);
    }
}

impl Return for Parkring {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        self.0.install(task)
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        collect_by_channel(self, tasks, check);
    }
}
