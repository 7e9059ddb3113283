//! What a pool counts, and the snapshot that users get of it.
//!
//! Nothing here is incremented by two threads at a time on the path of a task: inboxes count pushes by their tail
//! position, workers count on cache lines of their own, and a snapshot adds everything up.

use crate::base::histogram::Recorder;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::counter::{Counter, StateTimer};
use crate::base::histogram::Histogram;
use crate::task::counts::{PermitReturn, TaskCounts};

/// What one worker has measured.
#[derive(Debug, Default)]
pub struct Timing {
    /// From submission to start.
    pub waits: Recorder,
    /// From start to end.
    pub runs: Recorder,
}

/// Written by the thread that acts as one worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// Ends of tasks.
    pub counts: TaskCounts,
    /// Tasks submitted by tasks on this worker: straight to its own deque, or (pull) to the shared queue.
    pub submitted: Counter,
    /// Places that it has emptied in the shared queue of a pull pool.
    pub taken: Counter,
    /// Tasks taken from the inbox or deque of another worker.
    pub stolen: Counter,
    /// Forked work taken from other workers.
    pub stolen_forks: Counter,
    /// Times it went to sleep.
    pub parked: Counter,
    /// Time since its thread began, in nanoseconds since the pool was built. What is left of it by the next two is busy.
    pub alive: StateTimer,
    /// Nanoseconds spent looking for work, but for the find_task in which it was found.
    pub searching: Counter,
    /// Time asleep, for want of work or in a task that waits for another pool; as `alive`.
    pub asleep: StateTimer,
    /// Ticks of [`clock`](crate::sys::clock) for which a thread from outside acted as this worker, which slept.
    pub leased: Counter,
}

impl WorkerMetrics {
    /// Of a worker that gives permits back at `exit`, if its pool is bounded.
    pub fn new(exit: Option<PermitReturn>) -> Self {
        WorkerMetrics { counts: TaskCounts::new(exit), ..Self::default() }
    }
}

/// Rare events of the whole pool, counted by any thread.
#[derive(Debug, Default)]
pub struct PoolMetrics {
    /// Tasks that went straight to the injector.
    pub injected: Counter,
    /// Tasks given to certain workers alone.
    pub broadcast: Counter,
    /// Tasks thrown away by a thread that is not a worker, at shutdown.
    pub discarded: Counter,
    /// Tasks that never were in a queue, because the pool was full: run by the thread from outside that submitted them, or
    /// dropped. Written by any thread.
    pub by_callers: TaskCounts,
    /// Panics in the start, exit and panic hooks.
    pub hook_panics: Counter,
    /// Shutdowns that had waited for the end, if the statistics are to be printed then.
    pub reports: Counter,
    /// Homes given to producers; numbers them, so that each starts elsewhere.
    pub homes_given: Counter,
    /// Workers that have joined since the pool was built.
    pub grown: Counter,
    /// Workers that have left while the pool went on.
    pub retired: Counter,
    /// Threads that could not be started since the pool was built, or whose start hook panicked.
    pub failed_starts: Counter,
    /// Workers that have joined in the place of one that blocked.
    pub stand_ins: Counter,
}

/// A snapshot of what a pool has done, from [`Pool::stats`](crate::Pool::stats).
///
/// At rest (no task waits or runs, nobody submits) the numbers are exact and add up:
/// `submitted = completed + failed + panicked + cancelled + expired + dropped + waiting + running`. While the pool works they
/// are a moment's view, each number correct for some point of time during the call; `waiting` is then no larger than it ever
/// was at one moment, so that it never exceeds the capacity of a bounded pool.
///
/// A task that was joined is counted before its handle says so.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// The beginning of its threads' names, see [`PoolBuilder::thread_name`](crate::PoolBuilder::thread_name).
    pub name: String,
    /// Tasks accepted since the pool was built.
    pub submitted: u64,
    /// Tasks that returned.
    pub completed: u64,
    /// Tasks of groups that returned an error.
    pub failed: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks that were cancelled, by handle, token, purge or shutdown, and never ran. A task cancelled by its handle is
    /// counted (until then as waiting) when a worker comes across it.
    pub cancelled: u64,
    /// Tasks whose deadline came before they had started.
    pub expired: u64,
    /// Tasks that found the pool full and were [thrown away](crate::OnFull::Drop).
    pub dropped: u64,
    /// Tasks in a queue.
    pub waiting: u64,
    /// How many tasks may wait (or, if that is 0, wait or run), if there is a
    /// [limit](crate::PoolBuilder::queue_capacity).
    pub capacity: Option<usize>,
    /// Threads and futures that wait for room.
    pub blocked: u64,
    /// Tasks that the calling thread has run because the pool was full, see [`OnFull::CallerRuns`](crate::OnFull::CallerRuns).
    /// They are among the completed and panicked, but no worker has executed them.
    pub run_by_callers: u64,
    /// Tasks begun and not ended, those included that wait for the result of another.
    pub running: u64,
    /// Panics in the pool's hooks, which are swallowed.
    pub hook_panics: u64,
    /// Workers that the pool has now, those that stand in for others among them.
    pub live: usize,
    /// The number of workers that it was built with.
    pub min: usize,
    /// The most workers that it may have, apart from those that stand in for others.
    pub max: usize,
    /// How many workers have joined since it was built, those that stood in among them.
    pub grown: u64,
    /// How many have left while it went on.
    pub retired: u64,
    /// How often a worker could not be added, because the operating system refused the thread or the start hook panicked.
    pub failed_starts: u64,
    /// How often a worker joined in the place of one whose task [blocked](crate::blocking).
    pub stand_ins: u64,
    /// One entry for each number that was ever a worker's, in order: what those have done that have left stays counted.
    pub workers: Vec<WorkerStats>,
}

/// What a supervisor looks at.
#[derive(Debug, Clone, Copy)]
pub struct LoadSample {
    /// Tasks accepted so far.
    pub submitted: u64,
    /// Tasks begun so far.
    pub started: u64,
    /// Tasks that are queued.
    pub waiting: u64,
}

/// Whether and where the thread of a worker is pinned. A number's next thread overwrites what the one before has noted.
#[derive(Debug, Default)]
pub struct PinRecord(AtomicUsize);

impl PinRecord {
    /// Notes it. The number of a core is small, for it lies in the affinity mask of a process.
    pub fn set(&self, status: PinStatus) {
        let code = match status {
            PinStatus::Unpinned => 0,
            PinStatus::Pinned(core) => core << 2 | 1,
            PinStatus::Refused(core) => core << 2 | 2,
        };
        self.0.store(code, Ordering::Relaxed); // one word, read for statistics
    }

    /// What was noted last.
    pub fn get(&self) -> PinStatus {
        let code = self.0.load(Ordering::Relaxed); // as above
        match code & 3 {
            0 => PinStatus::Unpinned,
            1 => PinStatus::Pinned(code >> 2),
            _ => PinStatus::Refused(code >> 2),
        }
    }
}

impl PoolStats {
    /// The counts of tasks, each with the name of its field.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("submitted", self.submitted),
            ("completed", self.completed),
            ("failed", self.failed),
            ("panicked", self.panicked),
            ("cancelled", self.cancelled),
            ("expired", self.expired),
            ("dropped", self.dropped),
            ("waiting", self.waiting),
            ("running", self.running),
        ]
        .into_iter()
    }

    /// How long tasks waited for their start, on all workers together; empty unless the pool
    /// [measures](crate::PoolBuilder::histograms) it.
    pub fn waits(&self) -> Histogram {
        merged(self.workers.iter().map(|worker| &worker.waits))
    }

    /// How long tasks ran, as [`PoolStats::waits`].
    pub fn runs(&self) -> Histogram {
        merged(self.workers.iter().map(|worker| &worker.runs))
    }
}

fn merged<'a>(parts: impl Iterator<Item = &'a Histogram>) -> Histogram {
    let mut all = Histogram::default();
    parts.for_each(|part| all.merge(part));
    all
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum WorkerState {
    /// Its thread has ended, or not begun.
    #[default]
    Gone,
    /// It runs a task, or is between two.
    Busy,
    /// It sleeps for want of work, or because its task waits for another pool.
    Parked,
}

/// What one worker has done; part of [`PoolStats`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WorkerStats {
    /// The worker's number, from 0.
    pub index: usize,
    /// Tasks it ran to their end, panics included.
    pub executed: u64,
    /// Tasks it took from the queues of other workers.
    pub stolen: u64,
    /// Halves of joins (of scopes and loops as well) that it took from other workers. They are no tasks, and are
    /// in none of the other counts.
    pub stolen_forks: u64,
    /// Times it went to sleep.
    pub parked: u64,
    /// Tasks in its inbox and deque, and what was sent to it in particular.
    pub queue_depth: usize,
    /// What it is doing.
    pub state: WorkerState,
    /// For how long it ran tasks, or was about to. Measured when a worker falls asleep and wakes up, not at each task.
    pub time_busy: Duration,
    /// For how long it looked for work in vain before it found some or slept.
    pub time_searching: Duration,
    /// For how long it slept.
    pub time_parked: Duration,
    /// How long tasks had waited that it ran; empty unless the pool [measures](crate::PoolBuilder::histograms) it.
    pub waits: Histogram,
    /// How long they ran.
    pub runs: Histogram,
    /// Whether and where it is pinned.
    pub pin: PinStatus,
}

/// Whether a worker is bound to a core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PinStatus {
    /// Nobody asked for it.
    #[default]
    Unpinned,
    /// It runs on this core only.
    Pinned(usize),
    /// The operating system refused to bind it to this core; it runs unpinned.
    Refused(usize),
}

impl fmt::Display for PinStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinStatus::Unpinned => f.write_str("unpinned"),
            PinStatus::Pinned(core) => write!(f, "core {core}"),
            PinStatus::Refused(core) => write!(f, "core {core} refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_noted_and_noted_anew() {
        let record = PinRecord::default();
        assert_eq!(record.get(), PinStatus::Unpinned);
        for status in
            [PinStatus::Pinned(0), PinStatus::Refused(1023), PinStatus::Pinned(7), PinStatus::Unpinned]
        {
            record.set(status);
            assert_eq!(record.get(), status);
        }
    }
}
