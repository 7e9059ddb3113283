//! The owner half of a worker: the loop, the order in which it looks for work, and waiting inside a task.
//!
//! A [`Worker`] belongs to one thread at a time. It is handed to another only while its own thread is blocked, see
//! [`Worker::on_fresh_stack`].

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_deque::{Steal, Worker as Deque};

use super::dispatcher::{Announcement, Rejected};
use super::idle::{Duty, Rest, Role, Seat};
use super::metrics::WorkerMetrics;
use super::shared::{Phase, Remote, Shared, TaskBatch};
use crate::base::error::SubmitErrorKind;
use crate::base::rng::Rng;
use crate::policy::spin::SpinTime;
use crate::policy::victim;
use crate::primitives::batch::BATCH;
use crate::primitives::block;
use crate::primitives::inbox::Taken;
use crate::primitives::task::{Finished, Task};
use crate::sys::memory;
use crate::sys::stack::approximate_stack_pointer;

/// Every so many tasks a worker looks first where it would otherwise look last, so that neither work from outside nor
/// the oldest of its own waits for ever behind tasks that spawn tasks. tokio and Go use 61; our look is cheap.
const FAIRNESS_INTERVAL: u32 = 31;

/// Busy-wait hints between two sweeps of a searching worker: a pause of some 100 ns, so that searchers do not take the
/// cache lines away from those who fill them.
const HINTS_PER_SWEEP: u32 = 8;

/// Something that a task waits for on a worker.
pub trait Awaited {
    /// Whether it has come.
    fn is_done(&self) -> bool;
    /// Has the calling thread unparked when it comes (at once, if it has come already).
    fn unpark_me(&mut self);
}

/// How a wait on a worker ended.
#[derive(Debug)]
#[must_use]
pub enum Waited {
    /// It came.
    Done,
    /// The deadline passed first.
    TimedOut,
    /// The stack is used up and the operating system gives no thread with a fresh one.
    NoStack(io::Error),
}

/// See the module's text.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    index: usize,
    deque: Deque<Task>,
    seat: Arc<Seat>,
    rng: Rng,
    spin: Cell<SpinTime>,
    tick: Cell<u32>,
    /// Tasks on their way from an inbox to the deque; empty otherwise.
    batch: RefCell<TaskBatch>,
    /// Where the stack of the thread that acts as this worker begins.
    stack_base: Cell<usize>,
}

thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(std::ptr::null()) };
}

/// Makes a worker the current one of this thread for as long as the value lives.
struct Current<'a> {
    previous: *const Worker,
    previous_base: usize,
    worker: &'a Worker,
}

impl<'a> Current<'a> {
    fn enter(worker: &'a Worker) -> Self {
        let previous_base = worker.stack_base.replace(approximate_stack_pointer());
        Current { previous: CURRENT.replace(worker), previous_base, worker }
    }
}

impl Drop for Current<'_> {
    fn drop(&mut self) {
        CURRENT.set(self.previous);
        self.worker.stack_base.set(self.previous_base);
    }
}

impl Worker {
    /// The owner half of worker `index`.
    pub fn new(shared: Arc<Shared>, index: usize, deque: Deque<Task>) -> Self {
        let config = &shared.config;
        Worker {
            rng: Rng::new(config.seed, index as u64),
            spin: Cell::new(SpinTime::new(config.spin)),
            seat: Arc::new(Seat::new(index)),
            tick: Cell::new(0),
            batch: RefCell::new(TaskBatch::new()),
            stack_base: Cell::new(0),
            shared,
            index,
            deque,
        }
    }

    /// Calls `f` with the worker that this thread acts as, if any.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        let current = CURRENT.get();
        // SAFETY: null, or set by `Current`, which borrows the worker until it restores the previous value. The
        // reference does not leave `f`.
        f(unsafe { current.as_ref() })
    }

    /// Whether it is one of `shared`'s workers.
    #[inline]
    pub fn belongs_to(&self, shared: &Shared) -> bool {
        std::ptr::eq(&*self.shared, shared)
    }

    /// The pool.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its number.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Runs `f` with this worker as the thread's current one.
    pub fn as_current<R>(&self, f: impl FnOnce() -> R) -> R {
        let _current = Current::enter(self);
        f()
    }

    #[inline]
    fn remote(&self) -> &Remote {
        self.shared.remote(self.index)
    }

    #[inline]
    fn metrics(&self) -> &WorkerMetrics {
        &self.remote().metrics
    }
}

/// Tasks submitted by tasks.
impl Worker {
    /// Keeps a task submitted by the task that runs on this worker; thieves may take it.
    #[inline]
    pub fn keep(&self, task: Task) {
        self.metrics().submitted.add(1);
        self.deque.push(task);
        self.shared.idle.notify();
    }

    /// Keeps many, unless the pool stops meanwhile.
    pub fn keep_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let mut batch = Announcement { idle: &self.shared.idle, tasks: 0 };
        for closure in closures {
            if self.shared.phase() == Phase::Stopping {
                let kind = SubmitErrorKind::Closed;
                return Err(Rejected { accepted: batch.tasks, returned: vec![closure], kind });
            }
            self.keep(pack(closure));
            batch.tasks += 1;
        }
        Ok(batch.tasks)
    }
}

/// What a worker is up to when it asks for the next task: until when it waits for one.
enum Goal<'a> {
    /// The end of the pool.
    PoolEnd,
    /// A task on this worker waits for something.
    Await { awaited: &'a mut (dyn Awaited + Send), deadline: Option<Instant> },
}

impl Goal<'_> {
    fn is_reached(&self, shared: &Shared) -> bool {
        match self {
            Goal::PoolEnd => shared.has_ended(),
            Goal::Await { awaited, deadline } => {
                awaited.is_done() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            }
        }
    }

    fn rest(&self) -> Rest {
        match self {
            Goal::PoolEnd => Rest::Idle,
            Goal::Await { .. } => Rest::Waiting,
        }
    }

    /// Sees to it that the thread is unparked when the goal is reached.
    fn arm(&mut self) {
        match self {
            Goal::PoolEnd => {} // whoever ends the pool wakes everyone in the list of the parked
            Goal::Await { awaited, .. } => awaited.unpark_me(),
        }
    }

    fn park(&self) {
        match self {
            Goal::Await { deadline: Some(deadline), .. } => {
                thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
            }
            Goal::PoolEnd | Goal::Await { deadline: None, .. } => thread::park(),
        }
    }
}

/// The loop.
impl Worker {
    /// Works until the pool has ended.
    pub fn run(&self) {
        self.as_current(|| self.work_until(&mut Goal::PoolEnd));
    }

    /// Runs tasks until `awaited` is done or the deadline has passed. Called from inside a task.
    pub fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        if self.is_deep() {
            return self.on_fresh_stack(awaited, deadline);
        }
        self.help_until(awaited, deadline)
    }

    fn help_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        let mut goal = Goal::Await { awaited, deadline };
        self.work_until(&mut goal);
        let Goal::Await { awaited, .. } = goal else { unreachable!("set above") };
        if awaited.is_done() { Waited::Done } else { Waited::TimedOut }
    }

    /// Runs tasks, and sleeps when there are none, until the goal is reached.
    ///
    /// Written so that a task goes from the deque to its call without being handed through other functions: each
    /// would copy it.
    fn work_until(&self, goal: &mut Goal<'_>) {
        while !goal.is_reached(&self.shared) {
            if self.shared.phase() == Phase::Stopping {
                self.stop(goal);
                continue;
            }
            if self.is_fair_turn() {
                self.take_fair_turn();
            }
            if let Some(task) = self.deque.pop() {
                self.run_task(task);
            } else if let Some(task) = self.refill().or_else(|| self.search_or_rest(goal)) {
                self.run_task(task);
            }
        }
    }

    /// Runs one task and counts it.
    #[inline]
    fn run_task(&self, task: Task) {
        let tally = &self.metrics().tally;
        tally.started.add(1);
        if let Finished::Orphaned(payload) = task.run(tally) {
            self.shared.report_panic(payload);
        }
    }

    /// Finds a task elsewhere, or sleeps until there is one. `None` when the goal may have been reached.
    #[cold]
    fn search_or_rest(&self, goal: &mut Goal<'_>) -> Option<Task> {
        let idle = &self.shared.idle;
        let mut role = idle.start_search(&self.seat);
        loop {
            if role == Role::Searching
                && let Some(task) = self.search(goal)
            {
                self.end_search();
                return Some(task);
            }
            if goal.is_reached(&self.shared) || self.shared.phase() == Phase::Stopping {
                if role == Role::Searching {
                    self.end_search();
                }
                return None;
            }
            role = self.rest(role, goal);
            if role == Role::Active {
                role = idle.start_search(&self.seat);
            }
        }
    }

    /// Lies down until there is work, the goal is reached, or the phase changes.
    fn rest(&self, role: Role, goal: &mut Goal<'_>) -> Role {
        let shared = &*self.shared;
        goal.arm();
        shared.idle.announce(&self.seat, role, goal.rest());
        // The last look around: the fence in `announce` makes it count.
        if shared.has_work() {
            return shared.idle.withdraw(&self.seat, Role::Searching);
        }
        if matches!(goal, Goal::PoolEnd) && shared.ends_now() {
            return shared.idle.withdraw(&self.seat, Role::Active);
        }
        if block::tidy_up() {
            memory::return_to_system();
        }
        self.metrics().parked.add(1);
        let asleep = Instant::now();
        while self.seat.is_parked() && !goal.is_reached(shared) {
            goal.park();
        }
        let mut spin = self.spin.get();
        spin.slept(asleep.elapsed());
        self.spin.set(spin);
        shared.idle.withdraw(&self.seat, Role::Active)
    }

    /// Stops searching: the pushes that relied on this worker to find their task may need another one woken.
    fn end_search(&self) {
        if self.shared.idle.end_search() == Duty::CheckForMore
            && (!self.deque.is_empty() || self.shared.has_work())
        {
            self.shared.idle.wake_one();
        }
    }

    /// The pool stops: what this worker has in its queues never starts. A task that waits on this worker waits on,
    /// for something that runs, or has just been thrown away and says so.
    fn stop(&self, goal: &mut Goal<'_>) {
        self.shared.throw_away_queued();
        goal.arm();
        if !goal.is_reached(&self.shared) {
            goal.park();
        }
    }
}

/// The order in which it looks for work.
impl Worker {
    #[inline]
    fn is_fair_turn(&self) -> bool {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        tick.is_multiple_of(FAIRNESS_INTERVAL)
    }

    /// Runs a task from where the others are looked for last: the injector, the inbox, the far end of the own deque
    /// in turn.
    #[cold]
    fn take_fair_turn(&self) {
        let oldest_own = || match self.remote().stealer.steal() {
            Steal::Success(task) => Some(task),
            Steal::Empty | Steal::Retry => None,
        };
        let task = match self.tick.get() / FAIRNESS_INTERVAL % 3 {
            0 => self.take_from_injector(),
            1 => self.take_from_inbox(1),
            _ => oldest_own(),
        };
        if let Some(task) = task {
            self.run_task(task);
        }
    }

    /// Takes a batch from inbox or injector, in turn the one or the other first.
    #[inline(never)]
    fn refill(&self) -> Option<Task> {
        if self.tick.get().is_multiple_of(2) {
            self.take_from_inbox(BATCH).or_else(|| self.take_from_injector())
        } else {
            self.take_from_injector().or_else(|| self.take_from_inbox(BATCH))
        }
    }

    fn take_from_inbox(&self, limit: usize) -> Option<Task> {
        let mut batch = self.batch.borrow_mut();
        loop {
            match self.remote().inbox.take(limit, &mut *batch) {
                Taken::Some => return self.unload(&mut batch),
                Taken::Nothing => return None,
                Taken::Contended => {} // a thief got some: that many fewer rounds are left
            }
        }
    }

    fn take_from_injector(&self) -> Option<Task> {
        self.unload(&mut self.shared.take_injected()?)
    }

    /// Moves a batch (the oldest first) to the deque, but for the oldest, which is returned: the deque will give the
    /// others in order of arrival.
    #[inline]
    fn unload(&self, batch: &mut TaskBatch) -> Option<Task> {
        while batch.len() > 1 {
            batch.pop().into_iter().for_each(|task| self.deque.push(task));
        }
        batch.pop()
    }

    /// Looks everywhere, again and again for as long as spinning pays.
    fn search(&self, goal: &Goal<'_>) -> Option<Task> {
        let mut spin = self.spin.get();
        let mut until = None;
        loop {
            if let Some(task) = self.sweep() {
                if until.is_some() {
                    spin.rewarded();
                    self.spin.set(spin);
                }
                return Some(task);
            }
            // A pool that closes ends when all its workers rest.
            if goal.is_reached(&self.shared)
                || spin.get() == Duration::ZERO
                || self.shared.phase() != Phase::Open
            {
                return None;
            }
            let now = Instant::now();
            if now >= *until.get_or_insert(now + spin.get()) {
                return None; // how long the sleep lasts will tell whether that was wise
            }
            (0..HINTS_PER_SWEEP).for_each(|_| std::hint::spin_loop());
        }
    }

    /// One look at every source of work.
    fn sweep(&self) -> Option<Task> {
        self.take_from_inbox(BATCH).or_else(|| self.take_from_injector()).or_else(|| self.steal())
    }

    /// Visits every peer once. A contended victim is left alone: somebody else is taking from it just now.
    fn steal(&self) -> Option<Task> {
        self.shared.members.read(|members| {
            let mut victims = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
            victims.find_map(|victim| if victim == self.index { None } else { self.steal_from(victim) })
        })
    }

    fn steal_from(&self, victim: usize) -> Option<Task> {
        let victim = self.shared.remote(victim);
        let half = (victim.inbox.len() / 2).clamp(1, BATCH);
        let mut batch = self.batch.borrow_mut();
        if victim.inbox.take(half, &mut *batch) == Taken::Some {
            self.metrics().stolen.add(batch.len() as u64);
            return self.unload(&mut batch);
        }
        match victim.stealer.steal_batch_with_limit_and_pop(&self.deque, BATCH) {
            Steal::Success(task) => {
                // The deque was empty: a worker steals only then.
                self.metrics().stolen.add(1 + self.deque.len() as u64);
                Some(task)
            }
            Steal::Empty | Steal::Retry => None,
        }
    }
}

/// Waiting on a stack that is used up.
impl Worker {
    /// Whether tasks within tasks have used half of the stack: the other half is for the next one.
    fn is_deep(&self) -> bool {
        let size = self.shared.config.stack_size;
        let used = self.stack_base.get().abs_diff(approximate_stack_pointer());
        // More than there is: a stack that is not in one piece (AddressSanitizer's), of which nothing is known.
        (size / 2..size).contains(&used)
    }

    /// Lends this worker to a thread with a fresh stack, which waits in its stead while this thread sleeps.
    ///
    /// A wait inside a task runs other tasks, which may wait as well: recursion by `submit` and `join` nests as deep
    /// as the recursion goes. Neither a bound on the depth (a worker that may not help can hang the pool) nor an
    /// overflow is acceptable, so the stack is continued on another thread. It costs a thread creation once in half a
    /// stack of nesting.
    #[cold]
    fn on_fresh_stack(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        struct Lent<'a>(&'a Worker);
        // SAFETY: the worker is not `Sync`, but this thread does not touch it until the other one has ended.
        unsafe impl Send for Lent<'_> {}
        impl Lent<'_> {
            fn wait(self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
                self.0.as_current(|| self.0.help_until(awaited, deadline))
            }
        }

        let lent = Lent(self);
        let builder = self.shared.config.thread(self.index);
        thread::scope(|scope| match builder.spawn_scoped(scope, move || lent.wait(awaited, deadline)) {
            Ok(thread) => thread.join().expect("waiting runs user code only inside the panic guard"),
            Err(error) => Waited::NoStack(error),
        })
    }
}
