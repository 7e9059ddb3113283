//! A lane: a queue of its own in front of a pool, of which at most so many tasks are in the pool at a time. All threads
//! may touch it.
//!
//! What the lane gives to the pool is a *pass*: a task that takes the lane's oldest task and runs it. There is one pass for
//! each task, and at most `limit` of them are under way; whoever ends one sends the next. So the lane's tasks travel as
//! all others do (are stolen, drained, thrown away), and the pool counts each of them once.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::base::error::SubmitErrorKind;
use crate::base::unwind::{self, Payload};
use crate::runtime::control::Phase;
use crate::runtime::core::{self, Core};
use crate::runtime::intake::{Intake, Route, RunLimit};
use crate::runtime::thread_role;
use crate::task::counts::TaskCounts;
use crate::task::erased::{Discarded, Finished, Task, TaskKind, TaskTable, Word};
use crate::task::work::Unstarted;

/// See the module's text.
#[derive(Debug)]
pub struct LaneShared<S> {
    pool: Arc<S>,
    /// A number as that of a pool: a worker that waits for a task of the lane must not run it itself, ahead of its turn and
    /// beyond the limit. It serves its pool, as for a task of any other.
    id: u32,
    /// Passes under way, at most.
    pub limit: usize,
    /// Tasks that wait in the lane, at most.
    pub capacity: usize,
    /// Which way passes go.
    pub route: Route,
    state: Mutex<LaneState>,
    /// Told when it is known whether the pool takes a pass that it was asked to take, if anybody wants to know.
    decided: Condvar,
}

#[derive(Debug, Default)]
struct LaneState {
    /// Passes under way: about to be sent, in the pool's queues, or with their task.
    passes: usize,
    /// Those of them that the pool may still refuse.
    undecided: usize,
    /// Threads that wait for `decided`.
    curious: usize,
    /// Passes that have not taken their task.
    sent: usize,
    /// Tasks that have not begun, the oldest first: one for each pass that was sent, then those that wait for one.
    tasks: VecDeque<Task>,
    running: usize,
    submitted: u64,
    finished: u64,
}

impl LaneState {
    /// Whether a task that gets no pass now would be left alone if the pool refused those who are asking.
    fn is_uncertain(&self) -> bool {
        self.passes == self.undecided
    }

    /// A pass cannot be sent: the pool is closed. The last one leaves nobody behind; what comes back is to be thrown away,
    /// outside of the lock.
    fn give_up_pass(&mut self) -> VecDeque<Task> {
        self.passes -= 1;
        if self.passes > 0 {
            return VecDeque::new(); // those under way find the same when they have ended
        }
        let left = std::mem::take(&mut self.tasks);
        self.finished += left.len() as u64;
        left
    }

    /// Tasks that wait for a pass.
    fn without_pass(&self) -> usize {
        self.tasks.len() - self.sent
    }
}

/// What a lane has done so far; see [`Lane::stats`](crate::Lane::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// Tasks that may run at a time.
    pub limit: usize,
    /// Tasks accepted so far.
    pub submitted: u64,
    /// Tasks that have not begun.
    pub waiting: usize,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that have ended, or never begin any more. Counted a moment after the handle says so.
    pub finished: u64,
}

impl<S: Intake> LaneShared<S> {
    /// A lane into `pool`.
    pub fn new(pool: Arc<S>, limit: usize, capacity: usize, route: Route) -> Self {
        LaneShared {
            pool,
            id: core::next_id(),
            limit,
            capacity,
            route,
            state: Mutex::default(),
            decided: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pool has taken a pass, or refused it.
    fn decide(&self, mut state: MutexGuard<'_, LaneState>) {
        state.undecided -= 1;
        let is_awaited = state.curious > 0; // telling nobody would be a system call
        drop(state);
        if is_awaited {
            self.decided.notify_all();
        }
    }

    /// What it has done so far.
    pub fn stats(&self) -> LaneStats {
        let state = self.lock();
        LaneStats {
            limit: self.limit,
            submitted: state.submitted,
            waiting: state.tasks.len(),
            running: state.running,
            finished: state.finished,
        }
    }

    /// Sends a pass for a task that waits, after one has ended; throws all of them away if the pool takes none any more.
    fn send_next(self: &Arc<Self>) {
        {
            let mut state = self.lock();
            if state.without_pass() == 0 {
                state.passes -= 1;
                return;
            }
            state.sent += 1;
        }
        let pack = |place: &mut MaybeUninit<Task>, ()| _ = place.write(self.pass());
        // SAFETY: `pack` initialises the place and does not panic.
        if unsafe { self.pool.dispatch_by(self.route, (), pack) }.is_err() {
            let left = {
                let mut state = self.lock();
                state.sent -= 1;
                state.give_up_pass()
            };
            // Outside of the lock, for their drop is user code.
            left.into_iter().for_each(unwind::drop_silently);
        }
    }

    /// The task that stands for the oldest one of the lane.
    fn pass(self: &Arc<Self>) -> Task {
        let mut words = [const { Word::uninit() }; 3];
        words[0].write(Arc::into_raw(self.clone()).expose_provenance());
        let table =
            const { &TaskTable { run: Self::run_pass, discard: Self::discard_pass, kind: TaskKind::Free } };
        // SAFETY: the functions expect the address of a lane, with the count that comes with it.
        unsafe { Task::from_parts(table, words) }
    }

    /// # Safety
    /// `address` was made by `pass` and is not used again.
    unsafe fn from_word(address: Word) -> Arc<Self> {
        // SAFETY: `pass` wrote it.
        let address = unsafe { address.assume_init() };
        // SAFETY: it comes from `into_raw`.
        unsafe { Arc::from_raw(std::ptr::with_exposed_provenance(address)) }
    }

    fn take(&self) -> Task {
        let mut state = self.lock();
        state.sent -= 1;
        state.running += 1;
        state.tasks.pop_front().expect("a pass for each task")
    }

    fn ended(&self) {
        let mut state = self.lock();
        state.running -= 1;
        state.finished += 1;
    }

    unsafe fn run_pass(address: Word, _: Word, _: Word, counts: &TaskCounts) -> Finished {
        // SAFETY: the contract of the table.
        let lane = unsafe { Self::from_word(address) };
        let finished = lane.take().run(counts);
        lane.ended();
        lane.send_next();
        finished
    }

    unsafe fn discard_pass(address: Word, _: Word, _: Word, why: Unstarted) -> Result<Discarded, Payload> {
        // SAFETY: the contract of the table.
        let lane = unsafe { Self::from_word(address) };
        let discarded = lane.take().discard(why);
        lane.ended();
        lane.send_next();
        discarded
    }
}

/// Where tasks are handed to a lane.
#[derive(Debug)]
pub struct LaneIntake<S>(pub Arc<LaneShared<S>>);

/// A lane has the core of its pool.
impl<S: Intake> Deref for LaneIntake<S> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.0.pool
    }
}

impl<S: Intake> Intake for LaneIntake<S> {
    fn handle_pool_id(&self) -> u32 {
        self.0.id
    }

    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked)); // before the lock, which a thread that is not here may hold
        }
        let pack_task = |closure| {
            let mut place = MaybeUninit::uninit();
            pack(&mut place, closure);
            // SAFETY: the caller says that `pack` has initialised it.
            unsafe { place.assume_init() }
        };
        let lane = &self.0;
        {
            let mut state = lane.lock();
            // What waits here is accepted, and run before the pool ends: so there has to be a pass that the pool has taken.
            // This waits for a few instructions of another thread (and for the user's rule, where there is one).
            while state.passes >= lane.limit && state.is_uncertain() {
                state.curious += 1;
                state = lane.decided.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.curious -= 1;
            }
            if state.passes >= lane.limit {
                if state.without_pass() >= lane.capacity {
                    return Err((closure, SubmitErrorKind::Full));
                }
                // A pass that is under way will send one for this task, or throw it away if the pool stops meanwhile.
                match self.phase() {
                    Phase::Open => {}
                    Phase::Draining if thread_role::belongs_to_pool(self) => {}
                    _ => return Err((closure, SubmitErrorKind::Closed)),
                }
                state.submitted += 1;
                state.tasks.push_back(pack_task(closure));
                return Ok(());
            }
            state.passes += 1;
            state.undecided += 1;
        }
        // The lock is taken while a place in the pool's queue is claimed: for a few instructions, as everywhere here.
        let pack = |place: &mut MaybeUninit<Task>, closure| {
            let task = pack_task(closure);
            let mut state = lane.lock();
            state.submitted += 1;
            state.sent += 1;
            state.tasks.push_back(task);
            lane.decide(state);
            place.write(lane.pass());
        };
        // SAFETY: `pack` initialises the place and does not panic.
        let result = unsafe { lane.pool.dispatch_by(lane.route, closure, pack) };
        if result.is_err() {
            let mut state = lane.lock();
            let left = state.give_up_pass();
            lane.decide(state);
            left.into_iter().for_each(unwind::drop_silently);
        }
        result
    }

    fn run_limit(&self) -> RunLimit {
        RunLimit::Concurrency
    }

    /// Beyond the limit, which is why nobody asks for it.
    fn run_inside(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }

    /// The way is the lane's, whatever is asked for.
    fn check(&self, _: Route) -> Result<(), SubmitErrorKind> {
        Ok(())
    }

    /// The way is the lane's.
    unsafe fn dispatch_by<F>(
        &self,
        _: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        // SAFETY: the caller's promise.
        unsafe { self.dispatch(closure, pack) }
    }
}
