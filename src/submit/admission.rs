//! Admission: whether a task may enter a pool with limits, and what happens to it if the pool is full.
//!
//! A producer acquires a permit of the pool's capacity before its task is queued. The permit is released by
//! the counts of the worker that starts the task (`task/counts.rs`). A task with a weight acquires a permit
//! of the budget first. Structured work (scopes, joins, loops) cannot be refused and overdraws the capacity.
//!
//! Both limits are a [`Semaphore`]. [`acquire`] is the one place that applies an [`OverflowAction`] to a
//! semaphore that has nothing left. A future waits without a thread instead (`future.rs`).
//!
//! Everything here runs on the submitting thread and stores nothing; `limits` holds the shared state. Guarded
//! by `tests/it/behaviour/bounded.rs`, `waiting_for_permits.rs` and `weights.rs`, and by the unit tests of
//! `policy/overflow.rs`.

use std::mem::MaybeUninit;
use std::thread;
use std::time::{Duration, Instant};

use longshore_trace::record::{Outcome, Source};

use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::limits::budget::{Budget, BudgetPermit};
use crate::limits::wait_queue::{Acquired, Semaphore, WaitState};
use crate::policy::overflow::{Caller, OnFull, OverflowAction, Overweight, overflow_action};
use crate::runtime::capacity::Capacity;
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::intake::{Intake, RunLimit};
use crate::runtime::stall::Target;
use crate::runtime::wait::{self, Awaited, Waited};
use crate::runtime::{current, held_pass, stripe};
use crate::submit::options::TaskOptions;
use crate::sync::waiter::Waiter;
use crate::sys::stack;
use crate::task::counts::TaskCounts;
use crate::task::erased::{Finished, Task};
use crate::task::work::Unstarted;

/// How a task was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admitted {
    /// The task holds its permits. The caller queues it, or calls [`refund`].
    Enqueue,
    /// The same, and the running task has waited for the permits, for no longer than until this deadline. It
    /// may have given back its pass of a lane. It takes the pass again when the new task is queued, by
    /// [`Admitted::go_on`]: a task that waits for its pass must hold no permit.
    EnqueueLate(Option<Instant>),
    /// The task holds its permits. The pool has no threads, so [`run_or_drop`] queues the task and then runs
    /// what is queued.
    EnqueueAndRun,
    /// The calling thread runs the task: [`run_inline`].
    RunInline,
    /// The task is discarded and counted: [`discard`].
    Drop,
}

impl Admitted {
    /// Whether the caller queues the task.
    pub fn is_queued(self) -> bool {
        matches!(self, Admitted::Enqueue | Admitted::EnqueueLate(_))
    }

    /// Whether the task holds a permit, or is queued in a pool that needs none.
    pub fn has_permit(self) -> bool {
        !matches!(self, Admitted::RunInline | Admitted::Drop)
    }

    /// Called when the task has been queued or refused, without a lock.
    #[inline]
    pub fn go_on(self) {
        if let Admitted::EnqueueLate(deadline) = self {
            held_pass::take_again(deadline);
        }
    }
}

/// Admits one task without a weight, if it is only to be queued. Nothing has happened if not: [`admit`]
/// decides then.
#[inline]
pub fn is_admitted_at_once(intake: &impl Intake) -> bool {
    let Some(capacity) = &intake.capacity else { return true };
    !capacity.is_in_caller && !intake.is_forked() && capacity.permits.try_acquire(stripe::current(), 1) == 1
}

/// Admits one task without a weight. `on_full` replaces the policy that the pool was built with.
pub fn admit(intake: &impl Intake, on_full: Option<OnFull>) -> Result<Admitted, SubmitErrorKind> {
    let Some(capacity) = &intake.capacity else { return Ok(Admitted::Enqueue) };
    if intake.is_forked() {
        // The child has no threads of the parent, so a lock that one of them held is never released.
        return Err(SubmitErrorKind::Forked);
    }
    if capacity.permits.try_acquire(stripe::current(), 1) == 1 {
        return with_permit(intake, capacity);
    }
    admit_to_full(intake, on_full.unwrap_or(intake.config.on_full))
}

#[cold]
fn admit_to_full(intake: &impl Intake, on_full: OnFull) -> Result<Admitted, SubmitErrorKind> {
    let capacity = intake.capacity.as_ref().expect("only a pool with a capacity can be full");
    let action = overflow_action(on_full, caller(intake)?);
    match acquire(&*capacity.permits, 1, action, Target::Permit(intake.id))? {
        Admitted::Enqueue => with_permit(intake, capacity),
        late @ Admitted::EnqueueLate(_) if capacity.is_in_caller => {
            late.go_on(); // no task waits for its pass, because one task at a time runs
            admit_in_caller(intake)
        }
        other => Ok(other),
    }
}

/// Admits a task that has a permit of `capacity`.
#[inline]
pub fn with_permit(intake: &impl Intake, capacity: &Capacity) -> Result<Admitted, SubmitErrorKind> {
    if capacity.is_in_caller { admit_in_caller(intake) } else { Ok(Admitted::Enqueue) }
}

/// Admits a task with a permit to a pool without threads. The calling thread runs what that pool refuses
/// later, so it is refused here if the pool is closed.
#[cold]
fn admit_in_caller(intake: &impl Intake) -> Result<Admitted, SubmitErrorKind> {
    let closed = if intake.is_inside() { Phase::Stopping } else { Phase::Draining };
    if intake.phase() >= closed {
        refund(intake, 1);
        return Err(SubmitErrorKind::Closed);
    }
    Ok(Admitted::EnqueueAndRun)
}

/// Admits one task with options. It acquires a permit of the budget, if the task has a weight and the pool
/// has a budget, and then a permit of the capacity.
pub fn admit_with(
    intake: &impl Intake,
    options: &TaskOptions,
) -> Result<(Admitted, Option<BudgetPermit>), SubmitErrorKind> {
    intake.check(options.route)?;
    let Some(budget) = intake.budget.as_ref().filter(|_| options.weight > 0) else {
        return admit(intake, options.on_full).map(|admitted| (admitted, None));
    };
    if intake.is_forked() {
        return Err(SubmitErrorKind::Forked);
    }
    let weight = weight_in(&intake.config, budget, options.weight)?;
    let (mut on_full, mut late) = (options.on_full.unwrap_or(intake.config.on_full), None);
    if !budget.try_acquire(weight) {
        let begin = Instant::now();
        let action = match overflow_action(on_full, caller(intake)?) {
            // The task weighs the same on every thread, so running it here would not help. A task of the pool
            // must not wait for its own pool, and exceeds the budget. Every other caller waits.
            OverflowAction::RunInline | OverflowAction::Exceed if intake.is_inside() => {
                OverflowAction::Exceed
            }
            OverflowAction::RunInline | OverflowAction::Exceed => OverflowAction::Wait,
            action => action,
        };
        match acquire(&**budget, weight, action, Target::Budget(intake.id))? {
            Admitted::Enqueue => {}
            admitted @ Admitted::EnqueueLate(_) => late = Some(admitted),
            dropped => return Ok((dropped, None)),
        }
        if let OnFull::BlockFor(time) = &mut on_full {
            *time = time.saturating_sub(begin.elapsed());
        }
    }
    let permit = BudgetPermit::new(budget.clone(), weight);
    match (admit(intake, Some(on_full)), late) {
        (Ok(Admitted::Enqueue), Some(late)) => Ok((late, Some(permit))),
        (Ok(admitted), late) => {
            if !admitted.is_queued() {
                late.into_iter().for_each(Admitted::go_on);
            }
            Ok((admitted, Some(permit)))
        }
        (Err(kind), late) => {
            drop(permit);
            late.into_iter().for_each(Admitted::go_on);
            Err(kind)
        }
    }
}

/// Acquires `weight` of a semaphore that has just refused it, or does what `action` says instead.
fn acquire<S>(
    semaphore: &S,
    weight: u64,
    action: OverflowAction,
    target: Target,
) -> Result<Admitted, SubmitErrorKind>
where
    S: Semaphore + Sync,
{
    match action {
        OverflowAction::Wait => wait_for(semaphore, weight, None, target),
        OverflowAction::WaitFor(Duration::ZERO) => Err(SubmitErrorKind::TimedOut),
        OverflowAction::WaitFor(time) => {
            wait_for(semaphore, weight, Instant::now().checked_add(time), target)
        }
        OverflowAction::Refuse => Err(SubmitErrorKind::Full),
        OverflowAction::Drop => Ok(Admitted::Drop),
        OverflowAction::RunInline => Ok(Admitted::RunInline),
        OverflowAction::Exceed => {
            semaphore.overdraw(weight);
            Ok(Admitted::Enqueue)
        }
    }
}

/// How the calling thread relates to the pool; decides what happens to a task for which there is no permit.
fn caller(intake: &impl Intake) -> Result<Caller, SubmitErrorKind> {
    let is_inside = intake.is_inside();
    // Tasks of the pool may submit while it drains.
    if intake.phase() >= if is_inside { Phase::Ended } else { Phase::Draining } {
        return Err(SubmitErrorKind::Closed);
    }
    Ok(match (is_inside, intake.run_limit()) {
        (true, RunLimit::None) if !wait::is_deep(&intake.config) => Caller::Inside,
        (true, _) => Caller::InsideBound,
        (false, RunLimit::None) if !stack::is_half_used() => Caller::Outside,
        (false, RunLimit::None) => Caller::OutsideDeep,
        (false, RunLimit::Concurrency) => Caller::OutsideBound,
    })
}

/// How much of the budget a task of `weight` acquires: never more than the whole budget.
pub fn weight_in(config: &Config, budget: &Budget, weight: u64) -> Result<u64, SubmitErrorKind> {
    match config.overweight {
        Overweight::Reject if weight > budget.limit() => {
            Err(SubmitErrorKind::Overweight { weight, budget: budget.limit() })
        }
        Overweight::Reject | Overweight::RunAlone => Ok(weight.min(budget.limit())),
    }
}

/// Admits as many of `tasks` tasks as there are permits now, and returns that number. Without a capacity it
/// admits all.
pub fn admit_some(intake: &impl Intake, tasks: usize) -> usize {
    match &intake.capacity {
        Some(_) if intake.is_forked() => 0,
        Some(capacity) => capacity.permits.try_acquire(stripe::current(), tasks as u64) as usize,
        None => tasks,
    }
}

/// Counts a task that is refused, and returns its error.
#[cold]
pub fn refuse<F>(core: &Core, task: F, kind: SubmitErrorKind) -> SubmitError<F> {
    count_refused(core, 1);
    SubmitError::new(task, kind)
}

/// Counts `tasks` that are refused, for the statistics.
#[cold]
pub fn count_refused(core: &Core, tasks: usize) {
    core.metrics.refused.add_shared(tasks as u64);
}

/// Returns the permits of `tasks` admitted tasks that were not queued.
#[cold]
pub fn refund(core: &Core, tasks: usize) {
    if let Some(capacity) = core.capacity.as_ref().filter(|_| tasks > 0 && !core.is_forked()) {
        capacity.permits.release_from_outside(tasks as u64);
    }
}

/// Runs or discards a task that was admitted, but not to a queue.
#[cold]
pub fn run_or_drop(intake: &impl Intake, admitted: Admitted, task: Task) {
    match admitted {
        Admitted::EnqueueAndRun => run_here(intake, task),
        Admitted::RunInline => run_inline(intake, task),
        Admitted::Drop => discard(intake, task),
        Admitted::Enqueue | Admitted::EnqueueLate(_) => unreachable!("a task with permits is queued"),
    }
}

/// Queues the task of a pool without threads, and runs what is queued. A pool that has been closed since the
/// task was admitted refuses it; the caller runs it alone then, because it was accepted.
fn run_here(intake: &impl Intake, task: Task) {
    let pack = |place: &mut MaybeUninit<Task>, task| _ = place.write(task);
    // SAFETY: this `pack` writes its place and does not panic.
    match unsafe { intake.dispatch(task, pack) } {
        Ok(()) => intake.run_in_caller(),
        Err((task, _)) => {
            refund(intake, 1);
            run_inline(intake, task);
        }
    }
}

fn run_inline(intake: &impl Intake, task: Task) {
    let Err(task) = intake.run_inside(task) else { return };
    let totals = &intake.metrics.by_callers;
    totals.started.add_shared(1);
    let counts = TaskCounts::default();
    if intake.is_recorded() {
        intake.note(|track| track.begins_as(Source::Direct));
    }
    let finished = task.run(&counts);
    if intake.is_recorded() {
        let has_panicked = counts.panicked.get() > 0;
        intake.note(|track| track.ends(if has_panicked { Outcome::Panicked } else { Outcome::Completed }));
    }
    // Before the caller gets its handle, so that a caller that joins it finds the task counted.
    totals.add_ends_of(&counts);
    if let Finished::UnobservedPanic(payload) = finished {
        intake.report_panic(payload);
    }
}

fn discard(core: &Core, task: Task) {
    // Before the caller gets its handle, so that a caller that joins it finds the task counted.
    core.metrics.by_callers.started.add_shared(1);
    core.metrics.by_callers.dropped.add_shared(1);
    if let Err(payload) = task.discard(Unstarted::Dropped) {
        core.report_panic(payload);
    }
}

/// Acquires `weight` of `semaphore`, and waits for it until the deadline, in the order of arrival. A worker
/// of the semaphore's own pool must not call this.
///
/// While a worker of another pool waits, a stand-in serves that pool, because the semaphore's pool may be
/// waiting for that.
fn wait_for<S>(
    semaphore: &S,
    weight: u64,
    deadline: Option<Instant>,
    target: Target,
) -> Result<Admitted, SubmitErrorKind>
where
    S: Semaphore + Sync,
{
    let late = Admitted::EnqueueLate(deadline);
    wait_without_pass(semaphore, weight, deadline, target).map(|()| late).inspect_err(|_| late.go_on())
}

/// Does what [`wait_for`] does. Afterwards the running task may be without its pass of a lane.
fn wait_without_pass<S>(
    semaphore: &S,
    weight: u64,
    deadline: Option<Instant>,
    target: Target,
) -> Result<(), SubmitErrorKind>
where
    S: Semaphore + Sync,
{
    let mut acquire = BlockingAcquire { semaphore, weight, state: None, target };
    loop {
        acquire.enqueue();
        if let Waited::NoStack(_) = current::wait_without_pass(&mut acquire, deadline) {
            // The stack is used up, and the operating system gives no thread with a fresh one, so this thread
            // blocks.
            let _ = wait::block(&mut acquire, deadline);
        }
        let node = match acquire.state.take() {
            Some(Acquired::Ready) => return Ok(()),
            Some(Acquired::Closed) => return Err(SubmitErrorKind::Closed),
            Some(Acquired::Queued(node)) => node,
            None => continue,
        };
        match node.state() {
            WaitState::Granted => return Ok(()),
            WaitState::Closed => return Err(SubmitErrorKind::Closed),
            WaitState::Waiting => {
                semaphore.cancel(node); // passes on what may have been granted meanwhile
                return Err(SubmitErrorKind::TimedOut);
            }
        }
    }
}

/// The place of a blocked thread or worker in a wait queue. Lives on the stack of that thread.
struct BlockingAcquire<'a, S: Semaphore> {
    semaphore: &'a S,
    weight: u64,
    /// `None` before it is enqueued, and while something runs on top of it.
    state: Option<Acquired>,
    target: Target,
}

impl<S: Semaphore> BlockingAcquire<'_, S> {
    fn enqueue(&mut self) {
        let waiter = Waiter::Thread(thread::current());
        self.state = Some(self.semaphore.acquire_or_enqueue(self.weight, waiter));
    }
}

impl<S: Semaphore + Sync> Awaited for BlockingAcquire<'_, S> {
    fn is_done(&self) -> bool {
        match &self.state {
            Some(Acquired::Queued(node)) => node.state() != WaitState::Waiting,
            Some(Acquired::Ready | Acquired::Closed) | None => true,
        }
    }

    fn target(&self) -> Target {
        self.target
    }

    fn unpark_me(&mut self) {
        let is_waiting = match &self.state {
            Some(Acquired::Queued(node)) => self.semaphore.set_waker(node, Waiter::Thread(thread::current())),
            Some(Acquired::Ready | Acquired::Closed) | None => false,
        };
        if !is_waiting {
            thread::current().unpark(); // the acquire is decided: the park that follows returns at once
        }
    }

    fn reserves(&self) -> bool {
        true
    }

    /// What runs on top of this wait may need the same permit, and a permit reserved for the wait would then
    /// never be used. So the wait leaves the queue, and enters it anew when it can go on.
    fn release_claim(&mut self) {
        if let Some(Acquired::Queued(node)) = self.state.take_if(|state| matches!(state, Acquired::Queued(_)))
        {
            self.semaphore.cancel(node); // passes on what may have been granted meanwhile
        }
    }

    fn claim_again(&mut self) {
        if self.state.is_none() {
            self.enqueue();
        }
    }
}
