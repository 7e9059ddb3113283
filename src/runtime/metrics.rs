//! What a pool counts, and the snapshot that users get of it.
//!
//! On the path of a task no two threads increment the same counter: inboxes count pushes by their tail
//! position, each worker counts on cache lines of its own, and a snapshot adds everything up (`stats.rs`).
//! Any thread reads the counters. Guarded by `tests/it/behaviour/statistics.rs` and
//! `tests/it/behaviour/histograms.rs`.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::counter::{Counter, StateTimer};
use crate::base::histogram::{Histogram, HistogramRecorder};
use crate::task::counts::{PermitReturn, TaskCounts};

/// The times that one worker has measured.
#[derive(Debug, Default)]
pub struct Timing {
    /// From submission to start.
    pub waits: HistogramRecorder,
    /// From start to end.
    pub runs: HistogramRecorder,
    /// From the submission to the end.
    pub latencies: HistogramRecorder,
}

/// The counters of one worker. Written by the thread that acts as the worker. `parked` and `asleep` are also
/// written by the worker's own thread while another thread leases the worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// Starts and ends of tasks.
    pub counts: TaskCounts,
    /// Tasks submitted by tasks on this worker: to its own deque, or (pull) to the shared queue.
    pub submitted: Counter,
    /// Tasks that it has taken out of the shared queue of a pull pool.
    pub taken: Counter,
    /// Tasks taken from the inbox, the deque or the mailbox of another worker.
    pub stolen: Counter,
    /// Forked work taken from other workers.
    pub stolen_forks: Counter,
    /// Loops that began on it.
    pub loops: Counter,
    /// Items of those loops.
    pub loop_items: Counter,
    /// Times it fell asleep.
    pub parked: Counter,
    /// Time since its thread started. Busy time is this minus `searching` and `asleep`.
    pub alive: StateTimer,
    /// Nanoseconds spent looking for work, without the last look, in which the work was found.
    pub searching: Counter,
    /// Time asleep, without work or in a task that waits for long.
    pub asleep: StateTimer,
    /// Ticks of [`clock`](crate::sys::clock) during which an external thread acted as this worker, whose own
    /// thread slept.
    pub leased: Counter,
}

impl WorkerMetrics {
    /// The counters of a worker that returns permits by `permit_return`, if its pool is bounded.
    pub fn new(permit_return: Option<PermitReturn>) -> Self {
        WorkerMetrics { counts: TaskCounts::new(permit_return), ..Self::default() }
    }
}

/// Rare events of the whole pool, counted by any thread.
#[derive(Debug, Default)]
pub struct PoolMetrics {
    /// Tasks from outside that were put into the injector or a priority queue.
    pub injected: Counter,
    /// Broadcast tasks.
    pub broadcast: Counter,
    /// Tasks that were discarded unstarted, by shutdown or purge.
    pub discarded: Counter,
    /// Tasks that were cancelled or have expired while they were queued, and were counted at that moment.
    pub ended_early: Counter,
    /// Tasks of lanes that were discarded before the lane had passed them to the pool.
    pub unqueued: Counter,
    /// Those of `ended_early` that have expired. Counted after it.
    pub expired_early: Counter,
    /// Entries of such tasks that were discarded afterwards.
    pub skipped: Counter,
    /// Tasks that were in no queue because the pool was full: run by the external thread that submitted them,
    /// or dropped. Written by any thread.
    pub by_callers: TaskCounts,
    /// Panics in the start, exit and panic hooks.
    pub hook_panics: Counter,
    /// Shutdowns that have waited for the end of a pool that then prints its statistics: the first one
    /// prints.
    pub reports: Counter,
    /// Homes assigned to producers. Numbers the producers, so that each starts at another worker.
    pub homes_given: Counter,
    /// Workers that have joined since the pool was built.
    pub grown: Counter,
    /// Workers that have left while the pool went on.
    pub retired: Counter,
    /// Tasks that were returned to their submitter.
    pub refused: Counter,
    /// Threads that could not be started since the pool was built, or whose start hook panicked.
    pub failed_starts: Counter,
    /// Stand-ins that have joined for a blocked worker.
    pub stand_ins: Counter,
}

/// A snapshot of what a pool has done, from [`Pool::stats`](crate::Pool::stats).
///
/// At rest (no task waits, runs or is being submitted) the numbers are exact and add up: `submitted =
/// completed + failed + panicked + cancelled + expired + dropped + waiting + running`. While the pool works,
/// each number is correct for some point of time during the call. `waiting` is then not larger than it was at
/// some moment, so it never exceeds the capacity of a bounded pool.
///
/// A task is counted before its handle says that it is done. So the statistics include every task that was
/// joined.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PoolStats {
    /// The start of its threads' names, see [`PoolBuilder::thread_name`](crate::PoolBuilder::thread_name).
    pub name: String,
    /// Tasks accepted since the pool was built.
    pub submitted: u64,
    /// Tasks that returned.
    pub completed: u64,
    /// Tasks of groups that returned an error.
    pub failed: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks that were cancelled by handle, token, purge or shutdown, and never ran. Counted at the moment of
    /// the cancellation.
    pub cancelled: u64,
    /// Tasks whose deadline passed before they started. Counted when the deadline passes.
    pub expired: u64,
    /// Tasks that were [dropped](crate::OnFull::Drop) because the pool was full.
    pub dropped: u64,
    /// Tasks that were refused: a [`SubmitError`](crate::SubmitError) or
    /// [`BatchError`](crate::BatchError) has returned them. They are not among the submitted.
    pub refused: u64,
    /// Tasks in a queue.
    pub waiting: u64,
    /// How many tasks may wait, if there is a [limit](crate::PoolBuilder::queue_capacity). With 0 no task
    /// waits: a task is admitted only if there may be a worker for it.
    pub capacity: Option<usize>,
    /// Threads and futures that wait to be admitted.
    pub blocked: u64,
    /// Tasks that their submitting thread has run because the pool was full, see
    /// [`OnFull::CallerRuns`](crate::OnFull::CallerRuns). They are among the completed and panicked, but no
    /// worker has executed them.
    pub run_by_callers: u64,
    /// Tasks that have started and not ended, including those that wait for another task.
    pub running: u64,
    /// Loops that have begun, such as [`Pool::for_each`](crate::Pool::for_each). Their parts are no tasks. A
    /// loop that an external thread sends to a worker is one.
    pub loops: u64,
    /// Items of those loops.
    pub loop_items: u64,
    /// Panics in the pool's hooks, which are swallowed.
    pub hook_panics: u64,
    /// Workers that the pool has now, including stand-ins.
    pub live: usize,
    /// The number of workers that the pool was built with.
    pub min: usize,
    /// The most workers that the pool may have, without stand-ins.
    pub max: usize,
    /// How many workers have joined since the pool was built, including stand-ins.
    pub grown: u64,
    /// How many workers have left while the pool went on.
    pub retired: u64,
    /// How often a worker could not be added, because the operating system refused the thread or the start
    /// hook panicked.
    pub failed_starts: u64,
    /// How often a stand-in joined for a worker whose task [blocked](crate::blocking).
    pub stand_ins: u64,
    /// One entry for each worker number that was ever used, in order. The counts of a worker that has left
    /// stay.
    pub workers: Vec<WorkerStats>,
}

/// The load of a pool at one moment, for the autoscaler.
#[derive(Debug, Clone, Copy)]
pub struct LoadSample {
    /// Tasks accepted so far.
    pub submitted: u64,
    /// Tasks started so far.
    pub started: u64,
    /// Tasks that are queued.
    pub waiting: u64,
}

/// Whether and where the thread of a worker is pinned. The next thread of the same number overwrites it.
#[derive(Debug, Default)]
pub struct PinRecord {
    status: AtomicUsize,
    /// The name of the thread, by which the system tells its mask; 0 if there is none. Names of the common
    /// systems have 32 bits.
    thread: AtomicUsize,
}

impl PinRecord {
    /// Stores `status` of the thread with this name. Core numbers are small, because they are positions in
    /// the affinity mask of a process.
    pub fn set(&self, status: PinStatus, thread: u64) {
        let code = match status {
            PinStatus::Unpinned => 0,
            PinStatus::Pinned(core) => core << 3 | 1,
            PinStatus::Refused(core) => core << 3 | 2,
            PinStatus::Hint(core) => core << 3 | 3,
            PinStatus::Lost(core) => core << 3 | 4,
        };
        // Relaxed, both, as in `get`: words for statistics. The name of another thread with the status of
        // this one, or the other way round, makes one snapshot wrong.
        self.thread.store(usize::try_from(thread).unwrap_or(0), Ordering::Relaxed);
        self.status.store(code, Ordering::Relaxed);
    }

    /// The last status, and the name of the thread.
    pub fn get(&self) -> (PinStatus, u64) {
        let code = self.status.load(Ordering::Relaxed); // see `set`
        let core = code >> 3;
        let status = match code & 7 {
            0 => PinStatus::Unpinned,
            1 => PinStatus::Pinned(core),
            2 => PinStatus::Refused(core),
            3 => PinStatus::Hint(core),
            _ => PinStatus::Lost(core),
        };
        (status, self.thread.load(Ordering::Relaxed) as u64) // see `set`
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
            ("refused", self.refused),
            ("waiting", self.waiting),
            ("running", self.running),
        ]
        .into_iter()
    }

    /// How long tasks waited for their start, on all workers together. Empty unless the pool
    /// [measures](crate::PoolBuilder::histograms) it.
    pub fn waits(&self) -> Histogram {
        merged(self.workers.iter().map(|worker| &worker.waits))
    }

    /// The latencies of tasks, on all workers together: each from the submission to the end, waiting and
    /// running. Empty unless the pool [measures](crate::PoolBuilder::histograms) it.
    pub fn latencies(&self) -> Histogram {
        merged(self.workers.iter().map(|worker| &worker.latencies))
    }

    /// How long tasks ran, on all workers together. Empty unless the pool
    /// [measures](crate::PoolBuilder::histograms) it.
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
    /// Its thread has ended, or not started.
    #[default]
    Gone,
    /// It runs a task, or is between two tasks.
    Busy,
    /// It sleeps because it has no work, or because its task waits for long.
    Parked,
}

/// What one worker has done; part of [`PoolStats`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WorkerStats {
    /// The worker's number, from 0.
    pub index: usize,
    /// Tasks that it ran to their end, including panics.
    pub executed: u64,
    /// Tasks that it took from the queues of other workers.
    pub stolen: u64,
    /// Halves of joins (also those of scopes and loops) that it took from other workers. They are no tasks,
    /// and are in none of the other counts.
    pub stolen_forks: u64,
    /// Times it fell asleep.
    pub parked: u64,
    /// Tasks in its inbox and deque, and tasks that were sent to it.
    pub queue_depth: usize,
    /// What it is doing.
    pub state: WorkerState,
    /// How long it ran tasks or was between tasks. Measured when a worker falls asleep and wakes up, not at
    /// each task.
    pub time_busy: Duration,
    /// How long it looked for work in vain before it found some or slept.
    pub time_searching: Duration,
    /// How long it slept.
    pub time_parked: Duration,
    /// How long the tasks that it ran had waited. Empty unless the pool
    /// [measures](crate::PoolBuilder::histograms) it.
    pub waits: Histogram,
    /// How long the tasks ran. Empty unless the pool [measures](crate::PoolBuilder::histograms) it.
    pub runs: Histogram,
    /// The latencies of the tasks, from the submission to the end. Empty unless the pool
    /// [measures](crate::PoolBuilder::histograms) it.
    pub latencies: Histogram,
    /// Whether and where it is pinned.
    pub pin: PinStatus,
}

/// Whether a worker is bound to a core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PinStatus {
    /// No pinning was asked for.
    #[default]
    Unpinned,
    /// It runs on this core only, as the operating system has confirmed.
    Pinned(usize),
    /// The operating system refused to bind it to this core, or has no such call (macOS); it runs unpinned.
    Refused(usize),
    /// The operating system has accepted to bind it to this core, and does not tell what it makes of it.
    Hint(usize),
    /// It was bound to this core, and is not any more: the core has left the set of the process, or another
    /// program has changed the thread's mask. Found out when the statistics are read.
    Lost(usize),
}

impl fmt::Display for PinStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinStatus::Unpinned => f.write_str("unpinned"),
            PinStatus::Pinned(core) => write!(f, "core {core}"),
            PinStatus::Refused(core) => write!(f, "core {core} refused"),
            PinStatus::Hint(core) => write!(f, "core {core} hinted"),
            PinStatus::Lost(core) => write!(f, "core {core} lost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_status_is_stored_and_overwritten() {
        let record = PinRecord::default();
        assert_eq!(record.get(), (PinStatus::Unpinned, 0));
        for status in [
            PinStatus::Pinned(0),
            PinStatus::Refused(1023),
            PinStatus::Hint(5),
            PinStatus::Lost(65_535),
            PinStatus::Pinned(7),
            PinStatus::Unpinned,
        ] {
            record.set(status, 4242);
            assert_eq!(record.get(), (status, 4242));
        }
    }
}
