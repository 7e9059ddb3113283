//! How the tasks that one worker has taken ended, and the return of their permits.
//!
//! The worker's record owns the counts (`runtime/metrics.rs`). The thread that acts as the worker writes
//! them; any thread may read. Guarded by `tests/it/behaviour/statistics.rs`; the return of permits by the
//! model `permits` and by `tests/it/behaviour/bounded.rs`.

use std::sync::Arc;
// Only the thread that acts as the worker touches the duties, so they use the atomics of `std` also under the
// model checker.
use std::sync::atomic::{AtomicU8, Ordering};

use longshore_trace::record::Outcome;

use crate::base::counter::Counter;
use crate::base::recording;
use crate::limits::permits::Permits;
use crate::task::work::{Unstarted, WorkRefusal};

/// Counts of the starts and ends of tasks:
/// `started = completed + failed + panicked + cancelled + expired + dropped + running`.
#[derive(Debug, Default)]
pub struct TaskCounts {
    /// Tasks taken out of a queue for good.
    pub started: Counter,
    /// Tasks that returned normally.
    pub completed: Counter,
    /// Tasks that returned an error, if errors count as failures.
    pub failed: Counter,
    /// Tasks that panicked, in their body or while the captures of the closure were dropped.
    pub panicked: Counter,
    /// Tasks that were cancelled, or discarded before their start.
    pub cancelled: Counter,
    /// Tasks that did not start before their deadline.
    pub expired: Counter,
    /// Tasks dropped because the pool was full.
    pub dropped: Counter,
    /// Empty entries that were taken out of a queue. Another thread has ended and counted their tasks before.
    pub skipped: Counter,
    /// Forks made. Only counted if the program is built with the feature `trace` (`base/page.rs`).
    pub forks: Counter,
    /// Returns the permits of the tasks; `None` in a pool without a capacity.
    permit_return: Option<PermitReturn>,
    /// What is to be done at the start and the end of a task besides the count: a set of the bits below.
    /// Changed by the thread that acts as the worker, and read by it alone.
    duties: AtomicU8,
}

/// Release the permit at the start of a task.
const RELEASES_AT_START: u8 = 1 << 0;
/// Release the permit at the end of a task.
const RELEASES_AT_END: u8 = 1 << 1;
/// Write the start and the end of a task into the track of the calling thread.
const IS_RECORDED: u8 = 1 << 2;

/// How a started task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// It returned.
    Completed,
    /// It returned an error, which counts as a failure for its kind of task.
    Failed,
    /// It panicked.
    Panicked,
}

/// Returns the permits of the tasks that a worker takes.
#[derive(Debug)]
pub struct PermitReturn {
    /// Where the permits are returned.
    pub permits: Arc<Permits>,
    /// The number of the worker.
    pub worker: usize,
    /// When a task returns its permit.
    pub held: HeldUntil,
}

/// How long a task holds its permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldUntil {
    /// Until it starts: the number of waiting tasks is limited.
    Start,
    /// Until it has ended: the number of running tasks is limited, and no task waits.
    End,
}

impl TaskCounts {
    /// The counts of a worker, in a bounded pool with the return of its permits.
    pub fn new(permit_return: Option<PermitReturn>) -> Self {
        let duties = match permit_return.as_ref().map(|to| to.held) {
            None => 0,
            Some(HeldUntil::Start) => RELEASES_AT_START,
            Some(HeldUntil::End) => RELEASES_AT_END,
        };
        TaskCounts { permit_return, duties: AtomicU8::new(duties), ..TaskCounts::default() }
    }

    /// Whether tasks are recorded. For the thread that acts as the worker.
    #[inline(always)]
    pub fn is_recorded(&self) -> bool {
        self.duties() & IS_RECORDED != 0
    }

    /// Records tasks from now on, or no longer. Called by the thread that acts as the worker.
    pub fn set_recorded(&self, is_recorded: bool) {
        let others = self.duties() & !IS_RECORDED;
        // Relaxed: see `duties`.
        self.duties.store(if is_recorded { others | IS_RECORDED } else { others }, Ordering::Relaxed);
    }

    #[inline(always)]
    fn duties(&self) -> u8 {
        // Relaxed: one thread at a time acts as the worker, and only that thread reads and writes the word.
        self.duties.load(Ordering::Relaxed)
    }

    /// Adds the ends that `other` has counted; any thread may call this. Only for counts that are changed by
    /// this function alone, because it adds with read-modify-writes.
    pub fn add_ends_of(&self, other: &TaskCounts) {
        self.completed.add_shared(other.completed.get());
        self.failed.add_shared(other.failed.get());
        self.panicked.add_shared(other.panicked.get());
        self.cancelled.add_shared(other.cancelled.get());
        self.expired.add_shared(other.expired.get());
        self.dropped.add_shared(other.dropped.get());
        self.skipped.add_shared(other.skipped.get());
    }

    /// Counts the start of a task.
    #[inline(always)]
    pub fn start(&self) {
        self.started.add(1);
        let duties = self.duties();
        if duties & (RELEASES_AT_START | IS_RECORDED) != 0 {
            self.do_at_start(duties);
        }
    }

    #[inline(never)]
    fn do_at_start(&self, duties: u8) {
        if duties & RELEASES_AT_START != 0 {
            self.release_permit();
        }
        if duties & IS_RECORDED != 0 {
            recording::with_present(|track| track.begins());
        }
    }

    /// Counts the end of a started task. Called before the handle shows the end, so that a thread which has
    /// joined the task sees it in the statistics.
    #[inline(always)]
    pub fn end(&self, end: TaskEnd) {
        let count = match end {
            TaskEnd::Completed => &self.completed,
            TaskEnd::Failed => &self.failed,
            TaskEnd::Panicked => &self.panicked,
        };
        count.add(1);
        self.do_at_end(match end {
            TaskEnd::Completed => Outcome::Completed,
            TaskEnd::Failed => Outcome::Failed,
            TaskEnd::Panicked => Outcome::Panicked,
        });
    }

    #[inline(always)]
    fn do_at_end(&self, outcome: Outcome) {
        let duties = self.duties();
        if duties & (RELEASES_AT_END | IS_RECORDED) != 0 {
            self.do_duties_at_end(duties, outcome);
        }
    }

    #[inline(never)]
    fn do_duties_at_end(&self, duties: u8, outcome: Outcome) {
        if duties & IS_RECORDED != 0 {
            recording::with_present(|track| track.ends(outcome));
        }
        if duties & RELEASES_AT_END != 0 {
            self.release_permit();
        }
    }

    /// Notes that an empty entry was taken out of a queue: its task was run ahead of its turn, or has ended
    /// while it was queued.
    #[cold]
    pub fn empty_entry(&self) {
        if self.is_recorded() {
            recording::with(|track| track.finds_empty_entry());
        }
    }

    /// The number of tasks that have been taken and have not ended. Exact for the worker that counts.
    pub fn running(&self) -> u64 {
        self.started.get().saturating_sub(self.gone())
    }

    /// The number of tasks that have been taken and are gone: they have ended, or never start.
    pub fn gone(&self) -> u64 {
        self.ended() + self.cancelled.get() + self.expired.get() + self.dropped.get()
    }

    /// The number of tasks that have started and ended, in any way.
    pub fn ended(&self) -> u64 {
        self.completed.get() + self.failed.get() + self.panicked.get()
    }

    /// Counts a task that was taken out of a queue and must not start.
    #[cold]
    pub fn unstarted(&self, why: Unstarted) {
        self.start();
        let count = match why {
            Unstarted::Cancelled => &self.cancelled,
            Unstarted::Expired => &self.expired,
            Unstarted::Dropped => &self.dropped,
        };
        count.add(1);
        self.do_at_end(Outcome::Unstarted);
        if why == Unstarted::Expired && self.is_recorded() {
            recording::with(|track| track.expires());
        }
    }

    /// Counts a task that was taken out of a queue and is refused, unless another thread has counted it.
    #[cold]
    pub fn refused(&self, refusal: WorkRefusal) {
        if refusal.is_counted {
            self.skipped.add(1);
            self.empty_entry();
        } else {
            self.unstarted(refusal.why);
        }
    }

    fn release_permit(&self) {
        if let Some(to) = &self.permit_return {
            to.permits.release(to.worker);
        }
    }
}
