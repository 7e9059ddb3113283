//! What became of the tasks that one worker took: written by the thread that acts as this worker, read by anyone.

use super::work::Unstarted;
use crate::base::counter::Counter;

/// Starts and ends of tasks. `started = completed + failed + panicked + cancelled + expired + dropped + those running now`.
#[derive(Debug, Default)]
pub struct Tally {
    /// Taken out of a queue for good.
    pub started: Counter,
    /// Returned normally.
    pub completed: Counter,
    /// Returned an error, where errors count as failures.
    pub failed: Counter,
    /// Panicked, in the body or while the closure's captures were dropped.
    pub panicked: Counter,
    /// Found cancelled, or thrown away unstarted.
    pub cancelled: Counter,
    /// Found past their deadline.
    pub expired: Counter,
    /// Turned away for want of room.
    pub dropped: Counter,
}

/// How a task ended that had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Completed,
    /// It returned an error, and its kind of task counts that as a failure.
    Failed,
    /// It panicked.
    Panicked,
}

impl Tally {
    /// A task begins.
    #[inline(always)]
    pub fn begin(&self) {
        self.started.add(1);
    }

    /// One that has begun ends. Called before its handle says so: who has joined it sees it in the statistics.
    #[inline(always)]
    pub fn end(&self, end: End) {
        let count = match end {
            End::Completed => &self.completed,
            End::Failed => &self.failed,
            End::Panicked => &self.panicked,
        };
        count.add(1);
    }

    /// Tasks that have run to their end, whatever came of them.
    pub fn ended(&self) -> u64 {
        self.completed.get() + self.failed.get() + self.panicked.get()
    }

    /// A task that was taken out of a queue turns out not to begin.
    #[cold]
    pub fn unstarted(&self, why: Unstarted) {
        self.begin();
        let count = match why {
            Unstarted::Cancelled => &self.cancelled,
            Unstarted::Expired => &self.expired,
            Unstarted::Dropped => &self.dropped,
        };
        count.add(1);
    }
}
