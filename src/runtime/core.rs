//! What every pool of threads has, whatever way its tasks go: who it is, what was asked for, its phase of life, who of
//! its workers is idle, their records, and the threads. The queues are the business of the pools themselves, which
//! contain this. Everything here may be touched by any thread at any time.

use std::fmt;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::base::counter::{Counter, nanos};
use crate::base::error::PanicPayload;
use crate::base::unwind::{self, Payload};
use crate::limits::budget::Budget;
use crate::limits::wait_queue::Office;
use crate::queue::mailbox::Mailbox;
use crate::runtime::broadcast_gate::Gate;
use crate::runtime::capacity::Admission;
use crate::runtime::config::Config;
use crate::runtime::metrics::Timing;
use crate::runtime::metrics::{
    PinRecord, PoolMetrics, PoolStats, Reading, WorkerMetrics, WorkerState, WorkerStats,
};
use crate::runtime::priority::Ranks;
use crate::runtime::threads::Threads;
use crate::sync::grow_table::Numbered;
use crate::sys::{clock, fork};
use crate::task::cancel::Watch;
use crate::task::counts::Tally;
use crate::task::erased::{Discarded, Task};
use crate::task::work::Unstarted;
use crate::workers::idle::Idle;
use crate::workers::roster::{Hiring, Reason, Roster, State};

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

/// Something rare that workers are asked for, besides their tasks. The bits lie beside the phase in one word, so that the
/// one look at the phase that a worker takes for each task covers them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Request {
    /// Begin no task, until this is taken back.
    Pause = 1 << 2,
    /// Look at the tasks of other priorities before each of the normal ones. Never taken back.
    Ranks = 1 << 3,
    /// Look whether there is an order for you (see `orders`).
    Orders = 1 << 4,
    /// Look at the [`Roster`] whether to leave the pool.
    Leave = 1 << 5,
}

/// The bits of the word that hold the [`Phase`].
const PHASE: u32 = 0b11;

/// A word without these bits asks nothing of a worker but to run tasks: the pool is open or drains, and there is no
/// [`Request`].
const WANTS_CARE: u32 = !(Phase::Draining as u32);

/// What else there may be while a worker that has nothing to do goes on looking for tasks: it comes to its orders by itself,
/// and those of others are none of its business.
const NO_REASON_TO_STOP: u32 = Phase::Draining as u32 | Request::Orders as u32;

/// The phase of a pool, and what it asks of its workers, at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Condition(u32);

impl Condition {
    /// How far the pool has come.
    #[inline]
    pub fn phase(self) -> Phase {
        match self.0 & PHASE {
            0 => Phase::Open,
            1 => Phase::Draining,
            2 => Phase::Ended,
            _ => Phase::Stopping,
        }
    }

    /// Whether `request` is made.
    pub fn asks(self, request: Request) -> bool {
        self.0 & request as u32 != 0
    }

    /// Whether there is anything that a worker must see to before it takes its next task.
    #[inline]
    pub fn wants_care(self) -> bool {
        self.0 & WANTS_CARE != 0
    }

    /// Whether a worker that looks for a task must see to something else first.
    pub fn ends_search(self) -> bool {
        self.0 & !NO_REASON_TO_STOP != 0
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("phase", &self.phase())
            .field("requests", &(self.0 & !PHASE))
            .finish()
    }
}

/// What is known of one worker from outside.
#[derive(Debug)]
pub struct Record {
    /// Written by the worker, read by snapshots.
    pub metrics: WorkerMetrics,
    /// How long tasks waited and ran, from the first that is measured on.
    pub timing: OnceLock<Box<Timing>>,
    /// Tasks that this worker alone may run.
    pub orders: Mailbox<Task>,
    /// Set by the worker's thread when it begins.
    pub pin: PinRecord,
    /// Whether tasks may be sent to the worker of this number. Written under the lock of the roster.
    pub is_member: AtomicBool,
}

impl Record {
    /// That of worker `index`, which gives permits back to `admission`.
    fn of(index: usize, admission: Option<&Admission>) -> Arc<CachePadded<Self>> {
        Arc::new(CachePadded::new(Record {
            metrics: WorkerMetrics::new(admission.map(|admission| admission.exit(index))),
            timing: OnceLock::new(),
            orders: Mailbox::default(),
            pin: PinRecord::default(),
            is_member: AtomicBool::new(false),
        }))
    }
}

/// Values that user code keeps for each worker.
pub trait PerWorker: Send + Sync {
    /// Drops those of a worker that goes, on its thread. Panics of user code do not come out.
    fn forget(&self, worker: usize);
}

/// A number for a pool, or for what is waited for like one.
pub fn next_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed) // only uniqueness matters
}

/// See the module's text.
pub struct Core {
    /// A number of its own (until four billion pools were built), so that a thread's note about one pool is not taken
    /// for another's.
    pub id: u32,
    /// What the user asked for.
    pub config: Config,
    /// When it was built, by both clocks.
    built: (Instant, u64),
    /// [`fork::generation`] at the time of building.
    fork_generation: u32,
    /// A [`Condition`].
    condition: CachePadded<AtomicU32>,
    /// Where workers wait while the pool is paused.
    pub pause: Pause,
    /// Where tasks for certain workers alone are handed in.
    pub orders: Gate,
    /// Who searches, who is parked.
    pub idle: Idle,
    /// Tasks of other priorities than normal.
    pub ranks: Ranks,
    /// Who is a worker.
    pub roster: Roster,
    /// By the number of the worker, which has its own at hand. Padded, for each is written by another thread.
    records: Numbered<Arc<CachePadded<Record>>>,
    /// The limit of a bounded pool.
    pub admission: Option<Admission>,
    /// What tasks with a weight share.
    pub budget: Option<Arc<Budget>>,
    /// Rare events.
    pub metrics: PoolMetrics,
    /// What to clean up when a worker goes; whoever made it may have dropped it before.
    per_worker: Mutex<Vec<Weak<dyn PerWorker>>>,
    /// The operating system's threads behind the workers.
    pub threads: Threads,
    /// Ends the pool when the user's token is cancelled.
    pub watch: OnceLock<Watch>,
}

impl Core {
    /// The common part of a pool that is built as `config` says.
    pub fn new(config: Config) -> Self {
        let limits = config.limits;
        let admission = Admission::new(&config);
        let budget = config.budget.map(|limit| Arc::new(Budget::new(limit)));
        let records = (0..limits.min).map(|index| Record::of(index, admission.as_ref())).collect();
        Core {
            id: next_id(),
            config,
            built: (Instant::now(), clock::now()),
            fork_generation: {
                fork::register();
                fork::generation()
            },
            condition: CachePadded::new(AtomicU32::new(Phase::Open as u32)),
            pause: Pause::default(),
            orders: Gate::default(),
            idle: Idle::new(0),
            ranks: Ranks::default(),
            roster: Roster::new(limits),
            records: Numbered::new(records, limits.capacity()),
            admission,
            budget,
            metrics: PoolMetrics::default(),
            per_worker: Mutex::default(),
            threads: Threads::default(),
            watch: OnceLock::new(),
        }
    }

    /// The record of worker `index`.
    #[inline]
    pub fn record(&self, index: usize) -> &Arc<CachePadded<Record>> {
        self.records.get(index)
    }

    /// The same, if there ever was a worker of this number.
    pub fn find_record(&self, index: usize) -> Option<&Record> {
        self.records.find(index).map(|record| &***record)
    }

    /// Makes sure that there is a record of worker `index`.
    pub fn make_record(&self, index: usize) -> &Record {
        self.records.get_or_make(index, || Record::of(index, self.admission.as_ref()))
    }

    /// The numbers of all workers that there ever were.
    pub fn recorded(&self) -> impl Iterator<Item = usize> {
        self.records.iter().map(|(index, _)| index)
    }

    /// Whether this process is a fork of the one that built the pool: its workers do not exist here.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.fork_generation != fork::generation()
    }

    /// Has `values` told of each worker that goes, for as long as they live.
    pub fn keep_per_worker(&self, values: &Arc<dyn PerWorker>) {
        let mut all = self.per_worker.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|values| values.strong_count() > 0);
        all.push(Arc::downgrade(values));
    }

    /// Called by worker `index` on its own thread, after its last task.
    pub fn forget_per_worker(&self, index: usize) {
        let all = self.per_worker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.iter().filter_map(Weak::upgrade).for_each(|values| values.forget(index));
    }

    /// The present phase and requests.
    #[inline]
    pub fn condition(&self) -> Condition {
        // Acquire pairs with the Release in `advance` and `ask`: who sees the phase sees what was done before it was
        // entered.
        Condition(self.condition.load(Ordering::Acquire))
    }

    /// The present phase.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.condition().phase()
    }

    /// Enters `phase`, unless the pool is further already. A pool that closes is not paused any more.
    pub fn advance(&self, phase: Phase) {
        let mut old = self.condition.load(Ordering::Relaxed); // only a guess for the CAS
        while old & PHASE < phase as u32 {
            let new = old & !(PHASE | Request::Pause as u32 | Request::Leave as u32) | phase as u32;
            // AcqRel: see `condition`.
            match self.condition.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(current) => old = current,
            }
        }
        // A producer whose passage comes after this sees the phase and turns back; one that came before is seen by the
        // worker that wants to end the pool, see `Shared::ends_now`.
        fence(Ordering::SeqCst);
        self.pause.look_again();
        if phase >= Phase::Ended {
            let mut roster = self.roster.lock();
            roster.restrict(Hiring::Nobody);
            let spares = roster.dismiss_spares();
            drop(roster);
            spares.iter().for_each(std::thread::Thread::unpark);
        }
    }

    /// Tells everyone of a change of the roster: workers whether some of them are to leave, pushes whether the supervisor
    /// wants to hear that nobody is idle. If there may be more workers now, the caller looks at every source of work
    /// afterwards.
    pub fn publish(&self, roster: &State) {
        if self.roster.publish(roster) > 0 {
            self.ask(Request::Leave);
        } else if self.condition().asks(Request::Leave) {
            self.no_longer_ask(Request::Leave);
        }
        if roster.hiring() == Hiring::Open && roster.room() > 0 {
            self.idle.ask_for_a_call();
        } else {
            self.idle.no_calls();
        }
    }

    /// Worker `number` leaves the pool, if it still has a reason to.
    pub fn resign(&self, number: usize, reason: Reason) -> bool {
        let mut roster = self.roster.lock();
        let resigns = roster.resign(self.roster.limits(), number, reason);
        if resigns {
            self.publish(&roster);
            match reason {
                Reason::Orders | Reason::Idle => _ = self.metrics.retired.add_shared(1),
                Reason::Unfit => {}
            }
        }
        resigns
    }

    /// Makes a request of all workers; `false` if the pool is not open, and it was not made.
    pub fn ask(&self, request: Request) -> bool {
        let mut old = self.condition.load(Ordering::Relaxed); // only a guess for the CAS
        while Condition(old).phase() == Phase::Open {
            let new = old | request as u32;
            // AcqRel: see `condition`.
            match self.condition.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(current) => old = current,
            }
        }
        false
    }

    /// Takes a request back.
    pub fn no_longer_ask(&self, request: Request) {
        self.condition.fetch_and(!(request as u32), Ordering::AcqRel); // see `condition`
    }

    /// Has worker `number`, which calls it, wait for as long as the pool is paused and it is not to leave.
    #[cold]
    pub fn rest_while_paused(&self, number: usize) {
        self.pause.wait_while(|| self.condition().asks(Request::Pause) && !self.roster.is_to_leave(number));
    }

    /// Whether every worker may go.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.phase() >= Phase::Ended
    }

    /// Throws away a task: it never starts, and its handle says so. How many tasks that were: none if it had been run
    /// ahead of its turn.
    pub fn throw_away(&self, task: Task) -> u64 {
        match task.discard(Unstarted::Cancelled) {
            Ok(Discarded::RunBefore) => return 0,
            Ok(Discarded::Unstarted) => {}
            Err(payload) => self.report_panic(payload),
        }
        self.metrics.swept.add_shared(1);
        if let Some(admission) = &self.admission {
            admission.room.give_back_from_outside(1);
        }
        1
    }

    /// In a pool in which no task may wait: `workers` more may work. May call wakers.
    pub fn widen(&self, workers: usize) {
        self.admission.iter().for_each(|admission| admission.widen(workers));
    }

    /// Takes that back.
    pub fn narrow(&self, workers: usize) {
        self.admission.iter().for_each(|admission| admission.narrow(workers));
    }

    /// Counts tasks that cannot be refused as if there were room for them; for threads that act as no worker of this pool.
    pub fn overdraw_from_outside(&self, tasks: u64) {
        if let Some(admission) = &self.admission
            && !self.is_forked()
        {
            admission.room.overdraw_from_outside(tasks);
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

    /// How many threads and futures wait to get in.
    fn blocked(&self) -> u64 {
        if self.is_forked() {
            return 0; // a lock may be held by a thread that does not exist here
        }
        let for_room = self.admission.as_ref().map_or(0, Admission::blocked);
        for_room + self.budget.as_ref().map_or(0, |budget| budget.waiting())
    }

    /// Adds one count of all workers up.
    pub fn sum(&self, get: fn(&WorkerMetrics) -> u64) -> u64 {
        self.records.values().map(|record| get(&record.metrics)).sum()
    }

    /// Adds everything up. `pushed` counts what was submitted from outside, `depth` what lies in the queues of one
    /// worker.
    pub fn stats(&self, pushed: impl Fn() -> u64, depth: impl Fn(usize) -> usize) -> PoolStats {
        let submitted = || {
            let by_workers = self.sum(|m| m.submitted.get());
            by_workers + pushed() + self.metrics.ordered.get() + self.metrics.by_callers.started.get()
        };
        let by_callers = &self.metrics.by_callers;
        let submitted_before = submitted();
        // In reverse causal order: ends, then starts, then submissions, so that no difference comes out negative.
        let ends = |get: fn(&Tally) -> &Counter| -> u64 {
            self.records.values().map(|r| get(&r.metrics.tally).get()).sum::<u64>() + get(by_callers).get()
        };
        let run_by_callers = by_callers.ended();
        let completed = ends(|tally| &tally.completed);
        let failed = ends(|tally| &tally.failed);
        let panicked = ends(|tally| &tally.panicked);
        let cancelled_by_workers = ends(|tally| &tally.cancelled);
        let expired = ends(|tally| &tally.expired);
        let dropped = ends(|tally| &tally.dropped);
        let started = ends(|tally| &tally.started);
        let swept = self.metrics.swept.get();
        let parked = self.idle.parked();
        let worker_stats = |(index, record): (usize, &Arc<CachePadded<Record>>)| {
            self.worker_stats(index, depth(index), parked.contains(&index), record)
        };
        PoolStats {
            name: self.config.name.clone(),
            submitted: submitted(),
            completed,
            failed,
            panicked,
            expired,
            dropped,
            cancelled: cancelled_by_workers + swept,
            // Taken from what was submitted before the starts were read: a task that came and began in between would
            // otherwise look as if it waited.
            waiting: submitted_before.saturating_sub(started + swept),
            capacity: self.config.capacity,
            blocked: self.blocked(),
            run_by_callers,
            running: started
                .saturating_sub(completed + failed + panicked + cancelled_by_workers + expired + dropped),
            hook_panics: self.metrics.hook_panics.get(),
            live: self.roster.live(),
            min: self.config.limits.min,
            max: self.config.limits.max,
            grown: self.metrics.grown.get(),
            retired: self.metrics.retired.get(),
            failed_starts: self.metrics.failed_starts.get(),
            stand_ins: self.metrics.stand_ins.get(),
            workers: self.records.iter().map(worker_stats).collect(),
        }
    }

    /// What a supervisor wants to know. `pushed` counts as in [`Core::stats`].
    pub fn read(&self, pushed: impl FnOnce() -> u64) -> Reading {
        // In reverse causal order, as above.
        let started = self.sum(|m| m.tally.started.get());
        let swept = self.metrics.swept.get();
        let submitted = self.sum(|m| m.submitted.get()) + self.metrics.ordered.get() + pushed();
        Reading { submitted, started, waiting: submitted.saturating_sub(started + swept) }
    }

    fn worker_stats(&self, index: usize, depth: usize, is_parked: bool, record: &Record) -> WorkerStats {
        let (metrics, now) = (&record.metrics, self.nanos(Instant::now()));
        let alive = metrics.alive.total(now);
        // While it is on loan its thread sleeps, but the worker does not.
        let asleep = metrics.asleep.total(now).saturating_sub(self.ticks_to_nanos(metrics.lent.get()));
        let searching = metrics.searching.get();
        let timing = record.timing.get();
        WorkerStats {
            index,
            executed: metrics.tally.ended(),
            stolen: metrics.stolen.get(),
            stolen_forks: metrics.stolen_forks.get(),
            parked: metrics.parked.get(),
            queue_depth: depth + record.orders.len(),
            state: match metrics.alive.is_under_way() {
                false => WorkerState::Gone,
                true if is_parked => WorkerState::Parked,
                true => WorkerState::Busy,
            },
            time_busy: Duration::from_nanos(alive.saturating_sub(searching + asleep)),
            time_searching: Duration::from_nanos(searching),
            time_parked: Duration::from_nanos(asleep),
            waits: timing.map(|timing| timing.waits.snapshot()).unwrap_or_default(),
            runs: timing.map(|timing| timing.runs.snapshot()).unwrap_or_default(),
            pin: record.pin.get(),
        }
    }

    /// A moment as nanoseconds since the pool was built.
    pub fn nanos(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.built.0))
    }

    /// What so many ticks of the cheap clock are worth.
    fn ticks_to_nanos(&self, ticks: u64) -> u64 {
        let (nanos, all) = (self.built.0.elapsed().as_nanos(), u128::from(clock::ticks_since(self.built.1)));
        (u128::from(ticks) * nanos).checked_div(all).map_or(0, |nanos| nanos.try_into().unwrap_or(u64::MAX))
    }
}

/// Where the workers of a paused pool wait. They are neither searching nor parked meanwhile: nobody wakes them for work.
#[derive(Debug, Default)]
pub struct Pause {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Pause {
    fn wait_while(&self, is_paused: impl Fn() -> bool) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while is_paused() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has all look again whether the pool is paused. Through the lock, else one that has just looked and does not wait
    /// yet would miss it.
    pub fn look_again(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("name", &self.config.name)
            .field("id", &self.id)
            .field("condition", &self.condition())
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
