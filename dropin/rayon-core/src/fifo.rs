//! [`Fifo`]: tasks of one worker that start in the order in which they were spawned.
//!
//! Each task here has a *turn* in the deque of the worker. A turn runs the oldest task, whichever turn it is.
//! So the turns take part in the order of the deque and in stealing as other tasks do, and the tasks behind
//! them keep their own order (rayon's RFC 1). The worker pushes; any worker of the pool may run a turn.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// A queue of tasks. There are exactly as many turns for it as it has tasks.
pub(crate) struct Fifo<T> {
    tasks: Mutex<VecDeque<T>>,
}

impl<T> Fifo<T> {
    /// `workers` empty queues.
    pub(crate) fn for_workers(workers: usize) -> Box<[Self]> {
        (0..workers).map(|_| Fifo { tasks: Mutex::default() }).collect()
    }

    /// Adds a task, for which the caller then spawns a turn.
    pub(crate) fn push(&self, task: T) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    /// Takes the oldest task, for a turn.
    pub(crate) fn pop(&self) -> T {
        let task = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        task.expect("there is a task for each turn")
    }
}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fifo").finish_non_exhaustive()
    }
}
