//! The part that every kind of pool has: identity, settings, control word, park protocol, roster, the records
//! of the workers, and the threads. The queues belong to the kinds of pool, which contain a [`Core`].
//!
//! Any thread may call everything here at any time. Models: `life`, `pull` (the phases), `rosters` and
//! `growing`. Tests: `tests/it/behaviour/shutdown.rs`, `pausing.rs` and `dropping.rs` beside it,
//! `tests/process_fork.rs`.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;
use std::{fmt, thread};

use crossbeam_utils::CachePadded;

use crate::base::error::PanicPayload;
use crate::base::unwind::{self, Payload};
use crate::limits::budget::Budget;
use crate::runtime::backlog::Backlogs;
use crate::runtime::broadcast_gate::BroadcastGate;
use crate::runtime::caller_state::InCaller;
use crate::runtime::capacity::Capacity;
use crate::runtime::config::{Config, ThreadUse};
use crate::runtime::control::{ControlWord, PHASE, Phase, Request};
use crate::runtime::metrics::PoolMetrics;
use crate::runtime::pause::Pause;
use crate::runtime::priority::PriorityQueues;
use crate::runtime::quiet_waits::QuietWaits;
use crate::runtime::record::Record;
use crate::runtime::recorder_slot::RecorderSlot;
use crate::runtime::threads::Threads;
use crate::sync::grow_table::GrowTable;
use crate::sys::{clock, fork};
use crate::task::cancel::CancelRegistration;
use crate::task::deadlines::Deadlines;
use crate::task::erased::{Discarded, Task};
use crate::task::owners::{self, TaskOwner};
use crate::task::work::Unstarted;
use crate::workers::idle::Idle;
use crate::workers::roster::{RetireReason, Roster, RosterState, SpawnPolicy};

/// An id for a pool, or for something that handles compare like a pool (a lane).
pub fn next_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed) // only uniqueness matters
}

/// The part that every kind of pool has.
pub struct Core {
    /// Unique (until four billion pools were built), so that what a thread remembers of one pool is not taken
    /// for another's.
    pub id: u32,
    /// The settings.
    pub config: Config,
    /// When the pool was built, by both clocks.
    pub(super) built: (Instant, u64),
    /// [`fork::generation`] when the pool was built.
    fork_generation: u32,
    /// A [`ControlWord`].
    control: CachePadded<AtomicU32>,
    /// Where workers wait while the pool is paused.
    pub pause: Pause,
    /// Orders the broadcasts.
    pub broadcast_gate: BroadcastGate,
    /// Which workers search and which are parked.
    pub idle: Idle,
    /// Tasks of other priorities than normal.
    pub priorities: PriorityQueues,
    /// Which workers there are and should be.
    pub roster: Roster,
    /// One record for each worker number. The worker also holds its own (`LoopState`). Padded, because each
    /// is written by another thread.
    pub(super) records: GrowTable<Arc<CachePadded<Record>>>,
    /// What a pool without threads needs.
    pub in_caller: Option<InCaller>,
    /// The limit of a bounded pool.
    pub capacity: Option<Capacity>,
    /// What tasks with a weight share.
    pub budget: Option<Arc<Budget>>,
    /// Rare events.
    pub metrics: PoolMetrics,
    /// Tasks that wait in front of the pool.
    pub backlogs: Backlogs,
    /// Threads and futures that wait until no task is left.
    pub quiet_waits: QuietWaits,
    /// The threads behind the workers.
    pub threads: Arc<Threads>,
    /// Stops the pool when the user's token is cancelled.
    pub on_cancel: OnceLock<CancelRegistration>,
    /// The deadlines of the queued tasks.
    pub deadlines: Arc<Deadlines>,
    /// The recording of the pool, if there is one.
    pub recorder: RecorderSlot,
    /// The pool around this core, as the owner of its tasks.
    pub owner: OnceLock<Weak<dyn TaskOwner>>,
}

impl Core {
    /// The core of a pool with these settings.
    pub fn new(config: Config) -> Self {
        let limits = config.limits;
        let capacity = Capacity::new(&config);
        let records = (0..limits.min).map(|index| Record::of(index, capacity.as_ref())).collect();
        fork::register();
        let id = next_id();
        Core {
            id,
            recorder: RecorderSlot::new(id),
            budget: config.budget.map(|limit| Arc::new(Budget::new(limit))),
            in_caller: (config.threads == ThreadUse::Callers).then(InCaller::default),
            config,
            built: (Instant::now(), clock::now()),
            fork_generation: fork::generation(),
            control: CachePadded::new(AtomicU32::new(Phase::Open as u32)),
            pause: Pause::default(),
            broadcast_gate: BroadcastGate::default(),
            idle: Idle::new(0),
            priorities: PriorityQueues::default(),
            roster: Roster::new(limits),
            records: GrowTable::new(records, limits.capacity()),
            capacity,
            metrics: PoolMetrics::default(),
            backlogs: Backlogs::default(),
            quiet_waits: QuietWaits::default(),
            threads: Arc::default(),
            on_cancel: OnceLock::new(),
            deadlines: Arc::default(),
            owner: OnceLock::new(),
        }
    }

    /// The record of worker `index`.
    #[inline]
    pub fn worker_record(&self, index: usize) -> &Arc<CachePadded<Record>> {
        self.records.get(index)
    }

    /// The record of worker `index`, if there ever was a worker of this number.
    pub fn find_record(&self, index: usize) -> Option<&Record> {
        self.records.find(index).map(|record| &***record)
    }

    /// The record of worker `index`, which is made if there is none.
    pub fn make_record(&self, index: usize) -> &Record {
        self.records.get_or_make(index, || Record::of(index, self.capacity.as_ref()))
    }

    /// The numbers of all workers that there ever were.
    pub fn recorded(&self) -> impl Iterator<Item = usize> {
        self.records.iter().map(|(index, _)| index)
    }

    /// Whether this process is a fork of the process that built the pool: the workers do not exist here.
    #[inline]
    pub fn is_forked(&self) -> bool {
        self.fork_generation != fork::generation()
    }

    /// Runs the queued tasks on the calling thread, if the pool has no threads.
    #[inline]
    pub fn run_in_caller(&self) {
        if let Some(in_caller) = &self.in_caller {
            in_caller.serve();
        }
    }

    /// The phase and the requests now.
    #[inline]
    pub fn control(&self) -> ControlWord {
        // Acquire pairs with the Release in `advance` and `request`: a thread that sees a phase or a request
        // sees what was done before it. Without it a worker could see the phase of a closed pool, and its
        // queues still open.
        ControlWord(self.control.load(Ordering::Acquire))
    }

    /// The phase now.
    #[inline]
    pub fn phase(&self) -> Phase {
        self.control().phase()
    }

    /// Enters `phase`, unless the pool is further already. A pool that closes is no longer paused.
    pub fn advance(&self, phase: Phase) {
        let enter = |old| {
            let withdrawn = PHASE | Request::Pause as u32 | Request::Retire as u32;
            (old & PHASE < phase as u32).then_some(old & !withdrawn | phase as u32)
        };
        // AcqRel: see `control`. Relaxed: the first load is only a guess for the CAS.
        let _ = self.control.fetch_update(Ordering::AcqRel, Ordering::Relaxed, enter);
        // Pairs with the fence in `PushShared::start_push`: a producer that passes its fence later sees the
        // phase and turns back; a producer that passed it earlier is seen by the worker that wants to end the
        // pool (`PushShared::ends_now`).
        fence(Ordering::SeqCst);
        self.pause.look_again();
        if phase >= Phase::Ended {
            self.deadlines.close();
            let mut roster = self.roster.lock();
            roster.restrict(SpawnPolicy::Closed);
            let spares = roster.dismiss_spares();
            drop(roster);
            spares.iter().for_each(thread::Thread::unpark);
        }
    }

    /// Changes the roster under its lock, and publishes the change.
    pub fn change_roster<R>(&self, change: impl FnOnce(&mut RosterState) -> R) -> R {
        let mut roster = self.roster.lock();
        let result = change(&mut roster);
        self.publish(&roster);
        result
    }

    /// Publishes a change of the roster: to workers whether some of them are to retire, to producers whether
    /// the autoscaler is to be woken when no worker is idle. If there may be more workers now, the caller
    /// looks at every source of work afterwards.
    pub fn publish(&self, roster: &RosterState) {
        if self.roster.publish(roster) > 0 {
            self.request(Request::Retire);
        } else if self.control().asks(Request::Retire) {
            self.withdraw_request(Request::Retire);
        }
        if roster.has_pending_polls() {
            self.request(Request::PendingPolls);
        } else if self.control().asks(Request::PendingPolls) {
            self.withdraw_request(Request::PendingPolls);
        }
        if roster.spawn_policy() == SpawnPolicy::Open && roster.headroom() > 0 {
            self.idle.arm_autoscaler();
        } else {
            self.idle.disarm_autoscaler();
        }
    }

    /// Retires worker `number` if the reason still holds. Returns whether it did.
    pub fn retire(&self, number: usize, reason: RetireReason) -> bool {
        let mut roster = self.roster.lock();
        let retires = roster.retire(self.roster.limits(), number, reason);
        if retires {
            self.publish(&roster);
            match reason {
                RetireReason::Requested | RetireReason::Idle => _ = self.metrics.retired.add_shared(1),
                RetireReason::Unfit => {}
            }
        }
        retires
    }

    /// Makes a request to all workers. `false`, and no request is made, if the pool is not open.
    pub fn request(&self, request: Request) -> bool {
        let make = |old| (ControlWord(old).phase() == Phase::Open).then_some(old | request as u32);
        // AcqRel: see `control`. Relaxed: the first load is only a guess for the CAS.
        self.control.fetch_update(Ordering::AcqRel, Ordering::Relaxed, make).is_ok()
    }

    /// Takes a request back.
    pub fn withdraw_request(&self, request: Request) {
        self.control.fetch_and(!(request as u32), Ordering::AcqRel); // see `control`
    }

    /// Called by worker `number`: waits while the pool is paused and the worker is not to retire.
    #[cold]
    pub fn wait_while_paused(&self, number: usize) {
        self.pause.wait_while(|| self.control().asks(Request::Pause) && !self.roster.must_retire(number));
    }

    /// Whether a task or hook on a worker may still submit. After the last task only exit hooks run, and no
    /// worker would run what they submit.
    #[inline]
    pub fn accepts_from_inside(&self) -> bool {
        self.phase() < Phase::Ended
    }

    /// Whether every worker may end.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.phase() >= Phase::Ended
    }

    /// Discards a task: it never starts, and its handle says so. Returns how many tasks that were: none if
    /// the task was run ahead of its turn.
    pub fn discard(&self, task: Task) -> u64 {
        match task.discard(Unstarted::Cancelled) {
            Ok(Discarded::RunBefore) => return 0,
            Ok(Discarded::CountedBefore) => {
                self.metrics.skipped.add_shared(1);
                return 0;
            }
            Ok(Discarded::Unstarted) => {}
            Err(payload) => self.report_panic(payload),
        }
        self.metrics.discarded.add_shared(1);
        if let Some(capacity) = &self.capacity {
            capacity.permits.release_from_outside(1);
        }
        1
    }

    /// Discards a task that was accepted and that no queue of the pool has counted. Returns how many tasks
    /// that were: see [`Core::discard`].
    pub fn discard_unqueued(&self, task: Task) -> u64 {
        self.metrics.unqueued.add_shared(1); // first, because a snapshot reads ends before submissions
        self.discard(task)
    }

    /// Counts tasks that cannot be refused as if they had permits. For threads that act as no worker of this
    /// pool.
    pub fn overdraw_from_outside(&self, tasks: u64) {
        if let Some(capacity) = self.capacity.as_ref().filter(|_| !self.is_forked()) {
            capacity.permits.overdraw_from_outside(tasks);
        }
    }

    /// Gives the payload of an unobserved panic to the user's panic handler.
    pub fn report_panic(&self, payload: Payload) {
        match &self.config.hooks.panic {
            Some(handler) => self.run_hook(|| handler(PanicPayload::new(payload))),
            None => unwind::drop_silently(payload),
        }
    }

    /// Calls `work` between the start hook and the exit hook. For a thread that continues the work of worker
    /// `index`, and acts as that worker.
    pub fn between_hooks<R>(&self, index: usize, work: impl FnOnce() -> R) -> R {
        let hooks = &self.config.hooks;
        hooks.start.iter().for_each(|hook| self.run_hook(|| hook(index)));
        let result = work();
        hooks.exit.iter().for_each(|hook| self.run_hook(|| hook(index)));
        result
    }

    /// Runs a hook. A panic in it is counted and swallowed.
    pub fn run_hook(&self, hook: impl FnOnce()) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(hook)) {
            self.metrics.hook_panics.add_shared(1);
            unwind::drop_silently(payload);
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        if self.owner.get().is_some() {
            owners::forget(self.id);
        }
        if let Some(recording) = self.recorder.active() {
            recording.finish_with_pool();
        }
    }
}

impl Core {
    /// What a pool of kind `kind` shows in one line. `{:#?}` shows its inside.
    pub fn debug_line(&self, f: &mut fmt::Formatter<'_>, kind: &str) -> fmt::Result {
        f.debug_struct(kind)
            .field("name", &self.config.name)
            .field("workers", &self.roster.live())
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("name", &self.config.name)
            .field("id", &self.id)
            .field("control", &self.control())
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}
