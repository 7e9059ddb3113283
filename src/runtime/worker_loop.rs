//! A worker without a task: how it looks for one, lies down and gets up. The same for every kind of pool.

use crate::runtime::model::ExitReason;
use crate::runtime::priority::Turn;
use crate::runtime::record::Record;
use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::base::counter::nanos;
use crate::policy::scaling::Release;
use crate::policy::spin::SpinTime;
use crate::runtime::control::{Phase, Request};
use crate::runtime::core::Core;
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::model::Model;
use crate::runtime::wait::Awaited;
use crate::sys::memory;
use crate::task::erased::Task;
use crate::task::recycle;
use crate::workers::idle::{Duty, ParkReason, ParkSlot, ParkState, Role};
use crate::workers::roster::RetireReason;

/// Busy-wait hints between two sweeps of a searching worker: a pause of some 100 ns, so that searchers do not take the
/// cache lines away from those who fill them.
const HINTS_PER_SEARCH: u32 = 8;

/// What a worker is up to when it asks for the next task: until when it waits for one.
pub enum RunUntil<'a> {
    /// The end of the pool.
    PoolEnd,
    /// A task on this worker waits for something.
    Await { awaited: &'a mut (dyn Awaited + Send), deadline: Option<Instant> },
}

impl RunUntil<'_> {
    /// Whether the worker may stop, of the pool around `core`.
    pub fn is_reached(&self, core: &Core) -> bool {
        match self {
            RunUntil::PoolEnd => core.has_ended(),
            RunUntil::Await { awaited, deadline } => {
                awaited.is_done() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            }
        }
    }

    /// Whether the worker must not take another task before it has seen to something else: see [`WorkerLoop::maintain`].
    pub fn must_maintain(&self, core: &Core, index: usize) -> bool {
        let condition = core.control();
        condition.needs_maintenance()
            && (condition.phase() >= Phase::Ended
                // What a task waits for goes on in a paused pool, and a worker leaves only between two tasks.
                || matches!(self, RunUntil::PoolEnd)
                    && (condition.asks(Request::Pause)
                        || condition.asks(Request::Retire) && core.roster.must_retire(index)))
    }

    fn park_reason(&self) -> ParkReason {
        match self {
            RunUntil::PoolEnd => ParkReason::Idle,
            RunUntil::Await { .. } => ParkReason::Waiting,
        }
    }

    /// Sees to it that the thread is unparked when the until is reached.
    fn arm(&mut self) {
        match self {
            RunUntil::PoolEnd => {} // whoever ends the pool wakes everyone in the list of the parked
            RunUntil::Await { awaited, .. } => awaited.unpark_me(),
        }
    }

    fn park(&self) {
        match self {
            RunUntil::Await { deadline: Some(deadline), .. } => {
                thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            RunUntil::PoolEnd | RunUntil::Await { deadline: None, .. } => thread::park(),
        }
    }
}

/// What the loop keeps for a worker of any kind. Belongs to the thread that acts as the worker.
#[derive(Debug)]
pub struct LoopState {
    /// Where the worker's own thread parks.
    pub park_slot: Arc<ParkSlot>,
    /// How long the worker searches before it parks.
    pub spin: Cell<SpinTime>,
    /// The worker's own record in the pool.
    record: Arc<CachePadded<Record>>,
    /// Whether the worker has left the pool; set once.
    pub has_retired: Cell<bool>,
    /// Numbers the turns in which the worker has looked at tasks of other priorities.
    turn: Cell<u32>,
}

impl LoopState {
    /// The state of worker `index` of the pool around `core`, which begins.
    pub fn new(core: &Core, index: usize) -> Self {
        LoopState {
            park_slot: Arc::new(ParkSlot::new(index)),
            spin: Cell::new(SpinTime::new(core.config.spin)),
            record: core.record(index).clone(),
            has_retired: Cell::new(false),
            turn: Cell::new(0),
        }
    }

    /// The number of the worker.
    #[inline]
    pub fn index(&self) -> usize {
        self.park_slot.index()
    }

    /// What the worker counts.
    #[inline]
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.record.metrics
    }

    /// Whose turn it is, in a pool with priorities.
    pub fn next_turn(&self) -> Turn {
        self.turn.set(self.turn.get().wrapping_add(1));
        Turn::of(self.turn.get())
    }

    /// Why the loop has ended.
    pub fn exit_reason(&self) -> ExitReason {
        if self.has_retired.get() { ExitReason::Retired } else { ExitReason::PoolEnd }
    }
}

/// A worker without a task: how it looks for one, lies down and gets up. The worker's half of the protocol in
/// `docs/idle.md`, which is the same for every kind of pool.
pub trait WorkerLoop: Sized {
    /// The kind.
    type Pool: Model;

    /// The pool.
    fn shared(&self) -> &Self::Pool;
    /// What the loop keeps for this worker.
    fn state(&self) -> &LoopState;
    /// Where the thread that acts as this worker parks.
    fn park_slot(&self) -> &Arc<ParkSlot> {
        &self.state().park_slot
    }
    /// One look at every source of work, except for what is only looked at as a last resort.
    fn find_task(&self) -> Option<Task>;
    /// Whether a task has come to where most tasks come to: a look that costs next to nothing, between two searches.
    fn sees_push(&self) -> bool;
    /// A task that another worker should run, but that this one takes rather than park.
    fn steal_last_resort(&self) -> Option<Task>;
    /// Takes the task of another priority that goes before the normal ones, if there is one.
    fn take_by_priority(&self) -> Option<Task>;
    /// Runs a task.
    fn run_task(&self, task: Task);
    /// Publishes the ends of tasks that this worker has not told their scope yet.
    fn flush(&self) {}

    /// Whether there is a task anywhere. Called after a sequentially consistent fence, by a worker that is awake.
    fn sees_work(&self) -> bool {
        self.shared().has_work()
    }

    /// Finds a task elsewhere, or sleeps until there is one. `None` when the until may have been reached.
    #[cold]
    fn search_or_park(&self, until: &mut RunUntil<'_>) -> Option<Task> {
        let shared = self.shared();
        let mut role = shared.idle.start_search(self.park_slot());
        loop {
            if role == Role::Searching
                && let Some(task) = search(self, until)
            {
                self.end_search();
                return Some(task);
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

    /// Lies down until there is work, the until is reached, or the phase changes.
    fn park(&self, role: Role, until: &mut RunUntil<'_>) -> Role {
        let (shared, park_slot) = (self.shared(), self.park_slot());
        until.arm();
        shared.idle.prepare_park(park_slot, role, until.park_reason());
        // From here until `withdraw` this thread keeps its hands off what belongs to the worker's owner: another thread
        // may have borrowed the worker.
        // The last look around: the fence in `prepare_park` makes it count.
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
                return role;
            }
            // Leased. A push that saw this worker search relies on it to have seen its task: somebody else has to take it.
            shared.idle.notify();
        }
        if recycle::trim() {
            memory::return_to_system();
        }
        // Shared, for whoever has borrowed the worker may sleep as well.
        self.state().metrics().parked.add_shared(1);
        let asleep = Instant::now();
        self.state().metrics().asleep.begin(shared.nanos(asleep));
        let role = self.sleep(park_slot, until);
        let mut spin = self.state().spin.get();
        let slept = asleep.elapsed();
        self.state().metrics().asleep.end_after(nanos(slept));
        spin.slept(slept);
        self.state().spin.set(spin);
        role
    }

    /// Sleeps until it is chosen, the until is reached, or it leaves the pool because it has been idle for long. `park_slot` is the
    /// one that it lay down with: whoever has borrowed the worker meanwhile has another.
    fn sleep(&self, park_slot: &Arc<ParkSlot>, until: &mut RunUntil<'_>) -> Role {
        let shared = self.shared();
        let mut since = Instant::now();
        loop {
            let timeout = self.idle_time(until);
            let is_overdue = timeout.is_some_and(|timeout| since.elapsed() >= timeout);
            let is_up = match park_slot.park_state() {
                ParkState::Awake => true,
                ParkState::Parked => until.is_reached(shared) || is_overdue,
                ParkState::Leased => {
                    since = Instant::now(); // whoever acts as this worker is not idle
                    false
                }
            };
            match is_up.then(|| shared.idle.cancel_park(park_slot, Role::Active)).flatten() {
                Some(Role::Active) if is_overdue && shared.retire(park_slot.index(), RetireReason::Idle) => {
                    self.state().has_retired.set(true);
                    return Role::Active;
                }
                Some(role) => return role,
                None => {
                    until.arm(); // each time, see `wait::block`
                    match timeout {
                        None => until.park(),
                        Some(timeout) => thread::park_timeout(timeout.saturating_sub(since.elapsed())),
                    }
                }
            }
        }
    }

    /// How long the worker may sleep before it leaves the pool; `None` if it is needed.
    fn idle_time(&self, until: &RunUntil<'_>) -> Option<Duration> {
        let shared = self.shared();
        let leaves = matches!(until, RunUntil::PoolEnd)
            && shared.roster.has_too_many()
            && shared.config.scaling.releases() == Release::EachByItself;
        leaves.then(|| shared.config.scaling.idle_time())
    }

    /// Stops searching: the pushes that relied on this worker to find their task may need another one woken.
    fn end_search(&self) {
        let idle = &self.shared().idle;
        if idle.end_search() == Duty::CheckForMore && self.sees_work() {
            idle.wake_one();
        }
    }

    /// Sees to what the pool asks of its workers besides running tasks; whether the loop begins anew.
    #[cold]
    fn maintain(&self, until: &mut RunUntil<'_>) -> bool {
        let shared = self.shared();
        let condition = shared.control();
        if condition.phase() == Phase::Stopping {
            self.flush();
            self.stop(until);
            return true;
        }
        if matches!(until, RunUntil::PoolEnd) && condition.asks(Request::Retire) && self.leaves() {
            return true;
        }
        if matches!(until, RunUntil::PoolEnd) && condition.asks(Request::Pause) {
            self.flush();
            shared.wait_while_paused(self.park_slot().index());
            return true;
        }
        if condition.asks(Request::Broadcast)
            && let Some(order) = shared.take_broadcast(self.park_slot().index())
        {
            self.run_task(order);
            return true;
        }
        if condition.asks(Request::PriorityQueues)
            && let Some(task) = self.take_by_priority()
        {
            self.run_task(task);
            return true;
        }
        false
    }

    /// Leaves the pool, if it is among those who are to.
    fn leaves(&self) -> bool {
        let (shared, index) = (self.shared(), self.park_slot().index());
        let leaves = shared.roster.must_retire(index) && shared.retire(index, RetireReason::Requested);
        if leaves {
            self.state().has_retired.set(true);
        }
        leaves
    }

    /// The pool stops: what this worker has in its queues never starts. A task that waits on this worker waits on,
    /// for something that runs, or has just been thrown away and says so.
    fn stop(&self, until: &mut RunUntil<'_>) {
        let shared = self.shared();
        shared.discard_queued();
        until.arm();
        if !until.is_reached(shared) {
            until.park();
        }
    }
}

/// Looks everywhere, again and again for as long as spinning pays, and at last where it would rather not.
fn search(seeker: &impl WorkerLoop, until: &RunUntil<'_>) -> Option<Task> {
    let mut spin = seeker.state().spin.get();
    // The first and the last look at the clock.
    let mut looked: Option<(Instant, Instant)> = None;
    loop {
        if until.must_maintain(seeker.shared(), seeker.park_slot().index()) {
            return None;
        }
        if let Some(task) = seeker.find_task() {
            // Found at the first look it has cost no time worth counting.
            if let Some((first, last)) = looked {
                spin.rewarded();
                seeker.state().spin.set(spin);
                // Without the last find_task: the task would wait for one more look at the clock.
                seeker.state().metrics().searching.add(nanos(last - first));
            }
            return Some(task);
        }
        if until.is_reached(seeker.shared()) {
            return None;
        }
        // A pool that closes ends when all its workers rest.
        if spin.get() == Duration::ZERO || seeker.shared().phase() != Phase::Open {
            return seeker.steal_last_resort();
        }
        let now = Instant::now();
        let first = looked.map_or(now, |(first, _)| first);
        looked = Some((first, now));
        if now - first >= spin.get() {
            seeker.state().metrics().searching.add(nanos(now - first));
            return seeker.steal_last_resort(); // how long the sleep lasts will tell whether that was wise
        }
        (0..HINTS_PER_SEARCH).take_while(|_| !seeker.sees_push()).for_each(|_| std::hint::spin_loop());
    }
}
