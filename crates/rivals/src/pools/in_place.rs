//! No pool at all: the caller does the work there and then. The floor of each row.

use super::{Batch, Execute, Partitioned, Return, Rival};

/// The caller itself.
pub struct InPlace;

impl Rival for InPlace {
    fn new(_workers: usize) -> Self {
        Self
    }
}

impl Execute for InPlace {
    const IN_PLACE: bool = true;

    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        task();
    }
}

impl Return for InPlace {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        task()
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut results = Vec::with_capacity(tasks.len());
        results.extend(tasks.map(|task| task()));
        results.into_iter().for_each(check);
    }
}

impl Batch for InPlace {
    fn execute_batch<F: FnOnce() + Send + 'static>(&self, tasks: impl Iterator<Item = F>) {
        tasks.for_each(|task| task());
    }
}

impl Partitioned for InPlace {
    #[inline]
    fn visit<F: FnOnce() + Send + 'static>(&self, _partition: usize, task: F) {
        self.execute(task);
    }
}
