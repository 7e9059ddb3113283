//! Forte: pools are static and made of a size; `spawn` takes a closure from outside or from a worker. A call
//! that waits would make the caller one more member, so results come through a oneshot channel.

use forte::{ThreadPool, Worker};

use super::{Execute, Return, Rival, Spawner, call_by_channel, collect_by_channel};

/// A pool of managed workers.
pub struct Forte(&'static ThreadPool);

impl Rival for Forte {
    // Members of a pool, of which a caller may need one.
    const MAX_WORKERS: usize = 31;

    fn new(workers: usize) -> Self {
        let pool: &'static ThreadPool = Box::leak(Box::new(ThreadPool::new()));
        assert_eq!(pool.resize_to(workers), workers, "workers");
        Self(pool)
    }

    fn finish(self) {
        self.0.depopulate();
    }
}

impl Execute for Forte {
    // A worker takes several shared jobs at once, and gives none back while the first of them runs.
    const STRANDS: bool = true;

    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.0.spawn(move |_: &Worker| task());
    }

    fn spawner(&'static self) -> impl Spawner {
        Inside(self.0)
    }
}

/// A worker finds itself by a thread-local.
#[derive(Clone, Copy)]
struct Inside(&'static ThreadPool);

impl Spawner for Inside {
    #[inline]
    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        self.0.spawn(move |_: &Worker| task());
    }
}

impl Return for Forte {
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
