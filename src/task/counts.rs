//! What became of the tasks that one worker took: written by the thread that acts as this worker, read by anyone.

use std::sync::Arc;

use crate::base::counter::Counter;
use crate::limits::permits::Permits;
use crate::task::work::Unstarted;

/// Starts and ends of tasks. `started = completed + failed + panicked + cancelled + expired + dropped + those running now`.
#[derive(Debug, Default)]
pub struct TaskCounts {
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
    /// Where the permits of a bounded pool go.
    exit: Option<PermitReturn>,
}

/// How a task ended that had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// It returned.
    Completed,
    /// It returned an error, and its kind of task counts that as a failure.
    Failed,
    /// It panicked.
    Panicked,
}

/// Gives the permits of the tasks that a worker takes back to the room.
#[derive(Debug)]
pub struct PermitReturn {
    /// The room.
    pub permits: Arc<Permits>,
    /// The number of the worker.
    pub worker: usize,
    /// When a task leaves the room.
    pub held: PermitScope,
}

/// How long a task has its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitScope {
    /// Until it begins: tasks that wait are limited.
    UntilStart,
    /// Until it has ended: tasks that run are limited, and none waits.
    UntilEnd,
}

impl TaskCounts {
    /// The counts of a worker, in a bounded pool with an exit.
    pub fn new(exit: Option<PermitReturn>) -> Self {
        TaskCounts { exit, ..TaskCounts::default() }
    }

    /// Adds the ends that `other` has counted, from any thread. Only for a counts of which nothing is counted by one thread
    /// alone.
    pub fn add_ends_of(&self, other: &TaskCounts) {
        self.completed.add_shared(other.completed.get());
        self.failed.add_shared(other.failed.get());
        self.panicked.add_shared(other.panicked.get());
        self.cancelled.add_shared(other.cancelled.get());
        self.expired.add_shared(other.expired.get());
        self.dropped.add_shared(other.dropped.get());
    }

    /// A task begins.
    #[inline(always)]
    pub fn begin(&self) {
        self.started.add(1);
        self.release_permit(PermitScope::UntilStart);
    }

    /// One that has begun ends. Called before its handle says so: who has joined it sees it in the statistics.
    #[inline(always)]
    pub fn end(&self, end: TaskEnd) {
        let count = match end {
            TaskEnd::Completed => &self.completed,
            TaskEnd::Failed => &self.failed,
            TaskEnd::Panicked => &self.panicked,
        };
        count.add(1);
        self.release_permit(PermitScope::UntilEnd);
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
        self.release_permit(PermitScope::UntilEnd);
    }

    #[inline(always)]
    fn release_permit(&self, at: PermitScope) {
        if let Some(exit) = &self.exit
            && exit.held == at
        {
            exit.permits.release(exit.worker);
        }
    }
}
