//! What every pool of threads has, whatever way its tasks go: who it is, what was asked for, its phase of life, who of
//! its workers is idle, their records, and the threads. The queues are the business of the pools themselves, which
//! contain this. Everything here may be touched by any thread at any time.

use crate::runtime::control::{ControlWord, PHASE, Phase, Request};
use crate::runtime::pause::Pause;
use crate::runtime::record::{PerWorker, Record};
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;
use std::{fmt, panic};

use crossbeam_utils::CachePadded;

use crate::base::error::PanicPayload;
use crate::base::unwind::{self, Payload};
use crate::limits::budget::Budget;
use crate::runtime::broadcast_gate::BroadcastGate;
use crate::runtime::capacity::Capacity;
use crate::runtime::config::Config;
use crate::runtime::metrics::PoolMetrics;
use crate::runtime::priority::PriorityQueues;
use crate::runtime::threads::Threads;
use crate::sync::grow_table::GrowTable;
use crate::sys::{clock, fork};
use crate::task::cancel::CancelRegistration;
use crate::task::erased::{Discarded, Task};
use crate::task::work::Unstarted;
use crate::workers::idle::Idle;
use crate::workers::roster::{RetireReason, Roster, RosterState, SpawnPolicy};

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
    /// A [`ControlWord`].
    control: CachePadded<AtomicU32>,
    /// Where workers wait while the pool is paused.
    pub pause: Pause,
    /// Where tasks for certain workers alone are handed in.
    pub broadcast_gate: BroadcastGate,
    /// Who searches, who is parked.
    pub idle: Idle,
    /// Tasks of other priorities than normal.
    pub priorities: PriorityQueues,
    /// Who is a worker.
    pub roster: Roster,
    /// By the number of the worker, which has its own at hand. Padded, for each is written by another thread.
    pub(super) records: GrowTable<Arc<CachePadded<Record>>>,
    /// The limit of a bounded pool.
    pub capacity: Option<Capacity>,
    /// What tasks with a weight share.
    pub budget: Option<Arc<Budget>>,
    /// Rare events.
    pub metrics: PoolMetrics,
    /// What to clean up when a worker goes; whoever made it may have dropped it before.
    per_worker: Mutex<Vec<Weak<dyn PerWorker>>>,
    /// The operating system's threads behind the workers.
    pub threads: Threads,
    /// Ends the pool when the user's token is cancelled.
    pub on_cancel: OnceLock<CancelRegistration>,
}

impl Core {
    /// The common part of a pool that is built as `config` says.
    pub fn new(config: Config) -> Self {
        let limits = config.limits;
        let capacity = Capacity::new(&config);
        let budget = config.budget.map(|limit| Arc::new(Budget::new(limit)));
        let records = (0..limits.min).map(|index| Record::of(index, capacity.as_ref())).collect();
        Core {
            id: next_id(),
            config,
            built: (Instant::now(), clock::now()),
            fork_generation: {
                fork::register();
                fork::generation()
            },
            control: CachePadded::new(AtomicU32::new(Phase::Open as u32)),
            pause: Pause::default(),
            broadcast_gate: BroadcastGate::default(),
            idle: Idle::new(0),
            priorities: PriorityQueues::default(),
            roster: Roster::new(limits),
            records: GrowTable::new(records, limits.capacity()),
            capacity,
            budget,
            metrics: PoolMetrics::default(),
            per_worker: Mutex::default(),
            threads: Threads::default(),
            on_cancel: OnceLock::new(),
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
        self.records.get_or_make(index, || Record::of(index, self.capacity.as_ref()))
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
    pub fn control(&self) -> ControlWord {
        // Acquire pairs with the Release in `advance` and `ask`: who sees the phase sees what was done before it was
        // entered.
        ControlWord(self.control.load(Ordering::Acquire))
    }

    /// The present phase.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.control().phase()
    }

    /// Enters `phase`, unless the pool is further already. A pool that closes is not paused any more.
    pub fn advance(&self, phase: Phase) {
        let mut old = self.control.load(Ordering::Relaxed); // only a guess for the CAS
        while old & PHASE < phase as u32 {
            let new = old & !(PHASE | Request::Pause as u32 | Request::Retire as u32) | phase as u32;
            // AcqRel: see `condition`.
            match self.control.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
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
            roster.restrict(SpawnPolicy::Closed);
            let spares = roster.dismiss_spares();
            drop(roster);
            spares.iter().for_each(std::thread::Thread::unpark);
        }
    }

    /// Tells everyone of a change of the roster: workers whether some of them are to leave, pushes whether the supervisor
    /// wants to hear that nobody is idle. If there may be more workers now, the caller looks at every source of work
    /// afterwards.
    pub fn publish(&self, roster: &RosterState) {
        if self.roster.publish(roster) > 0 {
            self.request(Request::Retire);
        } else if self.control().asks(Request::Retire) {
            self.withdraw_request(Request::Retire);
        }
        if roster.spawn_policy() == SpawnPolicy::Open && roster.headroom() > 0 {
            self.idle.arm_autoscaler();
        } else {
            self.idle.disarm_autoscaler();
        }
    }

    /// Worker `number` leaves the pool, if it still has a reason to.
    pub fn retire(&self, number: usize, reason: RetireReason) -> bool {
        let mut roster = self.roster.lock();
        let resigns = roster.retire(self.roster.limits(), number, reason);
        if resigns {
            self.publish(&roster);
            match reason {
                RetireReason::Requested | RetireReason::Idle => _ = self.metrics.retired.add_shared(1),
                RetireReason::Unfit => {}
            }
        }
        resigns
    }

    /// Makes a request of all workers; `false` if the pool is not open, and it was not made.
    pub fn request(&self, request: Request) -> bool {
        let mut old = self.control.load(Ordering::Relaxed); // only a guess for the CAS
        while ControlWord(old).phase() == Phase::Open {
            let new = old | request as u32;
            // AcqRel: see `condition`.
            match self.control.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(current) => old = current,
            }
        }
        false
    }

    /// Takes a request back.
    pub fn withdraw_request(&self, request: Request) {
        self.control.fetch_and(!(request as u32), Ordering::AcqRel); // see `condition`
    }

    /// Has worker `number`, which calls it, wait for as long as the pool is paused and it is not to leave.
    #[cold]
    pub fn wait_while_paused(&self, number: usize) {
        self.pause.wait_while(|| self.control().asks(Request::Pause) && !self.roster.must_retire(number));
    }

    /// Whether every worker may go.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.phase() >= Phase::Ended
    }

    /// Throws away a task: it never starts, and its handle says so. How many tasks that were: none if it had been run
    /// ahead of its turn.
    pub fn discard(&self, task: Task) -> u64 {
        match task.discard(Unstarted::Cancelled) {
            Ok(Discarded::RunBefore) => return 0,
            Ok(Discarded::Unstarted) => {}
            Err(payload) => self.report_panic(payload),
        }
        self.metrics.discarded.add_shared(1);
        if let Some(admission) = &self.capacity {
            admission.permits.release_from_outside(1);
        }
        1
    }

    /// In a pool in which no task may wait: `workers` more may work. May call wakers.
    pub fn add_permits(&self, workers: usize) {
        self.capacity.iter().for_each(|admission| admission.add_permits(workers));
    }

    /// Takes that back.
    pub fn reduce_permits(&self, workers: usize) {
        self.capacity.iter().for_each(|admission| admission.reduce_permits(workers));
    }

    /// Counts tasks that cannot be refused as if there were room for them; for threads that act as no worker of this pool.
    pub fn overdraw_from_outside(&self, tasks: u64) {
        if let Some(admission) = &self.capacity
            && !self.is_forked()
        {
            admission.permits.overdraw_from_outside(tasks);
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
            .field("condition", &self.control())
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
