//! The statistics of a pool: one snapshot of the counters of all workers, read in an order in which no
//! difference comes out negative. Any thread may take a snapshot. Guarded by
//! `tests/it/behaviour/statistics.rs` and `tests/stress`.

use std::time::{Duration, Instant};

use crate::base::counter::{Counter, nanos};
use crate::limits::wait_queue::Semaphore;
use crate::runtime::capacity::Capacity;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PinStatus, PoolStats, WorkerMetrics, WorkerState, WorkerStats};
use crate::runtime::record::Record;
use crate::sys::{affinity, clock};
use crate::task::counts::TaskCounts;

impl Core {
    /// How many threads and futures wait to be admitted.
    fn waiting_submitters(&self) -> u64 {
        if self.is_forked() {
            return 0; // a lock may be held by a thread that does not exist in this process
        }
        let for_capacity = self.capacity.as_ref().map_or(0, Capacity::waiting_submitters);
        for_capacity + self.budget.as_ref().map_or(0, |budget| budget.waiting())
    }

    /// The sum of one count over all workers.
    pub fn sum(&self, get: fn(&WorkerMetrics) -> u64) -> u64 {
        self.records.values().map(|record| get(&record.metrics)).sum()
    }

    /// Whether every task that was accepted for a queue or a lane has ended or was discarded. Exact while all
    /// workers are parked or paused and no purge is under way: no thread holds a task in its hands then that
    /// neither a queue nor a lane counts. `pushed` counts as in [`Core::stats`].
    pub fn have_all_ended(&self, pushed: impl FnOnce() -> u64) -> bool {
        // In reverse causal order, as below: a task that is read here as ended is read as accepted as well,
        // so one that still lives makes the sums differ. A task that its submitter runs is a part of the
        // submission, so `by_callers` is not counted.
        let discarded = self.metrics.discarded.get() + self.metrics.ended_early.get();
        let gone = self.sum(|m| m.counts.gone()) + discarded;
        // Before the other counts, because a task moves from its lane to one of them.
        let in_backlogs = self.backlogs.sum(|backlog| backlog.entries());
        let by_workers = self.sum(|m| m.submitted.get());
        let unqueued = self.metrics.unqueued.get() + in_backlogs;
        gone == by_workers + pushed() + self.metrics.broadcast.get() + unqueued
    }

    /// A snapshot. `pushed` counts the tasks that were submitted from outside, `depth` the tasks in the
    /// queues of one worker.
    pub fn stats(&self, pushed: impl Fn() -> u64, depth: impl Fn(usize) -> usize) -> PoolStats {
        let by_callers = &self.metrics.by_callers;
        // In a forked child a lock may be held by a thread that does not exist there.
        let in_backlogs = if self.is_forked() { 0 } else { self.backlogs.sum(|backlog| backlog.entries()) };
        let submitted = || {
            let by_workers = self.sum(|m| m.submitted.get());
            let unqueued = self.metrics.unqueued.get() + in_backlogs;
            by_workers + pushed() + self.metrics.broadcast.get() + by_callers.started.get() + unqueued
        };
        let submitted_before = submitted();
        // In reverse causal order: ends, then starts, then submissions, so that no difference comes out
        // negative.
        let total = |get: fn(&TaskCounts) -> &Counter| -> u64 {
            self.records.values().map(|r| get(&r.metrics.counts).get()).sum::<u64>() + get(by_callers).get()
        };
        let run_by_callers = by_callers.ended();
        let completed = total(|counts| &counts.completed);
        let failed = total(|counts| &counts.failed);
        let panicked = total(|counts| &counts.panicked);
        let cancelled = total(|counts| &counts.cancelled);
        let expired = total(|counts| &counts.expired);
        let dropped = total(|counts| &counts.dropped);
        let started = total(|counts| &counts.started);
        let discarded = self.metrics.discarded.get();
        let expired_early = self.metrics.expired_early.get();
        let ended_early = self.metrics.ended_early.get();
        let parked = self.idle.parked();
        let workers = self
            .records
            .iter()
            .map(|(index, record)| self.worker_stats(index, depth(index), parked.contains(&index), record));
        PoolStats {
            name: self.config.name.clone(),
            submitted: submitted(),
            completed,
            failed,
            panicked,
            expired: expired + expired_early,
            dropped,
            refused: self.metrics.refused.get(),
            cancelled: cancelled + discarded + ended_early.saturating_sub(expired_early),
            // Computed with the submissions that were read before the starts: a task that is submitted and
            // started in between would otherwise count as waiting.
            waiting: submitted_before.saturating_sub(started + discarded + ended_early),
            capacity: self.config.capacity,
            blocked: self.waiting_submitters(),
            run_by_callers,
            running: started.saturating_sub(completed + failed + panicked + cancelled + expired + dropped),
            loops: self.sum(|m| m.loops.get()),
            loop_items: self.sum(|m| m.loop_items.get()),
            hook_panics: self.metrics.hook_panics.get(),
            live: self.roster.live(),
            min: self.config.limits.min,
            max: self.config.limits.max,
            grown: self.metrics.grown.get(),
            retired: self.metrics.retired.get(),
            failed_starts: self.metrics.failed_starts.get(),
            stand_ins: self.metrics.stand_ins.get(),
            workers: workers.collect(),
        }
    }

    /// The load, for the autoscaler. `pushed` counts as in [`Core::stats`].
    pub fn read(&self, pushed: impl FnOnce() -> u64) -> LoadSample {
        // In reverse causal order: starts, then submissions.
        let started = self.sum(|m| m.counts.started.get());
        let discarded = self.metrics.discarded.get() + self.metrics.ended_early.get();
        let submitted = self.sum(|m| m.submitted.get()) + self.metrics.broadcast.get() + pushed();
        LoadSample { submitted, started, waiting: submitted.saturating_sub(started + discarded) }
    }

    fn worker_stats(&self, index: usize, depth: usize, is_parked: bool, record: &Record) -> WorkerStats {
        let (metrics, now) = (&record.metrics, self.nanos(Instant::now()));
        let alive = metrics.alive.total(now);
        // During a lease the worker's own thread sleeps, but the worker does not.
        let asleep = metrics.asleep.total(now).saturating_sub(self.ticks_to_nanos(metrics.leased.get()));
        let searching = metrics.searching.get();
        let timing = record.timing.get();
        let is_alive = metrics.alive.is_under_way();
        let pin = match record.pin.get() {
            (PinStatus::Pinned(core), thread) if is_alive && affinity::has_lost_pin(thread, core) => {
                PinStatus::Lost(core)
            }
            (status, _) => status,
        };
        WorkerStats {
            index,
            executed: metrics.counts.ended(),
            stolen: metrics.stolen.get(),
            stolen_forks: metrics.stolen_forks.get(),
            parked: metrics.parked.get(),
            queue_depth: depth + record.broadcasts.len(),
            state: match is_alive {
                false => WorkerState::Gone,
                true if is_parked => WorkerState::Parked,
                true => WorkerState::Busy,
            },
            time_busy: Duration::from_nanos(alive.saturating_sub(searching + asleep)),
            time_searching: Duration::from_nanos(searching),
            time_parked: Duration::from_nanos(asleep),
            waits: timing.map(|timing| timing.waits.snapshot()).unwrap_or_default(),
            runs: timing.map(|timing| timing.runs.snapshot()).unwrap_or_default(),
            latencies: timing.map(|timing| timing.latencies.snapshot()).unwrap_or_default(),
            pin,
        }
    }

    /// A moment as nanoseconds since the pool was built.
    pub fn nanos(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.built.0))
    }

    /// Ticks of the cheap clock (`sys/clock.rs`) as nanoseconds.
    fn ticks_to_nanos(&self, ticks: u64) -> u64 {
        let (nanos, all) = (self.built.0.elapsed().as_nanos(), u128::from(clock::ticks_since(self.built.1)));
        (u128::from(ticks) * nanos).checked_div(all).map_or(0, |nanos| nanos.try_into().unwrap_or(u64::MAX))
    }
}
