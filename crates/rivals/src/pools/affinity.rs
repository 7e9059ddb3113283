//! affinitypool: sharded injectors, tasks as futures. Dropping the future cancels its task and there is no
//! way to detach it, so it offers calls and results, but not fire and forget.

use affinitypool::Threadpool;
use futures_lite::future::block_on;

use super::{Return, Rival};

/// The pool of affinitypool.
pub struct Affinity(Threadpool);

impl Rival for Affinity {
    const MAX_WORKERS: usize = affinitypool::MAX_THREADS;

    fn new(workers: usize) -> Self {
        Self(Threadpool::new(workers))
    }
}

impl Return for Affinity {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        block_on(self.0.spawn(task))
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, mut check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(|task| self.0.spawn(task)));
        block_on(async {
            for handle in handles {
                check(handle.await);
            }
        });
    }
}
