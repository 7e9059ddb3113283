//! threadpool: an unbounded `mpsc` channel whose receiver the workers share under a lock. No handles.

use threadpool::ThreadPool;

use super::{Execute, Return, Rival, call_by_channel, collect_by_channel};

/// The pool of threadpool.
pub struct Threadpool(ThreadPool);

impl Rival for Threadpool {
    fn new(workers: usize) -> Self {
        Self(ThreadPool::new(workers))
    }

    fn finish(self) {
        // Waits for the tasks; it has nothing that waits for the threads.
        self.0.join();
    }
}

impl Execute for Threadpool {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.execute(task);
    }
}

impl Return for Threadpool {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        call_by_channel(self, task)
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        collect_by_channel(self, tasks, check);
    }
}
