//! tokio's multi-thread runtime, each task a future that is ready at its first poll. Neither its timers nor
//! its I/O are switched on.

use tokio::runtime::{Builder, Runtime};

use super::{Execute, Return, Rival, Spawner};

/// The runtime of tokio.
pub struct Tokio(Runtime);

impl Rival for Tokio {
    fn new(workers: usize) -> Self {
        Self(Builder::new_multi_thread().worker_threads(workers).build().expect("a runtime"))
    }
}

impl Execute for Tokio {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        drop(self.0.spawn(async move { task() }));
    }

    fn spawner(&'static self) -> impl Spawner {
        Inside
    }
}

/// A worker finds its own pool.
#[derive(Clone, Copy)]
struct Inside;

impl Spawner for Inside {
    #[inline]
    fn spawn<F: FnOnce() + Send + 'static>(self, task: F) {
        drop(tokio::spawn(async move { task() }));
    }
}

impl Return for Tokio {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        let handle = self.0.spawn(async move { task() });
        self.0.block_on(handle).expect("a result")
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, mut check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(|task| self.0.spawn(async move { task() })));
        // Entering the runtime once for all of them is the cheaper way.
        self.0.block_on(async {
            for handle in handles {
                check(handle.await.expect("a result"));
            }
        });
    }
}
