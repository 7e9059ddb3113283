//! All that the threads of a pool share: the remote halves of the workers, the injector, the idle protocol, the
//! phase of life. Everything here may be touched by any thread at any time; what belongs to one worker alone is in
//! `worker`.

use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};

use crossbeam_deque::{Injector, Steal, Stealer};
use crossbeam_utils::CachePadded;

use super::idle::Idle;
use super::lifecycle::Threads;
use super::metrics::{PinStatus, PoolMetrics, PoolStats, WorkerMetrics, WorkerStats};
use crate::base::error::PanicPayload;
use crate::base::unwind::{self, Payload};
use crate::primitives::batch::Batch;
use crate::primitives::inbox::Inbox;
use crate::primitives::members::Members;
use crate::primitives::task::{Discarded, Task};
use crate::runtime::config::Config;
use crate::sys::fork;

/// Tasks that an inbox holds: eight batches. More would only postpone the moment at which a producer that is faster
/// than its worker moves tasks to the injector, where everyone finds them; each slot costs 40 bytes.
const INBOX_CAPACITY: usize = 256;

/// Tasks that travel together: from inbox to deque, from victim to thief, and through the injector.
pub type TaskBatch = Batch<Task>;

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

/// The half of a worker that other threads may touch.
#[derive(Debug)]
pub struct Remote {
    /// Where dispatchers push.
    pub inbox: Inbox<Task>,
    /// Thieves' access to the worker's deque.
    pub stealer: Stealer<Task>,
    /// Written by the worker, read by snapshots; padded, for the inbox is written by others.
    pub metrics: CachePadded<WorkerMetrics>,
    /// Set by the worker before its first task.
    pub pin: OnceLock<PinStatus>,
}

impl Remote {
    /// The remote half that belongs to the deque behind `stealer`.
    pub fn new(stealer: Stealer<Task>) -> Self {
        Remote {
            inbox: Inbox::new(INBOX_CAPACITY),
            stealer,
            metrics: CachePadded::default(),
            pin: OnceLock::new(),
        }
    }

    /// Whether a thief would find something here.
    pub fn has_work(&self) -> bool {
        self.inbox.has_ready() || !self.stealer.is_empty()
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Shared {
    /// A number of its own (until four billion pools were built), so that a thread's note about one pool is not taken
    /// for another's.
    pub id: u32,
    /// What the user asked for.
    pub config: Config,
    /// [`fork::generation`] at the time of building.
    fork_generation: u32,
    /// Remote halves by the number of their worker. They live as long as this struct, whoever leaves the pool.
    remotes: Box<[Remote]>,
    /// The numbers of the workers whose threads have been started.
    pub members: Members<usize>,
    /// What no inbox had room for.
    injector: Injector<TaskBatch>,
    /// Producers on their way to the injector with tasks that no queue shows; see [`Passage`].
    passages: CachePadded<AtomicUsize>,
    /// Who searches, who is parked.
    pub idle: Idle,
    phase: CachePadded<AtomicU8>,
    /// Rare events.
    pub metrics: PoolMetrics,
    /// The operating system's threads behind the workers.
    pub threads: Threads,
}

impl Shared {
    /// The shared half of a pool whose workers own the deques behind `stealers`.
    pub fn new(config: Config, stealers: Vec<Stealer<Task>>) -> Self {
        static NEXT_ID: AtomicU32 = AtomicU32::new(1);
        let workers = stealers.len();
        Shared {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed), // only uniqueness matters
            config,
            fork_generation: {
                fork::register();
                fork::generation()
            },
            remotes: stealers.into_iter().map(Remote::new).collect(),
            members: Members::new(Box::default()),
            injector: Injector::new(),
            passages: CachePadded::new(AtomicUsize::new(0)),
            idle: Idle::new(workers),
            phase: CachePadded::new(AtomicU8::new(Phase::Open as u8)),
            metrics: PoolMetrics::default(),
            threads: Threads::default(),
        }
    }

    /// The remote half of worker `index`.
    #[inline]
    pub fn remote(&self, index: usize) -> &Remote {
        &self.remotes[index]
    }

    /// All remote halves, by number.
    pub fn remotes(&self) -> &[Remote] {
        &self.remotes
    }

    /// Adds worker `index`, whose thread has just been started, to the set. Called by the building thread alone.
    pub fn admit(&self, index: usize) {
        let grown = self.members.read(|members| members.iter().copied().chain([index]).collect());
        self.members.replace(grown);
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
        // worker that wants to end the pool, see `ends_now`.
        fence(Ordering::SeqCst);
    }

    /// Opens a passage to the injector; `None` once the pool is closed to work from outside.
    pub fn passage(&self) -> Option<Passage<'_>> {
        self.passages.fetch_add(1, Ordering::Relaxed); // ordered by the fence
        let passage = Passage { shared: self };
        fence(Ordering::SeqCst); // see `ends_now`
        (self.phase() == Phase::Open).then_some(passage)
    }

    /// Waits until no producer is on its way to the injector: a few instructions, unless one is preempted there.
    pub fn wait_for_passages(&self) {
        while self.passages.load(Ordering::Acquire) != 0 {
            std::thread::yield_now();
        }
    }

    /// Takes a batch out of the injector.
    pub fn take_injected(&self) -> Option<TaskBatch> {
        if self.injector.is_empty() {
            return None;
        }
        loop {
            match self.injector.steal() {
                Steal::Success(batch) => return Some(batch),
                Steal::Empty => return None,
                // Somebody else got one, so this loop ends after at most as many rounds as there are batches.
                Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    /// Whether a worker that is about to sleep would miss something. Called after a sequentially consistent fence.
    ///
    /// Every source of work is named here, and nowhere else: the inboxes (one's own among them), the deques and the
    /// injector.
    pub fn has_work(&self) -> bool {
        !self.injector.is_empty()
            || self.members.read(|members| members.iter().any(|&i| self.remote(i).has_work()))
    }

    /// Whether every worker may go.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.phase() >= Phase::Ended
    }

    /// Called by a worker that has announced its rest: ends the pool if it drains, no task is left and all workers rest.
    /// Then nothing can bring a new task: outside is shut out, and inside nobody runs.
    ///
    /// Of several workers that lie down together the last to announce sees all of them, so somebody finds out. What
    /// the others pushed before they lay down this worker sees, for the announcements are ordered by their lock.
    pub fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        // Pairs with the fence in `passage`: a producer that still saw the pool open has its passage counted in what we
        // read from here on.
        fence(Ordering::SeqCst);
        // The queues first and the counts afterwards. While we are in the list, a task that is still pushed (its place was
        // reserved before the close) wakes somebody; who then rests no longer, or has finished it. Counted first, all
        // might rest, one be woken, take the task, and we find the queues empty while it runs.
        if !self.is_drained() || !self.all_rest() {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn all_rest(&self) -> bool {
        let counts = self.idle.counts();
        counts.parked() - counts.waiting() == self.members.read(<[usize]>::len) as u64
    }

    /// Whether no queue holds a task and nobody is on the way with one.
    fn is_drained(&self) -> bool {
        let inboxes_empty = self.remotes.iter().all(|r| r.inbox.len() == 0);
        // In this order: tasks leave an inbox inside a passage, which ends when they are in the injector. Acquire
        // pairs with the Release at the passage's end.
        let nobody_between = self.passages.load(Ordering::Acquire) == 0;
        inboxes_empty
            && nobody_between
            && self.injector.is_empty()
            && self.remotes.iter().all(|r| r.stealer.is_empty())
    }

    /// Empties all queues of a pool that stops; the tasks never start, and their handles say so.
    pub fn throw_away_queued(&self) {
        let throw = |task: Task| match task.discard() {
            Ok(Discarded::RunBefore) => {}
            Ok(Discarded::Unstarted) => _ = self.metrics.swept.add_shared(1),
            Err(payload) => {
                self.metrics.swept.add_shared(1);
                self.report_panic(payload);
            }
        };
        self.remotes.iter().for_each(|remote| remote.inbox.drain_closed(throw));
        while let Some(mut batch) = self.take_injected() {
            std::iter::from_fn(|| batch.pop()).for_each(throw);
        }
        for remote in &self.remotes {
            loop {
                match remote.stealer.steal() {
                    Steal::Success(task) => throw(task),
                    Steal::Retry => std::hint::spin_loop(),
                    Steal::Empty => break,
                }
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

    /// Adds everything up.
    pub fn stats(&self) -> PoolStats {
        // In reverse causal order: ends, then starts, then submissions, so that no difference comes out negative.
        let sum = |get: fn(&WorkerMetrics) -> u64| self.remotes.iter().map(|r| get(&r.metrics)).sum::<u64>();
        let completed = sum(|m| m.tally.completed.get());
        let panicked = sum(|m| m.tally.panicked.get());
        let cancelled_by_workers = sum(|m| m.tally.cancelled.get());
        let started = sum(|m| m.tally.started.get());
        let swept = self.metrics.swept.get();
        let local = sum(|m| m.submitted.get());
        let pushed: u64 = self.remotes.iter().map(|r| r.inbox.pushed()).sum();
        let submitted = local + pushed + self.metrics.injected.get();
        PoolStats {
            submitted,
            completed,
            panicked,
            cancelled: cancelled_by_workers + swept,
            waiting: submitted.saturating_sub(started + swept),
            running: started.saturating_sub(completed + panicked + cancelled_by_workers),
            hook_panics: self.metrics.hook_panics.get(),
            workers: self.remotes.iter().enumerate().map(worker_stats).collect(),
        }
    }
}

fn worker_stats((index, remote): (usize, &Remote)) -> WorkerStats {
    let metrics = &remote.metrics;
    WorkerStats {
        index,
        executed: metrics.tally.completed.get() + metrics.tally.panicked.get(),
        stolen: metrics.stolen.get(),
        parked: metrics.parked.get(),
        queue_depth: remote.inbox.len() + remote.stealer.len(),
        pin: remote.pin.get().copied().unwrap_or_default(),
    }
}

/// The right to put tasks into the injector. While one is open the pool does not end: its holder may have tasks in
/// hand that no queue shows.
#[derive(Debug)]
pub struct Passage<'a> {
    shared: &'a Shared,
}

impl Passage<'_> {
    /// Puts `batch` (not empty) into the injector.
    pub fn inject(&self, batch: TaskBatch) {
        debug_assert!(!batch.is_empty());
        self.shared.injector.push(batch);
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        // Release: who sees the passage closed sees what it put into the injector.
        self.shared.passages.fetch_sub(1, Ordering::Release);
        // A pool that was closed in the meantime may have found us here and gone to sleep instead of ending.
        fence(Ordering::SeqCst);
        if self.shared.phase() != Phase::Open {
            self.shared.idle.wake_all();
        }
    }
}
