//! What every pool of threads has, whatever way its tasks go: who it is, what was asked for, its phase of life, who of
//! its workers is idle, their records, and the threads. The queues are the business of the pools themselves, which
//! contain this. Everything here may be touched by any thread at any time.

use crate::runtime::control::Condition;
use crate::runtime::control::PHASE;
use crate::runtime::control::Phase;
use crate::runtime::control::Request;
use crate::runtime::pause::Pause;
use crate::runtime::record::PerWorker;
use crate::runtime::record::Record;
use std::fmt;
use std::panic;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::base::error::PanicPayload;
use crate::base::unwind::{self, Payload};
use crate::limits::budget::Budget;
use crate::runtime::broadcast_gate::Gate;
use crate::runtime::capacity::Admission;
use crate::runtime::config::Config;
use crate::runtime::metrics::PoolMetrics;
use crate::runtime::priority::Ranks;
use crate::runtime::threads::Threads;
use crate::sync::grow_table::Numbered;
use crate::sys::{clock, fork};
use crate::task::cancel::Watch;
use crate::task::erased::{Discarded, Task};
use crate::task::work::Unstarted;
use crate::workers::idle::Idle;
use crate::workers::roster::{Hiring, Reason, Roster, State};

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
    pub(super) built: (Instant, u64),
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
    pub(super) records: Numbered<Arc<CachePadded<Record>>>,
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
