//! How a worker sleeps while its task waits, and when a stand-in works in its place. Every wait of a worker
//! sleeps here, whatever it waits for, so no wait can leave queued tasks without a worker.
//!
//! # The rule
//! A worker whose task waits for long, while a task is queued and no other worker is idle, gets a *stand-in*:
//! a further worker. The stand-in retires when the wait is over. Nothing but what the waiting task waits for,
//! its children, and broadcast tasks of this worker runs on top of the waiting task (`push/worker/wait.rs`,
//! `pull/worker.rs`). So a queued task always finds a worker in the end, and a task whose wait is over goes
//! on. `docs/DESIGN.md` proves from this that any pattern of waits without a cycle ends.
//!
//! # The sleep
//! 1. At first the worker sleeps for itself. Most waits for tasks of the own pool end within [`LONG`], and a
//!    stand-in would cost more than it does. A wait for anything else is long from the start, because queued
//!    tasks of this pool may have to run before it can end.
//! 2. Then it is counted as waiting in the roster, and parks in the list of the parked, as
//!    [`ParkReason::Waiting`]. Its last look around or a push tells it that a task is queued that no idle
//!    worker takes. Then it starts a stand-in. The stand-in looks at every source of work when it begins, so
//!    the responsibility of a searcher goes over to it.
//! 3. From then on it parks as [`ParkReason::Away`]: only a task that is sent to this worker wakes it. The
//!    worker runs a broadcast task, because no other worker may, and leaves a task in its mailbox to another
//!    worker.
//!
//! Before each long sleep the tasks on the worker's stack give back their passes of lanes (`held_pass.rs`).
//!
//! If the wish for a stand-in comes to nothing because enough workers do not wait, each of these either takes
//! tasks, or comes to wait for long and wishes for a stand-in itself. If it is refused (there are as many
//! stand-ins as the pool allows, or the system gives no thread), the caller decides what to do.
//!
//! A thread that polls a future waits outside of the library, where it cannot be woken to start a stand-in.
//! So a pending poll inside a task starts one at once ([`poll_is_pending`]).
//!
//! Called by the thread that acts as the worker. Model: `waits`. Tests: `tests/waits`,
//! `tests/process_nesting.rs`.

use std::any::Any;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::base::counter::nanos;
use crate::base::facade::lock;
use crate::base::recording;
use crate::base::unwind;
use crate::runtime::control::{Phase, Request};
use crate::runtime::held_pass;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::stall::{self, Registered, Target};
use crate::runtime::wait::{Awaited, ParkToken};
use crate::runtime::worker_loop::WorkerLoop;
use crate::runtime::worker_thread::{LongWait, StandIn};
use crate::workers::idle::{Duty, ParkReason, ParkState, Role};
use crate::workers::roster::WaitKind;

/// How long a worker waits for a task of its own pool before a stand-in may work in its place: some twenty
/// times what the start and the end of a stand-in take, so that short waits do not pay for it.
pub const LONG: Duration = Duration::from_millis(1);

/// The sleeps of one wait.
pub struct WaitSleep<'w, W: WorkerLoop> {
    worker: &'w W,
    /// How long the worker spins, and after what time the wait is long.
    patience: (Duration, Duration),
    /// When spinning ends and when the wait is long; set by the first sleep.
    times: Option<(Instant, Instant)>,
    /// Held while the wait is long.
    long_wait: Option<LongWait<W::Pool>>,
    reason: ParkReason,
    registered: Option<Registered>,
    token: ParkToken,
}

/// Why a sleep has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Woken {
    /// Something may have happened: the caller looks whether its wait is over, and sleeps again if it is not.
    Look,
    /// A task is queued, and no stand-in can be had for it. Said once.
    NoStandIn,
}

impl<'w, W: WorkerLoop> WaitSleep<'w, W> {
    /// For a wait of `worker` that spins for `spin` first, and is long after `short`.
    pub fn new(worker: &'w W, spin: Duration, short: Duration) -> Self {
        let reason = ParkReason::Waiting;
        WaitSleep {
            worker,
            patience: (spin, short),
            times: None,
            long_wait: None,
            reason,
            registered: None,
            token: ParkToken::default(),
        }
    }

    /// Whether the wait is long, so that broadcast tasks of the worker may run on top of it.
    pub fn is_long(&self) -> bool {
        self.long_wait.is_some()
    }

    /// Sleeps until `awaited` is done or the deadline has passed, or for a shorter time.
    pub fn sleep(&mut self, awaited: &mut dyn Awaited, deadline: Option<Instant>) -> Woken {
        recording::with(|track| track.idles());
        let now = Instant::now();
        let (spin, short) = self.patience;
        let (spin_until, long_from) = *self.times.get_or_insert((now + spin, now + short));
        if now < spin_until {
            (0..32).take_while(|_| !awaited.is_done()).for_each(|_| std::hint::spin_loop());
            return Woken::Look;
        }
        if now < long_from {
            awaited.unpark_me();
            self.token.park_timeout(deadline.map_or(long_from, |deadline| deadline.min(long_from)) - now);
            return Woken::Look;
        }
        if self.long_wait.is_none() {
            self.worker.flush(); // a scope must not wait until this task goes on
            self.long_wait =
                LongWait::begin(self.worker.shared(), self.worker.park_slot().index(), WaitKind::Call);
            self.registered = stall::register(self.worker.shared().id, || awaited.target());
        }
        // Before each long sleep: a part of the awaited work that has run here meanwhile, and has waited
        // itself, has taken the pass of its task again.
        held_pass::give_back();
        if self.worker.shared().phase() == Phase::Stopping {
            // A producer may have queued a task after all others were discarded.
            self.worker.shared().discard_queued();
        }
        match park(self.worker, awaited, deadline, self.reason, &mut self.token) {
            Role::Active => Woken::Look,
            Role::Searching => self.see_to_work(),
        }
    }

    /// Starts a stand-in if there is work for it. The worker counts as a searcher, until this returns.
    fn see_to_work(&mut self) -> Woken {
        let (worker, idle) = (self.worker, &self.worker.shared().idle);
        let (Some(long_wait), ParkReason::Waiting) = (&self.long_wait, self.reason) else {
            worker.end_search();
            return Woken::Look;
        };
        if !wants_stand_in(&**worker.shared()) {
            worker.end_search();
            return Woken::Look;
        }
        self.reason = ParkReason::Away;
        // Before the stand-in is started. It looks at every source of work when it begins, which is after
        // each push that has counted this worker as a searcher. And it does not count this worker when it
        // waits itself, and looks whether another worker searches.
        let duty = idle.end_search();
        let outcome = long_wait.start_stand_in();
        if duty == Duty::CheckForMore {
            match outcome {
                // There may be more work than the stand-in does.
                StandIn::Started if idle.counts().any_free() => idle.notify(),
                StandIn::Started => {}
                StandIn::NotNeeded | StandIn::Refused if worker.sees_work() => idle.wake_one(),
                StandIn::NotNeeded | StandIn::Refused => {}
            }
        }
        if outcome == StandIn::Refused { Woken::NoStandIn } else { Woken::Look }
    }
}

/// Whether the pool has work for a stand-in. Called after a sequentially consistent fence.
fn wants_stand_in(shared: &impl PoolKind) -> bool {
    // A paused pool starts nothing, and a pool that stops discards what is queued.
    !shared.control().asks(Request::Pause) && shared.phase() != Phase::Stopping && shared.has_work()
}

/// Parks in the list of the parked until the event, the deadline, a task for this worker alone, or, as
/// [`ParkReason::Waiting`], a task for which a stand-in is wanted. Returns what the worker counts as.
fn park<W: WorkerLoop>(
    worker: &W,
    awaited: &mut dyn Awaited,
    deadline: Option<Instant>,
    reason: ParkReason,
    token: &mut ParkToken,
) -> Role {
    let (shared, park_slot) = (worker.shared(), worker.park_slot());
    awaited.unpark_me();
    shared.idle.prepare_park(park_slot, Role::Active, reason);
    // The last look around, after the fence [park] in `prepare_park`.
    if is_needed(worker, reason) {
        let role = shared.idle.cancel_park(park_slot, Role::Searching);
        return role.expect("only idle workers are leased");
    }
    let metrics = worker.state().metrics();
    metrics.parked.add_shared(1);
    let asleep = Instant::now();
    metrics.asleep.begin(shared.nanos(asleep));
    let role = loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if park_slot.park_state() == ParkState::Awake || awaited.is_done() || left == Some(Duration::ZERO) {
            let role = shared.idle.cancel_park(park_slot, Role::Active);
            break role.expect("only idle workers are leased");
        }
        awaited.unpark_me(); // each time, because a wake-up for another reason has used up the request
        match left {
            None => token.park(),
            Some(left) => token.park_timeout(left),
        }
    };
    metrics.asleep.end_after(nanos(asleep.elapsed()));
    role
}

/// Whether a worker that is about to sleep must stay awake. Wakes an idle worker instead if that is enough.
fn is_needed<W: WorkerLoop>(worker: &W, reason: ParkReason) -> bool {
    let shared = worker.shared();
    if shared.has_broadcast(worker.park_slot().index()) {
        return true;
    }
    if reason != ParkReason::Waiting || !wants_stand_in(&**shared) {
        return false;
    }
    if shared.idle.counts().any_free() {
        // A searcher looks at every source of work after this worker's fence, and so does an idle worker that
        // is woken here.
        shared.idle.notify();
        return false;
    }
    true
}

/// Called when a future that the running task polls is not ready. The caller of the poll may block this
/// thread until it is, so a stand-in works from now on, until [`LoopState::end_poll`]. `waker` makes the
/// caller poll again, so that it can run broadcast tasks.
///
/// [`LoopState::end_poll`]: crate::runtime::loop_state::LoopState::end_poll
pub fn poll_is_pending(worker: &impl WorkerLoop, waker: &Waker, target: Target) {
    worker.flush();
    held_pass::give_back();
    let (shared, index) = (worker.shared(), worker.park_slot().index());
    worker.state().begin_poll(|| {
        let long_wait = LongWait::begin(shared, index, WaitKind::PendingPoll)?;
        // Without a stand-in the poll is pending all the same: the library does not know whether the thread
        // will block.
        let (StandIn::Started | StandIn::NotNeeded | StandIn::Refused) = long_wait.start_stand_in();
        Some(Box::new((long_wait, stall::register(shared.id, || target))) as Box<dyn Any>)
    });
    let earlier = lock(&shared.worker_record(index).poller).replace(waker.clone());
    unwind::drop_silently(earlier); // user code
    // A broadcast that was sent before the waker was stored has not found it. The lock orders the two: the
    // sender queues the task first.
    if shared.has_broadcast(index) {
        waker.wake_by_ref();
    }
}
