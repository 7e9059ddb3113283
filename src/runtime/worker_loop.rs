//! What a worker does without a task: it searches, parks and wakes up. The same for every kind of pool.
//!
//! This is the worker's half of the protocol in `docs/idle.md`; the shared half is `workers/idle.rs`. A kind
//! of pool implements [`WorkerLoop`] for its worker. The functions run on the thread that acts as the worker.
//! Models: `parking`, `leases`, `life`, `pull`, `broadcasts` and `rosters`, whose worker
//! (`crates/models/tests/protocols/mini_worker.rs`) repeats these steps. Tests:
//! `tests/it/behaviour/fairness.rs`, `tests/it/joins/leases.rs`, `tests/elastic/following.rs`,
//! `tests/process_signals.rs`.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use longshore_trace::record::{Rest, Wake};

use crate::base::counter::nanos;
use crate::base::recording::{self, Made};
use crate::policy::scaling::Release;
use crate::runtime::control::{Phase, Request};
use crate::runtime::core::Core;
use crate::runtime::loop_state::LoopState;
use crate::runtime::metrics::PinStatus;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::quiet;
use crate::runtime::wait::{Awaited, ParkToken};
use crate::sys::usage;
use crate::task::erased::Task;
use crate::task::recycle;
use crate::workers::idle::{Duty, ParkReason, ParkSlot, ParkState, Role};
use crate::workers::roster::RetireReason;

/// Busy-wait hints between two looks of a searching worker: a pause of some 100 ns, so that searchers do not
/// take the cache lines away from producers.
const HINTS_PER_SEARCH: u32 = 8;

/// A recording has a sample of a thread's processor time when the thread falls asleep or wakes up, unless the
/// last one is younger than this, in microseconds: a sample takes some 300 ns.
const CPU_SAMPLE_MICROS: u64 = 200;

/// The use of the processor by the calling thread: nanoseconds, context switches, voluntary and involuntary.
pub fn read_usage() -> Option<(u64, u64, u64)> {
    usage::of_this_thread().map(|usage| (usage.nanos, usage.voluntary, usage.involuntary))
}

/// How long a worker runs tasks and waits for the next one.
pub enum RunUntil<'a> {
    /// Until the pool ends.
    PoolEnd,
    /// Until an event for which a task on this worker waits, or the deadline.
    Await { awaited: &'a mut dyn Awaited, deadline: Option<Instant>, token: ParkToken },
}

impl<'a> RunUntil<'a> {
    /// Until `awaited` is done, or the deadline.
    pub fn awaiting(awaited: &'a mut dyn Awaited, deadline: Option<Instant>) -> Self {
        RunUntil::Await { awaited, deadline, token: ParkToken::default() }
    }

    /// Whether a worker of the pool around `core` may stop.
    pub fn is_reached(&self, core: &Core) -> bool {
        match self {
            RunUntil::PoolEnd => core.has_ended(),
            RunUntil::Await { awaited, deadline, .. } => {
                awaited.is_done() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            }
        }
    }

    /// Whether the worker must call [`WorkerLoop::maintain`] before it takes another task.
    pub fn must_maintain(&self, core: &Core, index: usize) -> bool {
        let control = core.control();
        control.needs_maintenance()
            && (control.phase() >= Phase::Ended
                // Tasks that a task waits for run even in a paused pool, and a worker retires only between
                // two tasks.
                || matches!(self, RunUntil::PoolEnd)
                    && (control.asks(Request::Pause)
                        || control.asks(Request::Retire) && core.roster.must_retire(index)))
    }

    fn park_reason(&self) -> ParkReason {
        match self {
            RunUntil::PoolEnd => ParkReason::Idle,
            RunUntil::Await { .. } => ParkReason::Waiting,
        }
    }

    /// Calls `run`, which runs something on top of the waiting task. The wait reserves nothing meanwhile:
    /// what is reserved for a task that cannot go on may be what the tasks on top of it wait for.
    pub fn without_claim<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        if let RunUntil::Await { awaited, .. } = self {
            awaited.release_claim();
        }
        let result = run(self);
        if let RunUntil::Await { awaited, .. } = self {
            awaited.claim_again();
        }
        result
    }

    /// Makes sure that the thread is unparked when the awaited event happens or the pool ends.
    fn arm(&mut self) {
        match self {
            RunUntil::PoolEnd => {} // the end of the pool wakes all parked workers
            RunUntil::Await { awaited, .. } => awaited.unpark_me(),
        }
    }

    fn park(&mut self) {
        match self {
            RunUntil::PoolEnd => thread::park(), // outside of user code no token needs to be restored
            RunUntil::Await { deadline: Some(deadline), token, .. } => {
                token.park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            RunUntil::Await { deadline: None, token, .. } => token.park(),
        }
    }
}

/// What a worker does without a task: it searches, parks and wakes up.
pub trait WorkerLoop: Sized {
    /// The kind of pool.
    type Pool: PoolKind;

    /// The pool.
    fn shared(&self) -> &Arc<Self::Pool>;
    /// The state of this worker's loop.
    fn state(&self) -> &LoopState;
    /// The park slot of the thread that acts as this worker.
    fn park_slot(&self) -> &Arc<ParkSlot> {
        &self.state().park_slot
    }
    /// Looks once at every source of work, except for the last resort.
    fn find_task(&self) -> Option<Task>;
    /// Whether there is a task in the queue into which most tasks are pushed: a cheap look between two
    /// searches.
    fn sees_push(&self) -> bool;
    /// Takes a task that another worker should run. Only done instead of parking.
    fn steal_last_resort(&self) -> Option<Task>;
    /// Takes the task of another priority that is taken before the normal tasks, if there is one.
    fn take_by_priority(&self) -> Option<Task>;
    /// Runs a task.
    fn run_task(&self, task: Task);
    /// Whether a broadcast task may run before the tasks that the worker has at hand.
    fn may_take_broadcast(&self) -> bool {
        true
    }
    /// Reports the batched count to its scope.
    fn flush(&self) {}

    /// Tasks in the own deque and inbox, for recordings. `None` if the worker has no queues of its own.
    fn queue_depths(&self) -> Option<(usize, usize)> {
        None
    }

    /// Whether any source of work has a task. Called after a sequentially consistent fence, by a worker that
    /// is awake.
    fn sees_work(&self) -> bool {
        self.shared().has_work()
    }

    /// Finds a task outside of the worker's own queues, or sleeps until there is one. `None` if the worker
    /// may have to stop, or to do maintenance.
    #[cold]
    fn search_or_park(&self, until: &mut RunUntil<'_>) -> Option<Task> {
        let shared = self.shared();
        let mut role = shared.idle.start_search(self.park_slot());
        loop {
            if matches!(until, RunUntil::PoolEnd) {
                self.look_at_recorder();
            }
            if role == Role::Searching {
                recording::with(|track| track.searches());
                if let Some(task) = search(self, until) {
                    self.end_search();
                    return Some(task);
                }
            }
            if until.is_reached(shared) || until.must_maintain(shared, self.park_slot().index()) {
                if role == Role::Searching {
                    self.end_search();
                }
                return None;
            }
            role = self.park(role, until);
            if self.state().has_retired.get() {
                return None;
            }
            if role == Role::Active {
                role = shared.idle.start_search(self.park_slot());
            }
        }
    }

    /// Parks until there is work, `until` is reached, or the phase changes.
    fn park(&self, role: Role, until: &mut RunUntil<'_>) -> Role {
        let (shared, park_slot) = (self.shared(), self.park_slot());
        until.arm();
        // Before the worker is in the list, because another thread may write its track from then on.
        recording::with(|track| {
            track.samples_cpu(CPU_SAMPLE_MICROS, read_usage);
            track.parks(match until {
                RunUntil::PoolEnd => Rest::Idle,
                RunUntil::Await { .. } => Rest::Waiting,
            });
        });
        shared.idle.prepare_park(park_slot, role, until.park_reason());
        shared.quiet_waits.look(|| quiet::is_at_rest(&**shared));
        // From here until `cancel_park` this thread does not touch what belongs to the thread that acts as
        // the worker, because another thread may have leased the worker. The last look around comes after the
        // fence [park] in `prepare_park`: it sees the task of each push that did not see this worker parked.
        let role = if shared.has_work() || shared.has_broadcast(park_slot.index()) {
            Some(Role::Searching)
        } else if matches!(until, RunUntil::PoolEnd)
            && (shared.ends_now() || shared.roster.must_retire(park_slot.index()))
        {
            Some(Role::Active)
        } else {
            None
        };
        if let Some(role) = role {
            if let Some(role) = shared.idle.cancel_park(park_slot, role) {
                recording::with(|track| track.unparks(Wake::Found));
                return role;
            }
            // Another thread has leased this worker. A push that counted it as a searcher woke no worker, so
            // wake one now.
            shared.idle.notify();
        }
        recycle::trim();
        // `add_shared`, because the thread that has leased the worker may park at the same time.
        self.state().metrics().parked.add_shared(1);
        let asleep = Instant::now();
        self.state().metrics().asleep.begin(shared.nanos(asleep));
        let role = self.sleep(park_slot, until);
        recording::with(|track| {
            let is_late = self.state().has_retired.get();
            track.unparks(match role {
                _ if is_late => Wake::Timeout,
                Role::Searching => Wake::Chosen,
                Role::Active => Wake::Goal,
            });
            track.samples_cpu(CPU_SAMPLE_MICROS, read_usage);
        });
        let mut spin = self.state().spin.get();
        let slept = asleep.elapsed();
        self.state().metrics().asleep.end_after(nanos(slept));
        spin.slept(slept);
        self.state().spin.set(spin);
        role
    }

    /// Sleeps until the worker is chosen, `until` is reached, or the worker retires because it has been idle
    /// for long. `park_slot` is the slot with which it parked: a thread that has leased the worker meanwhile
    /// uses another slot.
    fn sleep(&self, park_slot: &Arc<ParkSlot>, until: &mut RunUntil<'_>) -> Role {
        let shared = self.shared();
        let mut since = Instant::now();
        loop {
            let timeout = self.idle_timeout(until);
            let is_overdue = timeout.is_some_and(|timeout| since.elapsed() >= timeout);
            let wakes = match park_slot.park_state() {
                ParkState::Awake => true,
                ParkState::Parked => until.is_reached(shared) || is_overdue,
                ParkState::Leased => {
                    since = Instant::now(); // a leased worker is not idle
                    false
                }
            };
            match wakes.then(|| shared.idle.cancel_park(park_slot, Role::Active)).flatten() {
                Some(Role::Active) if is_overdue && shared.retire(park_slot.index(), RetireReason::Idle) => {
                    self.state().has_retired.set(true);
                    return Role::Active;
                }
                Some(role) => return role,
                None => {
                    until.arm(); // each time, because a wake-up for another reason has used up the request
                    match timeout {
                        None => until.park(),
                        Some(timeout) => thread::park_timeout(timeout.saturating_sub(since.elapsed())),
                    }
                }
            }
        }
    }

    /// How long the worker may sleep before it retires; `None` if it is needed.
    fn idle_timeout(&self, until: &RunUntil<'_>) -> Option<Duration> {
        let shared = self.shared();
        let may_retire = matches!(until, RunUntil::PoolEnd)
            && shared.roster.has_too_many()
            && shared.config.scaling.releases() == Release::EachByItself;
        may_retire.then(|| shared.config.scaling.idle_timeout)
    }

    /// Stops searching because a task was found. Pushes that relied on this searcher may need another worker:
    /// see [`Duty`].
    fn end_search(&self) {
        let idle = &self.shared().idle;
        if idle.end_search() == Duty::CheckForMore && self.sees_work() {
            idle.wake_one();
        }
    }

    /// Handles the requests of the pool between two tasks. Returns whether the loop starts again from its
    /// beginning.
    #[cold]
    fn maintain(&self, until: &mut RunUntil<'_>) -> bool {
        let shared = self.shared();
        let control = shared.control();
        if matches!(until, RunUntil::PoolEnd) {
            self.state().end_poll(); // the task that has polled has ended
        }
        if control.phase() == Phase::Stopping {
            self.flush();
            self.stop(until);
            return true;
        }
        if matches!(until, RunUntil::PoolEnd) && control.asks(Request::Retire) && self.retires() {
            return true;
        }
        if matches!(until, RunUntil::PoolEnd) && control.asks(Request::Pause) {
            self.flush();
            recording::with(|track| track.parks(Rest::Paused));
            shared.idle.begin_pause();
            shared.quiet_waits.look(|| quiet::is_at_rest(&**shared));
            shared.wait_while_paused(self.park_slot().index());
            shared.idle.end_pause();
            recording::with(|track| track.unparks(Wake::Goal));
            return true;
        }
        if control.asks(Request::Record) && matches!(until, RunUntil::PoolEnd) {
            self.look_at_recorder();
        }
        if control.asks(Request::Broadcast) && self.may_take_broadcast() {
            if let Some(task) = shared.take_broadcast(self.park_slot().index()) {
                self.run_task(task);
                return true;
            }
        }
        if control.asks(Request::PriorityQueues) {
            if let Some(task) = self.take_by_priority() {
                self.run_task(task);
                return true;
            }
        }
        false
    }

    /// Retires, if it is requested to. Returns whether it did.
    fn retires(&self) -> bool {
        let (shared, index) = (self.shared(), self.park_slot().index());
        let retires = shared.roster.must_retire(index) && shared.retire(index, RetireReason::Requested);
        if retires {
            self.state().has_retired.set(true);
        }
        retires
    }

    /// Takes up a track if a recording has begun, or drops it if that has ended. Called between two tasks, by
    /// the thread that acts as the worker.
    fn look_at_recorder(&self) {
        let shared = self.shared();
        let (generation, slot) = (shared.recorder.generation(), &self.state().track);
        let wanted = if shared.is_recorded() { generation } else { 0 };
        if slot.generation() != wanted {
            self.change_track();
            shared.saw_recorder();
        }
    }

    #[cold]
    fn change_track(&self) {
        let (shared, state) = (self.shared(), self.state());
        let Some(active) = shared.recorder.active() else { return self.close_track(false) };
        let (record, counts_submissions) = (state.record.clone(), self.queue_depths().is_some());
        let read_made = move || Made {
            submitted: if counts_submissions { record.metrics.submitted.get() } else { 0 },
            forks: record.metrics.counts.forks.get(),
        };
        let track = active.worker_track(shared.id, state.index(), Box::new(read_made));
        let core = match state.record.pin.get().0 {
            PinStatus::Pinned(core) | PinStatus::Hint(core) => Some(core),
            PinStatus::Unpinned | PinStatus::Refused(_) | PinStatus::Lost(_) => None,
        };
        track.starts(thread::current().name().unwrap_or_default(), core);
        if let Some((deque, inbox)) = self.queue_depths() {
            track.depth(deque, inbox);
        }
        track.samples_cpu(0, read_usage);
        state.track.install(track);
        state.metrics().counts.set_recorded(true);
    }

    /// Drops the worker's track, if it has one. `is_retired` says whether the pool goes on without the
    /// worker.
    fn close_track(&self, is_retired: bool) {
        self.state().metrics().counts.set_recorded(false);
        if let Some(track) = self.state().track.remove() {
            track.samples_cpu(0, read_usage);
            track.exits(is_retired);
        }
    }

    /// The first half of a turn of a wait for which something is reserved, and during which this worker
    /// works: nothing is reserved while anything runs on top of the wait. Returns whether the turn is over.
    /// If not, the worker finds a task, and runs it in [`RunUntil::without_claim`].
    fn begins_turn_between_claims(&self, until: &mut RunUntil<'_>) -> bool {
        let control = self.shared().control();
        if control.phase() == Phase::Stopping {
            self.maintain(until); // sleeps, with what is reserved
            return true;
        }
        control.needs_maintenance() && until.without_claim(|until| self.maintain(until))
            || until.is_reached(self.shared())
    }

    /// Called when the pool stops: the queued tasks never start. A task that waits on this worker continues
    /// to wait: for a running task, or for a task whose handle now reports that it was discarded.
    fn stop(&self, until: &mut RunUntil<'_>) {
        let shared = self.shared();
        shared.discard_queued();
        until.arm();
        if !until.is_reached(shared) {
            until.park();
        }
    }
}

/// Looks at every source of work, again and again for as long as spinning pays, and at the end at the last
/// resort.
fn search(worker: &impl WorkerLoop, until: &RunUntil<'_>) -> Option<Task> {
    let mut spin = worker.state().spin.get();
    // The first and the last reading of the clock.
    let mut looked: Option<(Instant, Instant)> = None;
    loop {
        if until.must_maintain(worker.shared(), worker.park_slot().index()) {
            return None;
        }
        if let Some(task) = worker.find_task() {
            // A task that is found at the first look has cost no time worth counting.
            if let Some((first, last)) = looked {
                spin.rewarded();
                worker.state().spin.set(spin);
                // The last look is not counted, because the task would wait for another reading of the clock.
                worker.state().metrics().searching.add(nanos(last - first));
            }
            return Some(task);
        }
        if until.is_reached(worker.shared()) {
            return None;
        }
        // No spinning in a pool that closes: it ends when all its workers are parked.
        if spin.get() == Duration::ZERO || worker.shared().phase() != Phase::Open {
            return worker.steal_last_resort();
        }
        let now = Instant::now();
        let first = looked.map_or(now, |(first, _)| first);
        looked = Some((first, now));
        if now - first >= spin.get() {
            worker.state().metrics().searching.add(nanos(now - first));
            return worker.steal_last_resort(); // the length of the sleep will tell whether parking was right
        }
        (0..HINTS_PER_SEARCH).take_while(|_| !worker.sees_push()).for_each(|_| std::hint::spin_loop());
    }
}
