//! What every pool of threads has, whatever way its tasks go: who it is, what was asked for, its phase of life, who of
//! its workers is idle, their records, and the threads. The queues are the business of the pools themselves, which
//! contain this. Everything here may be touched by any thread at any time.

use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering, fence};

use crossbeam_utils::CachePadded;

use super::config::Config;
use super::idle::Idle;
use super::lifecycle::Threads;
use super::metrics::{PinStatus, PoolMetrics, PoolStats, WorkerMetrics, WorkerStats};
use crate::base::error::PanicPayload;
use crate::base::unwind::{self, Payload};
use crate::primitives::task::{Discarded, Task};
use crate::sys::fork;

/// How far the pool has come in its life. The order of the values is the order of the phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Accepts work.
    Open = 0,
    /// Refuses work from outside; what was accepted is finished, with all that it submits.
    Draining = 1,
    /// Everything is done; the workers go.
    Ended = 2,
    /// Refuses all work; what has not started is thrown away.
    Stopping = 3,
}

/// What is known of one worker from outside.
#[derive(Debug, Default)]
pub struct Record {
    /// Written by the worker, read by snapshots.
    pub metrics: WorkerMetrics,
    /// Set by the worker before its first task.
    pub pin: OnceLock<PinStatus>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Core {
    /// A number of its own (until four billion pools were built), so that a thread's note about one pool is not taken
    /// for another's.
    pub id: u32,
    /// What the user asked for.
    pub config: Config,
    /// [`fork::generation`] at the time of building.
    fork_generation: u32,
    phase: CachePadded<AtomicU8>,
    /// Who searches, who is parked.
    pub idle: Idle,
    /// By the number of the worker. Padded, for each is written by another thread.
    records: Box<[CachePadded<Record>]>,
    /// Rare events.
    pub metrics: PoolMetrics,
    /// The operating system's threads behind the workers.
    pub threads: Threads,
}

impl Core {
    /// The common part of a pool that is built as `config` says.
    pub fn new(config: Config) -> Self {
        static NEXT_ID: AtomicU32 = AtomicU32::new(1);
        let workers = config.workers;
        Core {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed), // only uniqueness matters
            config,
            fork_generation: {
                fork::register();
                fork::generation()
            },
            phase: CachePadded::new(AtomicU8::new(Phase::Open as u8)),
            idle: Idle::new(workers),
            records: (0..workers).map(|_| CachePadded::default()).collect(),
            metrics: PoolMetrics::default(),
            threads: Threads::default(),
        }
    }

    /// The record of worker `index`.
    #[inline]
    pub fn record(&self, index: usize) -> &Record {
        &self.records[index]
    }

    /// Whether this process is a fork of the one that built the pool: its workers do not exist here.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.fork_generation != fork::generation()
    }

    /// The present phase.
    #[inline]
    pub fn phase(&self) -> Phase {
        // Acquire pairs with the Release in `advance`: who sees the phase sees what was done before it was entered.
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Draining,
            2 => Phase::Ended,
            _ => Phase::Stopping,
        }
    }

    /// Enters `phase`, unless the pool is further already.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel); // see `phase`
        // A producer whose passage comes after this sees the phase and turns back; one that came before is seen by the
        // worker that wants to end the pool, see `Shared::ends_now`.
        fence(Ordering::SeqCst);
    }

    /// Whether every worker may go.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.phase() >= Phase::Ended
    }

    /// Throws away a task of a pool that stops: it never starts, and its handle says so.
    pub fn throw_away(&self, task: Task) {
        match task.discard() {
            Ok(Discarded::RunBefore) => {}
            Ok(Discarded::Unstarted) => _ = self.metrics.swept.add_shared(1),
            Err(payload) => {
                self.metrics.swept.add_shared(1);
                self.report_panic(payload);
            }
        }
    }

    /// Gives a payload that nobody waits for to the user's panic handler.
    pub fn report_panic(&self, payload: Payload) {
        match &self.config.hooks.panic {
            Some(handler) => self.run_hook(|| handler(PanicPayload::new(payload))),
            None => unwind::drop_silently(payload),
        }
    }

    /// Runs a hook; a panic in it is counted and swallowed.
    pub fn run_hook(&self, hook: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(panic::AssertUnwindSafe(hook)) {
            self.metrics.hook_panics.add_shared(1);
            unwind::drop_silently(payload);
        }
    }

    /// Adds one count of all workers up.
    pub fn sum(&self, get: fn(&WorkerMetrics) -> u64) -> u64 {
        self.records.iter().map(|record| get(&record.metrics)).sum()
    }

    /// Adds everything up. `pushed` counts what was submitted from outside, `depth` what lies in the queues of one
    /// worker.
    pub fn stats(&self, pushed: impl FnOnce() -> u64, depth: impl Fn(usize) -> usize) -> PoolStats {
        // In reverse causal order: ends, then starts, then submissions, so that no difference comes out negative.
        let completed = self.sum(|m| m.tally.completed.get());
        let panicked = self.sum(|m| m.tally.panicked.get());
        let cancelled_by_workers = self.sum(|m| m.tally.cancelled.get());
        let started = self.sum(|m| m.tally.started.get());
        let swept = self.metrics.swept.get();
        let submitted = self.sum(|m| m.submitted.get()) + pushed();
        let worker_stats = |(index, record): (usize, &CachePadded<Record>)| WorkerStats {
            index,
            executed: record.metrics.tally.completed.get() + record.metrics.tally.panicked.get(),
            stolen: record.metrics.stolen.get(),
            stolen_forks: record.metrics.stolen_forks.get(),
            parked: record.metrics.parked.get(),
            queue_depth: depth(index),
            pin: record.pin.get().copied().unwrap_or_default(),
        };
        PoolStats {
            submitted,
            completed,
            panicked,
            cancelled: cancelled_by_workers + swept,
            waiting: submitted.saturating_sub(started + swept),
            running: started.saturating_sub(completed + panicked + cancelled_by_workers),
            hook_panics: self.metrics.hook_panics.get(),
            workers: self.records.iter().enumerate().map(worker_stats).collect(),
        }
    }
}
