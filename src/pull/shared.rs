//! What the threads of a pull pool share: one queue, and the [`Core`] of every pool.
//!
//! Any thread may touch anything here at any time. What belongs to one worker alone is in `worker.rs`.
//! Threads, phases, parking, records, result slots and handles are those of the push pool: the two kinds
//! differ in their queues only. Guarded by the model `pull` and by `tests/it/pulling.rs`.

use std::ops::Deref;

use crate::pull::queue::SharedQueue;
use crate::runtime::core::Core;

/// The shared half of a pull pool.
#[derive(Debug)]
pub struct PullShared {
    pub(super) core: Core,
    pub(super) queue: SharedQueue,
}

/// A pool is its core and its queue.
impl Deref for PullShared {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl PullShared {
    /// Whether all accepted tasks have been taken out of the queue. Exact if the queue is closed and no
    /// worker runs; else a guess.
    pub(super) fn is_drained(&self) -> bool {
        // In reverse causal order, as in `Core::stats`: a task is accepted before it is taken.
        let taken = self.sum(|m| m.taken.get()) + self.queue.discarded();
        let accepted = self.sum(|m| m.submitted.get()) + self.queue.entered();
        taken == accepted
    }
}
