//! No pool: a thread of the standard library for each task, where there are few enough of them.

use std::thread;

use super::{Execute, Return, Rival};

/// Starts threads.
pub struct StdThread;

impl Rival for StdThread {
    // Beyond this the system refuses threads, and no program would start them.
    const MOST_TASKS: u64 = 20_000;

    fn new(_workers: usize) -> Self {
        Self
    }
}

impl Execute for StdThread {
    #[inline]
    fn execute<F: FnOnce() + Send + 'static>(&self, task: F) {
        drop(thread::spawn(task));
    }
}

impl Return for StdThread {
    fn call<F: FnOnce() -> u64 + Send + 'static>(&self, task: F) -> u64 {
        thread::spawn(task).join().expect("a result")
    }

    fn collect<F>(&self, tasks: impl ExactSizeIterator<Item = F>, check: impl FnMut(u64))
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        let mut handles = Vec::with_capacity(tasks.len());
        handles.extend(tasks.map(thread::spawn));
        handles.into_iter().map(|handle| handle.join().expect("a result")).for_each(check);
    }
}
