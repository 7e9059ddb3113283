//! A lane: a queue in front of a pool. At most `limit` of its tasks are in the pool at a time.
//!
//! The lane submits *passes* to the pool. A pass is a task that takes the oldest task of the lane and runs
//! it. Each task gets one pass, and at most `limit` passes are active at a time; the worker that ends a pass
//! sends the next. So the pool schedules, steals, drains and discards tasks of a lane like all other tasks,
//! and counts each of them once. A pass is no child of the task whose worker sends it, because it runs
//! whichever task of the lane is the oldest then ([`Intake::dispatch_apart`]).
//!
//! A task that waits for long gives its pass back, because it may wait for another task of the lane
//! (`runtime/held_pass.rs`). The pass goes to the longest waiting of the tasks that want to go on, else to
//! the oldest task of the lane.
//!
//! All handles of a lane share one [`LaneShared`] behind a mutex, which producers and workers hold for a few
//! instructions. Guarded by `tests/it/behaviour/lanes.rs` and `tests/it/closing_lanes.rs`.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::base::error::SubmitErrorKind;
use crate::base::unwind::Payload;
use crate::runtime::backlog::Backlog;
use crate::runtime::control::Phase;
use crate::runtime::core::{self, Core};
use crate::runtime::current;
use crate::runtime::current_pool;
use crate::runtime::held_pass::{self, PassSource};
use crate::runtime::intake::{Intake, Route, RunLimit};
use crate::runtime::stall::Target;
use crate::runtime::wait::{Awaited, Waited, block};
use crate::submit::resumers::Resumers;
use crate::task::counts::TaskCounts;
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word};
use crate::task::owners::{self, TaskOwner};
use crate::task::work::{Remains, Unstarted};

/// The shared half of a lane.
#[derive(Debug)]
pub struct LaneShared<S> {
    pool: Arc<S>,
    /// An id like that of a pool, which the handles of the lane's tasks hold. A worker that waits for such a
    /// task must not run it itself, because that could exceed the limit. It waits as for a task of another
    /// pool.
    id: u32,
    /// The largest number of active passes.
    pub limit: usize,
    /// The largest number of tasks that wait without a pass.
    pub capacity: usize,
    /// The route of the passes.
    pub route: Route,
    state: Mutex<LaneState>,
    /// Notified, if a thread waits for it, when the pool has accepted or refused an undecided pass.
    decided: Condvar,
}

#[derive(Debug, Default)]
struct LaneState {
    /// Active passes: about to be sent, queued in the pool, or running a task.
    passes: usize,
    /// Active passes that the pool may still refuse.
    undecided: usize,
    /// Threads that wait for `decided`.
    decision_waiters: usize,
    /// Passes that were sent and have not taken their task.
    sent: usize,
    /// Tasks that have not started, the oldest first: one for each pass that was sent, then the tasks without
    /// a pass.
    tasks: VecDeque<Task>,
    /// Those of `tasks` that were ended and counted while they were queued. Negative for a moment if a pass
    /// takes such an entry before its end is counted.
    empty: isize,
    running: usize,
    /// Running tasks that have given their pass back and want one again.
    resumers: Resumers,
    submitted: u64,
    finished: u64,
}

impl LaneState {
    /// Returns whether the pool may still refuse every active pass. A task without a pass would then be
    /// forgotten.
    fn is_uncertain(&self) -> bool {
        self.passes == self.undecided
    }

    /// Takes out the running task that gets a pass which became free. Returns its thread, to be unparked.
    /// While there are more passes than allowed, because a task has gone on when its time was up, there is no
    /// such task.
    fn next_resumer(&mut self, limit: usize) -> Option<Thread> {
        if self.passes <= limit { self.resumers.take_first() } else { None }
    }

    /// Ends a pass that a closed pool has refused, or gives it to a running task that wants to go on: such a
    /// task may have come while the pass was on its way, and nothing else would wake it. If the pass was the
    /// last, returns all tasks, which the caller discards by `discard_left` after it has released the lock.
    fn give_up_pass(&mut self, limit: usize) -> VecDeque<Task> {
        if let Some(thread) = self.next_resumer(limit) {
            thread.unpark();
            return VecDeque::new();
        }
        self.passes -= 1;
        if self.passes > 0 {
            return VecDeque::new(); // the end of another pass discards them
        }
        let left = std::mem::take(&mut self.tasks);
        self.running += left.len(); // until `discard_left` has counted their ends
        left
    }

    /// The number of entries without a pass.
    fn without_pass(&self) -> usize {
        self.tasks.len() - self.sent
    }

    /// The number of tasks that wait in the lane. A task that was ended early counts as one of these, also if
    /// it has a pass, which then goes on to the next task.
    fn waiting_in_lane(&self) -> usize {
        self.without_pass().saturating_add_signed(-self.empty)
    }
}

/// What a pass has taken out of the lane.
#[derive(Debug, Clone, Copy)]
enum Entry {
    /// A task.
    Task,
    /// The entry of a task that was ended and counted before.
    Empty,
}

impl Entry {
    /// What was discarded.
    fn of(discarded: &Result<Discarded, Payload>) -> Self {
        if matches!(discarded, Ok(Discarded::CountedBefore)) { Entry::Empty } else { Entry::Task }
    }
}

/// A snapshot of a lane's counters, all taken at one moment. Returned by [`Lane::stats`](crate::Lane::stats).
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let lane = pool.lane(2).build()?;
/// lane.submit(|| 6 * 7)?.join()?;
/// let stats = lane.stats();
/// assert_eq!((stats.limit, stats.submitted), (2, 1));
/// assert_eq!(stats.submitted, stats.waiting as u64 + stats.running as u64 + stats.finished);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// How many tasks may run at a time.
    pub limit: usize,
    /// How many tasks were accepted so far.
    pub submitted: u64,
    /// How many tasks have not started.
    pub waiting: usize,
    /// How many tasks are running: at most `limit`, and the tasks that have begun and wait for something.
    pub running: usize,
    /// How many tasks have ended or were discarded. A task is counted a moment after its handle has the
    /// result.
    pub finished: u64,
}

impl<S> LaneShared<S> {
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Intake + Send + Sync + 'static> LaneShared<S> {
    /// A new lane in front of `pool`.
    pub fn new(pool: Arc<S>, limit: usize, capacity: usize, route: Route) -> Arc<Self> {
        let lane = Arc::new(LaneShared {
            pool,
            id: core::next_id(),
            limit,
            capacity,
            route,
            state: Mutex::default(),
            decided: Condvar::new(),
        });
        let backlog: Arc<dyn Backlog> = lane.clone();
        lane.pool.backlogs.add(&backlog);
        lane
    }

    /// Records that the pool has accepted or refused a pass.
    fn decide(&self, mut state: MutexGuard<'_, LaneState>) {
        state.undecided -= 1;
        let is_awaited = state.decision_waiters > 0; // a notification without a waiter may cost a system call
        drop(state);
        if is_awaited {
            self.decided.notify_all();
        }
    }

    /// Takes a snapshot of the counters.
    pub fn stats(&self) -> LaneStats {
        let state = self.lock();
        // A pass that has taken an empty entry counts as running until it has found that out.
        let waiting = state.tasks.len() as isize - state.empty;
        LaneStats {
            limit: self.limit,
            submitted: state.submitted,
            waiting: waiting.max(0) as usize,
            running: state.running.saturating_add_signed(waiting.min(0)),
            finished: state.finished,
        }
    }

    /// Passes on the pass of a task that has ended or waits for long: to a running task that wants to go on,
    /// or to the next task. Discards all tasks if the pool refuses the pass and no other pass is active.
    fn send_next(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            if let Some(thread) = state.next_resumer(self.limit) {
                drop(state);
                return thread.unpark();
            }
            if state.passes > self.limit || state.without_pass() == 0 {
                state.passes -= 1;
                return;
            }
            state.sent += 1;
        }
        let pack = |place: &mut MaybeUninit<Task>, ()| _ = place.write(self.pass());
        // SAFETY: this `pack` writes the place and does not panic.
        if unsafe { self.pool.dispatch_apart(self.route, (), pack) }.is_err() {
            let left = {
                let mut state = self.lock();
                state.sent -= 1;
                state.give_up_pass(self.limit)
            };
            self.discard_left(left);
        }
    }

    /// Discards the tasks that `give_up_pass` has returned. Called without the lock, because the drop of a
    /// closure is user code.
    fn discard_left(&self, left: VecDeque<Task>) {
        for task in left {
            // No queue of the pool has counted it.
            let is_task = self.pool.discard_unqueued(task) > 0;
            self.ended(if is_task { Entry::Task } else { Entry::Empty });
        }
    }

    /// Makes a pass.
    fn pass(self: &Arc<Self>) -> Task {
        let mut words = [const { Word::uninit() }; 3];
        words[0].write(Arc::into_raw(self.clone()).expose_provenance());
        let table =
            const { &TaskTable { run: Self::run_pass, discard: Self::discard_pass, kind: TaskKind::Free } };
        // SAFETY: both functions of the table expect the address of a lane in the first word, and take over
        // the reference count that `into_raw` has kept. A task calls one of them once. `SubmitTarget` makes
        // `S` `Send` and `Sync`, so any thread may call it.
        unsafe { Task::from_parts(table, words) }
    }

    /// # Safety
    /// `address` is the first word of a task made by `pass`, and is not used again.
    unsafe fn from_word(address: Word) -> Arc<Self> {
        // SAFETY: `pass` has written the first word.
        let address = unsafe { address.assume_init() };
        // SAFETY: the address comes from `Arc::into_raw` of this type. The caller uses it once, so the count
        // is used once.
        unsafe { Arc::from_raw(std::ptr::with_exposed_provenance(address)) }
    }

    /// Takes the oldest task for a pass.
    fn take(&self) -> Task {
        let mut state = self.lock();
        state.sent -= 1;
        state.running += 1;
        state.tasks.pop_front().expect("each pass has a task")
    }

    /// Counts the end of a task, or that its entry was empty.
    fn ended(&self, entry: Entry) {
        let mut state = self.lock();
        state.running -= 1;
        match entry {
            Entry::Task => state.finished += 1,
            Entry::Empty => state.empty -= 1,
        }
    }

    unsafe fn run_pass(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of `TaskTable::run`: the words are those of a task of this table, which only
        // `pass` makes, and are not used again.
        let lane = unsafe { Self::from_word(address) };
        let task = lane.take();
        let (finished, is_pass_held) = held_pass::with_pass(lane.clone(), || task.run(counts));
        lane.ended(if matches!(finished, Finished::Skipped) { Entry::Empty } else { Entry::Task });
        if is_pass_held {
            lane.send_next();
        }
        finished
    }

    unsafe fn discard_pass(address: Word, _: Word, _: Word, why: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: the contract of `TaskTable::discard`: the words are those of a task of this table, which
        // only `pass` makes, and are not used again.
        let lane = unsafe { Self::from_word(address) };
        let discarded = lane.take().discard(why);
        lane.ended(Entry::of(&discarded));
        lane.send_next();
        discarded
    }
}

impl<S: Intake + Send + Sync + 'static> LaneShared<S> {
    /// Makes the lane known as the owner of its tasks.
    pub fn register(self: &Arc<Self>) {
        if let Some(owner) = self.as_owner() {
            owners::register(self.id, owner);
        }
    }

    fn as_owner(self: &Arc<Self>) -> Option<Weak<dyn TaskOwner>> {
        let lane: Arc<dyn TaskOwner> = self.clone();
        Some(Arc::downgrade(&lane))
    }
}

/// A task of a lane is counted by the lane and by its pool.
impl<S: Intake + Send + Sync + 'static> TaskOwner for LaneShared<S> {
    fn counts_early(&self) -> bool {
        self.pool.counts_early()
    }

    fn count_early(&self, why: Unstarted) {
        {
            let mut state = self.lock();
            state.empty += 1;
            state.finished += 1;
        }
        // By the pool as an owner, so that it looks whether it is idle now.
        if let Some(pool) = self.pool.task_owner().and_then(|pool| pool.upgrade()) {
            pool.count_early(why);
        }
    }

    fn take_remains(&self, remains: Remains) -> Option<Remains> {
        self.pool.take_remains(remains)
    }

    fn report(&self, payload: Payload) {
        self.pool.report_panic(payload);
    }

    /// The pool says it: its statistics count the tasks of its lanes.
    fn at_process_end(&self) {}
}

impl<S> Drop for LaneShared<S> {
    fn drop(&mut self) {
        owners::forget(self.id);
    }
}

impl<S: Intake + Send + Sync + 'static> PassSource for LaneShared<S> {
    fn give_back(self: Arc<Self>) {
        self.send_next();
    }

    fn take_again(self: Arc<Self>, deadline: Option<Instant>) {
        let number = {
            let mut state = self.lock();
            if state.passes < self.limit {
                state.passes += 1;
                return;
            }
            state.resumers.add()
        };
        let mut turn = PassTurn { lane: &self, number };
        let waited = match current::wait_until(&mut turn, deadline) {
            Waited::NoStack(_) => block(&mut turn, deadline),
            waited => waited,
        };
        if matches!(waited, Waited::TimedOut) {
            let mut state = self.lock();
            if state.resumers.remove(number) {
                state.passes += 1;
            }
        }
    }
}

/// The turn of a running task that waits for a pass.
struct PassTurn<'a, S> {
    lane: &'a Arc<LaneShared<S>>,
    number: u64,
}

impl<S: Intake + Send + Sync + 'static> Awaited for PassTurn<'_, S> {
    fn is_done(&self) -> bool {
        !self.lane.lock().resumers.waits(self.number)
    }

    fn target(&self) -> Target {
        Target::Pass(self.lane.id)
    }

    fn unpark_me(&mut self) {
        if !self.lane.lock().resumers.set_thread(self.number) {
            thread::current().unpark(); // the park that follows returns at once
        }
    }

    fn reserves(&self) -> bool {
        true
    }

    /// What runs on top of this wait may wait for a task of the lane. A pass that was granted to the task
    /// below it would never be used.
    fn release_claim(&mut self) {
        let was_granted = !self.lane.lock().resumers.remove(self.number);
        if was_granted {
            self.lane.send_next();
        }
    }

    fn claim_again(&mut self) {
        let mut state = self.lane.lock();
        if state.passes < self.lane.limit {
            state.passes += 1;
        } else {
            state.resumers.add_again(self.number);
        }
    }
}

/// The backlog of a lane: tasks without a pass, which no queue of the pool shows.
impl<S: Intake + Send + Sync> Backlog for LaneShared<S> {
    fn entries(&self) -> u64 {
        self.lock().without_pass() as u64
    }

    fn purge(&self) -> u64 {
        let entries = {
            let mut state = self.lock();
            let sent = state.sent;
            state.tasks.split_off(sent)
        };
        let all = entries.len();
        // After the lock is released, because the drop of a closure is user code.
        let purged: u64 = entries.into_iter().map(|task| self.pool.discard_unqueued(task)).sum();
        let mut state = self.lock();
        state.finished += purged;
        // The other entries were those of tasks that had ended before.
        state.empty -= (all - purged as usize) as isize;
        purged
    }
}

/// The intake of a lane: queues a task in the lane, or sends a pass for it.
#[derive(Debug)]
pub struct LaneIntake<S>(pub Arc<LaneShared<S>>);

/// The core of a lane is that of its pool.
impl<S: Intake> Deref for LaneIntake<S> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.0.pool
    }
}

impl<S: Intake + Send + Sync + 'static> Intake for LaneIntake<S> {
    fn handle_pool_id(&self) -> u32 {
        self.0.id
    }

    fn task_owner(&self) -> Option<Weak<dyn TaskOwner>> {
        self.0.as_owner()
    }

    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            // Before the lock, which a thread of the parent may have held when the process was forked.
            return Err((closure, SubmitErrorKind::Forked));
        }
        let pack_task = |closure| {
            let mut place = MaybeUninit::uninit();
            pack(&mut place, closure);
            // SAFETY: the caller of `dispatch` promises that `pack` initialises its place.
            unsafe { place.assume_init() }
        };
        let lane = &self.0;
        {
            let mut state = lane.lock();
            // A task that waits here is accepted and must run before the pool ends. So the pool must have
            // accepted at least one active pass. This waits for a few instructions of another thread, and for
            // a placement rule of the user.
            while state.passes >= lane.limit && state.is_uncertain() {
                state.decision_waiters += 1;
                state = lane.decided.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.decision_waiters -= 1;
            }
            if state.passes >= lane.limit {
                if state.waiting_in_lane() >= lane.capacity {
                    return Err((closure, SubmitErrorKind::Full));
                }
                // The end of an active pass sends a pass for this task, or discards the task if the pool has
                // stopped.
                match self.phase() {
                    Phase::Open => {}
                    Phase::Draining if current_pool::belongs_to_pool(self) => {}
                    _ => return Err((closure, SubmitErrorKind::Closed)),
                }
                state.submitted += 1;
                state.tasks.push_back(pack_task(closure));
                return Ok(());
            }
            state.passes += 1;
            state.undecided += 1;
        }
        // This takes the lock while a place in the pool's queue is reserved. That is allowed, because every
        // holder of the lock releases it after a few instructions.
        let pack = |place: &mut MaybeUninit<Task>, closure| {
            let task = pack_task(closure);
            let mut state = lane.lock();
            state.submitted += 1;
            state.sent += 1;
            state.tasks.push_back(task);
            lane.decide(state);
            place.write(lane.pass());
        };
        // SAFETY: this `pack` writes the place. It does not panic, because the caller's `pack` in it does
        // not.
        let result = unsafe { lane.pool.dispatch_apart(lane.route, closure, pack) };
        if result.is_err() {
            let mut state = lane.lock();
            let left = state.give_up_pass(lane.limit);
            lane.decide(state);
            lane.discard_left(left);
        }
        result
    }

    fn run_limit(&self) -> RunLimit {
        RunLimit::Concurrency
    }

    /// Refuses: a task that runs here could exceed the limit. `RunLimit::Concurrency` keeps admission from
    /// asking.
    fn run_inside(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }

    /// Accepts every route, because passes take the lane's own.
    fn check(&self, _: Route) -> Result<(), SubmitErrorKind> {
        Ok(())
    }
}
