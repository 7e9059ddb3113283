//! The owner half of a worker: what it keeps, and the loop in which it runs tasks and lies down. Where it looks for work
//! is in `search.rs`, how a task on it waits in `wait.rs`, how it forks and joins in `fork.rs`.
//!
//! A [`PushWorker`] belongs to one thread at a time. It is lent to another only while its own thread is blocked, see
//! `on_fresh_stack`.

pub mod fork;
pub mod search;
pub mod stack_job;
pub mod wait;

use crate::runtime::worker_loop::LoopState;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_deque::Worker as Deque;

use crate::base::error::SubmitErrorKind;
use crate::base::rng::Rng;
use crate::push::batched_count::BatchedCount;
use crate::push::job::{Forks, Job, RunningJob};
use crate::push::scope_state::ScopeState;
use crate::push::shared::{PushShared, Remote, TaskBatch};
use crate::queue::fork_slot::ForkSlot;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::current::{CurrentSlot, CurrentWorker};
use crate::runtime::intake::{NotifyOnDrop, Rejected};
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::model::{ExitReason, Model, Owner};
use crate::runtime::wait::{Awaited, Waited};
use crate::runtime::worker_loop::{RunUntil, WorkerLoop};
use crate::runtime::worker_thread::Compensation;
use crate::task::erased::{Finished, Task};
use crate::workers::idle::ParkSlot;

/// See the module's text.
#[derive(Debug)]
pub struct PushWorker {
    shared: Arc<PushShared>,
    loop_state: LoopState,
    deque: Deque<Task>,
    /// The same for a thread that has borrowed the worker: the other one is taken, for its own thread sleeps on it.
    leased_slot: Arc<ParkSlot>,
    /// Whether the thread that acts as this worker has borrowed it.
    is_leased: Cell<bool>,
    rng: Rng,
    tick: Cell<u32>,
    /// Tasks on their way from an inbox to the deque; empty otherwise.
    batch: RefCell<TaskBatch>,
    /// Tasks at the top of the deque that the present task has put there (at most so many: thieves may have some).
    local_depth: Cell<u32>,
    /// What was forked on this worker and not joined yet.
    forks: Forks,
    /// The innermost job of another worker that runs here; null if there is none.
    running_job: Cell<*const RunningJob>,
    /// The innermost scope whose frame, or one of whose tasks, runs here; null if there is none.
    scope: Cell<*const ScopeState>,
    /// Ends of tasks of a scope that the scope has not been told of.
    batched_count: BatchedCount,
    /// How many epochs it has begun (see `fork`).
    epochs: Cell<u32>,
    /// This worker's own fork_slot, in `shared`.
    fork_slot: NonNull<ForkSlot<Job>>,
}

thread_local! {
    static CURRENT: CurrentSlot<PushWorker> = const { CurrentSlot::new() };
}

impl PushWorker {
    /// The owner half of worker `index`.
    pub fn new(shared: Arc<PushShared>, index: usize) -> Self {
        let config = &shared.config;
        PushWorker {
            rng: Rng::new(config.seed, index as u64),
            loop_state: LoopState::new(&shared, index),
            leased_slot: Arc::new(ParkSlot::new(index)),
            is_leased: Cell::new(false),
            tick: Cell::new(0),
            batch: RefCell::new(TaskBatch::new()),
            local_depth: Cell::new(0),
            forks: Forks::new(),
            running_job: Cell::new(std::ptr::null()),
            scope: Cell::new(std::ptr::null()),
            batched_count: BatchedCount::default(),
            epochs: Cell::new(0),
            fork_slot: NonNull::from(&*shared.remote(index).fork_slot),
            deque: shared.remote(index).take_deque(),
            shared,
        }
    }

    /// Calls `f` with the worker that this thread acts as, if any.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&PushWorker>) -> R) -> R {
        CurrentSlot::with(&CURRENT, f)
    }

    /// Whether it is one of `shared`'s workers.
    #[inline]
    pub fn belongs_to(&self, shared: &PushShared) -> bool {
        std::ptr::eq(&*self.shared, shared)
    }

    /// The pool.
    pub fn shared(&self) -> &Arc<PushShared> {
        &self.shared
    }

    /// Its number.
    #[inline]
    pub fn index(&self) -> usize {
        self.loop_state.index()
    }

    /// The innermost scope that what runs here is part of, or null.
    pub fn current_scope(&self) -> *const ScopeState {
        self.scope.get()
    }

    /// Changes that. Returns what it was.
    pub fn set_current_scope(&self, scope: *const ScopeState) -> *const ScopeState {
        self.scope.replace(scope)
    }

    /// Tasks in the deque that descend from the present task, at most.
    pub fn local_depth(&self) -> u32 {
        self.local_depth.get()
    }

    /// Begins to act for another thread than its own, which sleeps.
    pub fn start_lease(&self) {
        self.is_leased.set(true);
        self.local_depth.set(0);
    }

    /// Ends what `lend` began.
    pub fn end_lease(&self) {
        self.flush();
        self.is_leased.set(false);
    }

    /// Runs what lies in its own deque, until that is empty.
    pub fn drain_local(&self) {
        while let Some(task) = self.deque.pop() {
            self.run_task(task);
        }
        self.flush();
    }

    /// The ends of tasks that their scope has not been told of.
    #[inline]
    pub fn batched_count(&self) -> &BatchedCount {
        &self.batched_count
    }

    /// Tells the scope of them.
    #[inline]
    pub fn flush(&self) {
        self.batched_count.flush();
    }

    #[inline]
    fn remote(&self) -> &Remote {
        self.shared.remote(self.index())
    }

    #[inline(always)]
    fn fork_slot(&self) -> &ForkSlot<Job> {
        // SAFETY: it lies in `shared`, which lives at least as long as this worker.
        unsafe { self.fork_slot.as_ref() }
    }

    #[inline]
    fn metrics(&self) -> &WorkerMetrics {
        self.loop_state.metrics()
    }

    /// Leaves to others what it can, for the task on it is about to block.
    pub fn hand_off(&self) {
        self.flush(); // a scope must not wait for what this worker has kept to itself
        self.offer_oldest();
    }
}

/// Tasks submitted by tasks.
impl PushWorker {
    /// Keeps a task submitted by the task that runs on this worker; thieves may take it.
    #[inline]
    pub fn push_local(&self, task: Task) {
        self.metrics().submitted.add(1);
        self.local_depth.set(self.local_depth.get() + 1);
        self.deque.push(task);
        self.shared.idle.notify();
    }

    /// Counts a task, which is about to be kept, as if there were room for it in a bounded pool.
    #[inline]
    pub fn overdraw(&self) {
        if let Some(admission) = &self.shared.capacity {
            admission.permits.overdraw_by(self.index());
        }
    }

    /// Runs a task that the present task has submitted and for which there is no room, at once.
    pub fn run_submitted(&self, task: Task) {
        self.metrics().submitted.add(1);
        self.overdraw(); // its counts gives a permit back
        self.run_task(task);
    }

    /// Counts a task submitted by the task that runs on this worker, which goes elsewhere than to its deque.
    pub fn count_submitted(&self) {
        self.metrics().submitted.add(1);
    }

    /// Keeps many, unless the pool stops meanwhile.
    pub fn push_local_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let mut batch = NotifyOnDrop { idle: &self.shared.idle, tasks: 0 };
        for closure in closures {
            if self.shared.phase() >= Phase::Ended {
                let kind = SubmitErrorKind::Closed;
                return Err(Rejected { accepted: batch.tasks, returned: vec![closure], kind });
            }
            self.push_local(pack(closure));
            batch.tasks += 1;
        }
        Ok(batch.tasks)
    }
}

impl CurrentWorker for PushWorker {
    fn core(&self) -> &Core {
        &self.shared
    }

    fn index(&self) -> usize {
        self.index()
    }

    fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        self.wait_until(awaited, deadline)
    }

    fn push_submitted(&self, task: Task) {
        self.push_local(task);
    }

    fn run_submitted(&self, task: Task) {
        self.run_submitted(task);
    }

    fn begin_blocking(&self) -> Option<Box<dyn Any>> {
        self.hand_off();
        Compensation::begin(&self.shared).map(|compensation| Box::new(compensation) as Box<dyn Any>)
    }
}

impl Owner for PushWorker {
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R {
        let _current = CurrentSlot::enter(&CURRENT, self);
        f()
    }

    fn run(&self) -> ExitReason {
        // Relaxed: whoever borrows this worker has got it out of the list of the parked, whose lock orders the two.
        self.remote().owner.store(std::ptr::from_ref(self).cast_mut().cast(), Ordering::Relaxed);
        self.as_current(|| self.work_until(&mut RunUntil::PoolEnd));
        self.loop_state.exit_reason()
    }

    fn run_broadcasts(&self) {
        self.as_current(|| {
            while let Some(order) = self.shared.take_broadcast(self.index()) {
                self.run_task(order);
            }
            self.flush();
        });
    }

    fn release_deque(self) {
        self.shared.remote(self.index()).put_deque(self.deque);
    }
}

/// The loop.
impl PushWorker {
    /// Runs tasks, and sleeps when there are none, until the until is reached.
    ///
    /// Written so that a task goes from the deque to its call without being handed through other functions: each
    /// would copy it.
    fn work_until(&self, until: &mut RunUntil<'_>) {
        while !until.is_reached(&self.shared) {
            if self.shared.control().needs_maintenance() {
                match self.maintain(until) {
                    true if self.loop_state.has_retired.get() => break,
                    true => continue,
                    false => {}
                }
            }
            if self.is_fair_turn() {
                self.take_fair_turn();
            }
            if let Some(task) = self.next_local() {
                self.run_task(task);
            } else if let Some(task) = self.refill().or_else(|| self.search_or_park(until)) {
                self.run_task(task);
            } else if self.loop_state.has_retired.get() {
                break;
            }
        }
        self.flush();
    }

    /// Runs one task.
    #[inline]
    pub fn run_task(&self, task: Task) {
        if !self.batched_count.is_of(task.scope()) {
            self.flush(); // the scope must not wait for what comes now
        }
        let depth_below = self.local_depth.replace(0);
        if let Finished::UnobservedPanic(payload) = task.run(&self.metrics().counts) {
            self.shared.report_panic(payload);
        }
        // What it has left behind descends from the task beneath as well. Wrapping: beneath no task at all it adds up for
        // ever, and nobody looks at it.
        self.local_depth.set(depth_below.wrapping_add(self.local_depth.get()));
    }
}

impl WorkerLoop for PushWorker {
    type Pool = PushShared;

    fn shared(&self) -> &PushShared {
        &self.shared
    }

    fn state(&self) -> &LoopState {
        &self.loop_state
    }

    fn park_slot(&self) -> &Arc<ParkSlot> {
        if self.is_leased.get() { &self.leased_slot } else { &self.loop_state.park_slot }
    }

    fn find_task(&self) -> Option<Task> {
        self.take_from_any()
    }

    fn take_by_priority(&self) -> Option<Task> {
        self.shared.priorities.take_first(self.loop_state.next_turn())
    }

    fn run_task(&self, task: Task) {
        self.run_task(task);
    }

    fn flush(&self) {
        self.flush();
    }

    fn sees_push(&self) -> bool {
        self.remote().inbox.len() != 0
    }

    fn steal_last_resort(&self) -> Option<Task> {
        self.take_last_resort()
    }

    fn sees_work(&self) -> bool {
        !self.deque.is_empty() || self.shared.has_work()
    }
}
