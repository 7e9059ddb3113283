//! Longshore's push-model pool. Inside a task, the free functions find the worker's own pool.

use longshore::{Pinning, Pool};

use super::{Batch, Execute, Partitioned, Return, Rival, Spawner};

/// The pool of longshore.
pub struct Push(Pool);

impl Rival for Push {
    fn new(workers: usize) -> Self {
        Self(Pool::builder().workers(workers).build().expect("a pool"))
    }
}

impl Execute for Push {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        assert!(self.0.execute(task).is_ok(), "refused");
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
        assert!(longshore::execute(task).is_ok(), "refused");
    }
}

impl Return for Push {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        let Ok(handle) = self.0.submit(task) else { panic!("refused") };
        handle.join().expect("a result")
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(|task| {
            let Ok(handle) = self.0.submit(task) else { panic!("refused") };
            handle
        }));
        handles.into_iter().map(|handle| handle.join().expect("a result")).for_each(check);
    }
}

impl Batch for Push {
    fn execute_batch<F: FnOnce() + Send + 'static>(&self, tasks: impl Iterator<Item = F>) {
        assert!(self.0.execute_batch(tasks).is_ok(), "refused");
    }
}

impl Partitioned for Push {
    // KEY: a call that names a worker or a key goes here as soon as `Pool` has one.
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, _partition: usize, task: F) {
        self.execute(task);
    }
}

/// The same, each worker bound to a core of its own.
pub struct Pinned(Push);

impl Rival for Pinned {
    fn new(workers: usize) -> Self {
        Self(Push(Pool::builder().workers(workers).pinning(Pinning::Spread).build().expect("a pool")))
    }
}

impl Partitioned for Pinned {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, partition: usize, task: F) {
        self.0.visit(partition, task);
    }
}
