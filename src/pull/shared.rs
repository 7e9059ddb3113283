//! The pull model: all workers take their tasks from one shared queue, one at a time, in the order of arrival.
//!
//! Here is what the threads of such a pool share; what belongs to one worker alone is in `worker`. Threads, phases,
//! parking, records, slots and handles are those of the push model: the two differ in their queues and in nothing else.

use std::ops::Deref;

use super::queue::SharedQueue;

use crate::runtime::core::Core;

/// See the module's text.
#[derive(Debug)]
pub struct PullShared {
    pub(super) core: Core,
    pub(super) queue: SharedQueue,
}

/// A pool is its core, with queues.
impl Deref for PullShared {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl PullShared {
    /// Whether all that was accepted has been taken out of the queue. Exact when the outside_work are closed and no worker is
    /// in between; else a guess.
    pub(super) fn is_drained(&self) -> bool {
        // In reverse causal order, as in `Core::stats`: what was taken has been accepted before.
        let taken = self.sum(|m| m.taken.get()) + self.queue.discarded();
        let accepted = self.sum(|m| m.submitted.get()) + self.queue.entered();
        taken == accepted
    }
}
