//! The owner half of a worker: what it keeps, and the loop in which it runs tasks and lies down. Where it looks for work
//! is in `search.rs`, how a task on it waits in `wait.rs`, how it forks and joins in `fork.rs`.
//!
//! A [`Worker`] belongs to one thread at a time. It is lent to another only while its own thread is blocked, see
//! `on_fresh_stack`.

pub mod fork;
pub mod search;
pub mod stack_job;
pub mod wait;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crossbeam_deque::Worker as Deque;
use crossbeam_utils::CachePadded;

use crate::base::error::SubmitErrorKind;
use crate::base::rng::Rng;
use crate::policy::spin::SpinTime;
use crate::push::batched_count::Credit;
use crate::push::job::{Execution, Forks, Job};
use crate::push::scope_state::Scope;
use crate::push::shared::{Remote, Shared, TaskBatch};
use crate::queue::batch::BATCH;
use crate::queue::fork_slot::Offer;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::current::{CurrentWorker, Slot};
use crate::runtime::intake::{Announcement, Rejected};
use crate::runtime::metrics::WorkerMetrics;
use crate::runtime::model::{Model, Owner, Parting};
use crate::runtime::record::Record;
use crate::runtime::wait::{Awaited, Waited};
use crate::runtime::worker_loop::{Goal, Seeker};
use crate::runtime::worker_thread::Absence;
use crate::task::erased::{Finished, Task};
use crate::workers::idle::Seat;

/// Every so many tasks a worker looks first where it would otherwise look last, so that neither work from outside nor
/// the oldest of its own waits for ever behind tasks that spawn tasks. tokio and Go use 61; our look is cheap.
const FAIRNESS_INTERVAL: u32 = 31;

/// See the module's text.
#[derive(Debug)]
pub struct Worker {
    shared: Arc<Shared>,
    index: usize,
    deque: Deque<Task>,
    /// Its place in the list of the parked.
    seat: Arc<Seat>,
    /// The same for a thread that has borrowed the worker: the other one is taken, for its own thread sleeps on it.
    guest_seat: Arc<Seat>,
    /// Whether the thread that acts as this worker has borrowed it.
    is_lent: Cell<bool>,
    rng: Rng,
    spin: Cell<SpinTime>,
    tick: Cell<u32>,
    /// Numbers the turns in which it has looked at tasks of other priorities.
    turn: Cell<u32>,
    /// Tasks on their way from an inbox to the deque; empty otherwise.
    batch: RefCell<TaskBatch>,
    /// Tasks at the top of the deque that the present task has put there (at most so many: thieves may have some).
    kept: Cell<u32>,
    /// What was forked on this worker and not joined yet.
    forks: Forks,
    /// The innermost job of another worker that runs here; null if there is none.
    executing: Cell<*const Execution>,
    /// The innermost scope whose frame, or one of whose tasks, runs here; null if there is none.
    scope: Cell<*const Scope>,
    /// Ends of tasks of a scope that the scope has not been told of.
    credit: Credit,
    /// How many services it has begun (see `fork`).
    services: Cell<u32>,
    /// This worker's own offer, in `shared`.
    offer: NonNull<Offer<Job>>,
    /// Its own record in `shared`.
    record: Arc<CachePadded<Record>>,
    /// Whether it has left the pool.
    has_resigned: Cell<bool>,
}

thread_local! {
    static CURRENT: Slot<Worker> = const { Slot::new() };
}

impl Worker {
    /// The owner half of worker `index`.
    pub fn new(shared: Arc<Shared>, index: usize) -> Self {
        let config = &shared.config;
        Worker {
            rng: Rng::new(config.seed, index as u64),
            spin: Cell::new(SpinTime::new(config.spin)),
            seat: Arc::new(Seat::new(index)),
            guest_seat: Arc::new(Seat::new(index)),
            is_lent: Cell::new(false),
            tick: Cell::new(0),
            turn: Cell::new(0),
            batch: RefCell::new(TaskBatch::new()),
            kept: Cell::new(0),
            forks: Forks::new(),
            executing: Cell::new(std::ptr::null()),
            scope: Cell::new(std::ptr::null()),
            credit: Credit::default(),
            services: Cell::new(0),
            offer: NonNull::from(&*shared.remote(index).offer),
            record: shared.record(index).clone(),
            has_resigned: Cell::new(false),
            deque: shared.remote(index).take_deque(),
            shared,
            index,
        }
    }

    /// Calls `f` with the worker that this thread acts as, if any.
    #[inline]
    pub fn with_current<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        Slot::with(&CURRENT, f)
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

    /// The innermost scope that what runs here is part of, or null.
    pub fn current_scope(&self) -> *const Scope {
        self.scope.get()
    }

    /// Changes that. Returns what it was.
    pub fn set_current_scope(&self, scope: *const Scope) -> *const Scope {
        self.scope.replace(scope)
    }

    /// Tasks in the deque that descend from the present task, at most.
    pub fn kept(&self) -> u32 {
        self.kept.get()
    }

    /// Begins to act for another thread than its own, which sleeps.
    pub fn lend(&self) {
        self.is_lent.set(true);
        self.kept.set(0);
    }

    /// Ends what `lend` began.
    pub fn take_home(&self) {
        self.settle();
        self.is_lent.set(false);
    }

    /// Runs what lies in its own deque, until that is empty.
    pub fn run_own(&self) {
        while let Some(task) = self.deque.pop() {
            self.run_task(task);
        }
        self.settle();
    }

    /// The ends of tasks that their scope has not been told of.
    #[inline]
    pub fn credit(&self) -> &Credit {
        &self.credit
    }

    /// Tells the scope of them.
    #[inline]
    pub fn settle(&self) {
        self.credit.settle();
    }

    #[inline]
    fn remote(&self) -> &Remote {
        self.shared.remote(self.index)
    }

    #[inline(always)]
    fn offer(&self) -> &Offer<Job> {
        // SAFETY: it lies in `shared`, which lives at least as long as this worker.
        unsafe { self.offer.as_ref() }
    }

    #[inline]
    fn metrics(&self) -> &WorkerMetrics {
        &self.record.metrics
    }

    /// Leaves to others what it can, for the task on it is about to block.
    pub fn make_way(&self) {
        self.settle(); // a scope must not wait for what this worker has kept to itself
        self.offer_oldest();
    }
}

/// Tasks submitted by tasks.
impl Worker {
    /// Keeps a task submitted by the task that runs on this worker; thieves may take it.
    #[inline]
    pub fn keep(&self, task: Task) {
        self.metrics().submitted.add(1);
        self.kept.set(self.kept.get() + 1);
        self.deque.push(task);
        self.shared.idle.notify();
    }

    /// Counts a task, which is about to be kept, as if there were room for it in a bounded pool.
    #[inline]
    pub fn overdraw(&self) {
        if let Some(admission) = &self.shared.admission {
            admission.room.overdraw(self.index);
        }
    }

    /// Runs a task that the present task has submitted and for which there is no room, at once.
    pub fn run_submitted(&self, task: Task) {
        self.metrics().submitted.add(1);
        self.overdraw(); // its tally gives a permit back
        self.run_task(task);
    }

    /// Counts a task submitted by the task that runs on this worker, which goes elsewhere than to its deque.
    pub fn count_submitted(&self) {
        self.metrics().submitted.add(1);
    }

    /// Keeps many, unless the pool stops meanwhile.
    pub fn keep_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let mut batch = Announcement { idle: &self.shared.idle, tasks: 0 };
        for closure in closures {
            if self.shared.phase() >= Phase::Ended {
                let kind = SubmitErrorKind::Closed;
                return Err(Rejected { accepted: batch.tasks, returned: vec![closure], kind });
            }
            self.keep(pack(closure));
            batch.tasks += 1;
        }
        Ok(batch.tasks)
    }
}

impl CurrentWorker for Worker {
    fn core(&self) -> &Core {
        &self.shared
    }

    fn index(&self) -> usize {
        self.index
    }

    fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
        self.wait_until(awaited, deadline)
    }

    fn run_submitted(&self, task: Task) {
        self.run_submitted(task);
    }

    fn begin_blocking(&self) -> Option<Box<dyn Any>> {
        self.make_way();
        Absence::begin(&self.shared).map(|absence| Box::new(absence) as Box<dyn Any>)
    }
}

impl Owner for Worker {
    fn as_current<R>(&self, f: impl FnOnce() -> R) -> R {
        let _current = Slot::enter(&CURRENT, self);
        f()
    }

    fn run(&self) -> Parting {
        // Relaxed: whoever borrows this worker has got it out of the list of the parked, whose lock orders the two.
        self.remote().owner.store(std::ptr::from_ref(self).cast_mut().cast(), Ordering::Relaxed);
        self.as_current(|| self.work_until(&mut Goal::PoolEnd));
        if self.has_resigned.get() { Parting::Resigned } else { Parting::PoolEnd }
    }

    fn run_orders(&self) {
        self.as_current(|| {
            while let Some(order) = self.shared.take_order(self.index) {
                self.run_task(order);
            }
            self.settle();
        });
    }

    fn put_down(self) {
        self.shared.remote(self.index).put_deque(self.deque);
    }
}

/// The loop.
impl Worker {
    /// Runs tasks, and sleeps when there are none, until the goal is reached.
    ///
    /// Written so that a task goes from the deque to its call without being handed through other functions: each
    /// would copy it.
    fn work_until(&self, goal: &mut Goal<'_>) {
        while !goal.is_reached(&self.shared) {
            if self.shared.condition().wants_care() {
                match self.attend(goal) {
                    true if self.has_resigned.get() => break,
                    true => continue,
                    false => {}
                }
            }
            if self.is_fair_turn() {
                self.take_fair_turn();
            }
            if let Some(task) = self.deque.pop() {
                self.run_task(task);
            } else if let Some(task) = self.refill().or_else(|| self.search_or_rest(goal)) {
                self.run_task(task);
            } else if self.has_resigned.get() {
                break;
            }
        }
        self.settle();
    }

    /// Runs one task.
    #[inline]
    pub fn run_task(&self, task: Task) {
        if !self.credit.is_of(task.scope()) {
            self.settle(); // the scope must not wait for what comes now
        }
        let kept_below = self.kept.replace(0);
        if let Finished::Orphaned(payload) = task.run(&self.metrics().tally) {
            self.shared.report_panic(payload);
        }
        // What it has left behind descends from the task beneath as well. Wrapping: beneath no task at all it adds up for
        // ever, and nobody looks at it.
        self.kept.set(kept_below.wrapping_add(self.kept.get()));
    }
}

impl Seeker for Worker {
    type Pool = Shared;

    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn has_resigned(&self) -> &Cell<bool> {
        &self.has_resigned
    }

    fn seat(&self) -> &Arc<Seat> {
        if self.is_lent.get() { &self.guest_seat } else { &self.seat }
    }

    fn spin(&self) -> &Cell<SpinTime> {
        &self.spin
    }

    fn metrics(&self) -> &WorkerMetrics {
        self.metrics()
    }

    /// Its own deque too, in which a thread that had borrowed the worker may have left something; and at last its own
    /// offer, for `has_work` sees that too.
    fn sweep(&self) -> Option<Task> {
        self.deque
            .pop()
            .or_else(|| self.shared.take_order(self.index))
            .or_else(|| self.remote().affine.take())
            .or_else(|| self.take_from_inbox(BATCH))
            .or_else(|| self.take_from_injector())
            .or_else(|| self.steal())
            .or_else(|| self.take_own_offer())
            .or_else(|| self.shared.ranks.take_any())
    }

    fn take_ranked(&self) -> Option<Task> {
        self.shared.ranks.take_first(self.next_turn())
    }

    fn run_task(&self, task: Task) {
        self.run_task(task);
    }

    fn settle(&self) {
        self.settle();
    }

    fn sees_push(&self) -> bool {
        self.remote().inbox.len() != 0
    }

    fn last_resort(&self) -> Option<Task> {
        self.take_from_others_mail()
    }

    fn sees_work(&self) -> bool {
        !self.deque.is_empty() || self.shared.has_work()
    }
}
