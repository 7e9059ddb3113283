//! [`SubmitFuture`]: submits a task to a pool that may be full, without blocking a thread.
//!
//! The future behind [`Pool::submit_async`](crate::Pool::submit_async). It acquires the same permits as
//! `admission::admit_with`, budget first, and is pending where a thread would block. The executor's task owns
//! it and is the only one that polls it. Releasing threads reach it through the waker in a wait queue.
//! Guarded by `tests/it/behaviour/futures.rs` and `waiting_for_permits.rs`.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::limits::budget::{Budget, BudgetPermit};
use crate::limits::permits::Permits;
use crate::limits::wait_queue::{Acquired, Semaphore, WaitNode, WaitState};
use crate::policy::overflow::OnFull;
use crate::runtime::current::{self, PollState};
use crate::runtime::intake::Intake;
use crate::runtime::stall::Target;
use crate::runtime::wait::Awaited;
use crate::submit::admission::{self, Admitted};
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::single;
use crate::sync::waiter::Waiter;

/// A submission that proceeds when it is polled; made by
/// [`AnyPool::submit_async`](crate::AnyPool::submit_async). It borrows nothing of the pool.
pub struct SubmitFuture<I, F, T> {
    intake: Arc<I>,
    options: TaskOptions,
    /// The closure; `None` once the future is ready.
    task: Option<F>,
    stage: Stage,
    /// The part of the budget that the task holds.
    budget_permit: Option<BudgetPermit>,
    result: PhantomData<fn() -> T>,
}

/// How far the submission has come.
enum Stage {
    /// Not polled yet.
    New,
    /// In the wait queue of the budget, for this weight.
    WaitsForBudget(PendingAcquire<Budget>, u64),
    /// The task holds what it needs of the budget. A permit of the capacity is missing.
    NeedsPermit,
    /// In the wait queue of the capacity.
    WaitsForPermit(PendingAcquire<Permits>),
}

impl<I, F, T> fmt::Debug for SubmitFuture<I, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitFuture").field("is_ready", &self.task.is_none()).finish_non_exhaustive()
    }
}

// No field is pinned: the closure is moved out before it is called.
impl<I, F, T> Unpin for SubmitFuture<I, F, T> {}

impl<I: Intake, F, T> SubmitFuture<I, F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// A future that submits `task` when it is polled.
    pub fn new(intake: Arc<I>, options: TaskOptions, task: F) -> Self {
        let (stage, budget_permit) = (Stage::New, None);
        SubmitFuture { intake, options, task: Some(task), stage, budget_permit, result: PhantomData }
    }

    /// Proceeds until the task is admitted or must wait for a permit.
    fn poll_admission(
        &mut self,
        cx: &Context<'_>,
    ) -> Poll<Result<(Admitted, Option<BudgetPermit>), SubmitErrorKind>> {
        if self.intake.is_forked() {
            return Poll::Ready(Err(SubmitErrorKind::Forked));
        }
        self.intake.check(self.options.route)?;
        if self.intake.is_inside() {
            // A task of the pool may block its worker on this future, so the future must not wait for that
            // pool.
            (self.stage, self.budget_permit) = (Stage::New, None);
            self.options.on_full = Some(OnFull::Block);
            return Poll::Ready(admission::admit_with(&*self.intake, &self.options));
        }
        loop {
            self.stage = match &mut self.stage {
                Stage::New => self.acquire_budget(cx)?,
                Stage::WaitsForBudget(pending, weight) => {
                    self.budget_permit = Some(BudgetPermit::new(ready!(pending.poll(cx))?, *weight));
                    Stage::NeedsPermit
                }
                Stage::NeedsPermit => match self.acquire_permit(cx)? {
                    Some(pending) => Stage::WaitsForPermit(pending),
                    None => return Poll::Ready(self.with_permits()),
                },
                Stage::WaitsForPermit(pending) => {
                    ready!(pending.poll(cx))?;
                    return Poll::Ready(self.with_permits());
                }
            };
        }
    }

    /// Admits the task, which has its permits.
    fn with_permits(&mut self) -> Result<(Admitted, Option<BudgetPermit>), SubmitErrorKind> {
        let admitted = match &self.intake.capacity {
            Some(capacity) => admission::with_permit(&*self.intake, capacity)?,
            None => Admitted::Enqueue,
        };
        Ok((admitted, self.budget_permit.take()))
    }

    /// Acquires the task's part of the budget, or enqueues for it.
    fn acquire_budget(&mut self, cx: &Context<'_>) -> Result<Stage, SubmitErrorKind> {
        let Some(budget) = self.intake.budget.as_ref().filter(|_| self.options.weight > 0) else {
            return Ok(Stage::NeedsPermit);
        };
        let weight = admission::weight_in(&self.intake.config, budget, self.options.weight)?;
        if let Some(pending) = PendingAcquire::start(budget, weight, cx)? {
            return Ok(Stage::WaitsForBudget(pending, weight));
        }
        self.budget_permit = Some(BudgetPermit::new(budget.clone(), weight));
        Ok(Stage::NeedsPermit)
    }

    /// Acquires a permit of the capacity (`None`), or enqueues for it.
    fn acquire_permit(&self, cx: &Context<'_>) -> Result<Option<PendingAcquire<Permits>>, SubmitErrorKind> {
        match &self.intake.capacity {
            Some(capacity) if admission::admit_some(&*self.intake, 1) == 0 => {
                PendingAcquire::start(&capacity.permits, 1, cx)
            }
            _ => Ok(None),
        }
    }
}

/// A place in the wait queue of a semaphore, with a waker. Dropping it leaves the queue and passes what was
/// granted to the next waiter.
#[derive(Debug)]
struct PendingAcquire<S: Semaphore> {
    semaphore: Arc<S>,
    /// `None` once the grant is used.
    node: Option<WaitNode>,
}

impl<S: Semaphore> PendingAcquire<S> {
    /// Acquires `weight` at once (`None`), or enqueues for it.
    fn start(semaphore: &Arc<S>, weight: u64, cx: &Context<'_>) -> Result<Option<Self>, SubmitErrorKind> {
        match semaphore.acquire_or_enqueue(weight, waiter(cx)) {
            Acquired::Ready => Ok(None),
            Acquired::Closed => Err(SubmitErrorKind::Closed),
            Acquired::Queued(node) => {
                Ok(Some(PendingAcquire { semaphore: semaphore.clone(), node: Some(node) }))
            }
        }
    }

    /// Stores the current waker. When the permit is granted, keeps it and returns the semaphore.
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Arc<S>, SubmitErrorKind>> {
        let node = self.node.as_ref().expect("the grant is not used");
        self.semaphore.set_waker(node, waiter(cx));
        match node.state() {
            WaitState::Waiting => Poll::Pending,
            WaitState::Closed => Poll::Ready(Err(SubmitErrorKind::Closed)),
            WaitState::Granted => {
                self.node = None;
                Poll::Ready(Ok(self.semaphore.clone()))
            }
        }
    }
}

impl<S: Semaphore> Drop for PendingAcquire<S> {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            self.semaphore.cancel(node);
        }
    }
}

fn waiter(cx: &Context<'_>) -> Waiter {
    Waiter::Waker(cx.waker().clone())
}

impl<I: Intake, F, T> Future for SubmitFuture<I, F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<JoinHandle<T>, SubmitError<F>>;

    /// # Panics
    /// If the future is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(this.task.is_some(), "polled after it was ready");
        if current::has_broadcast() {
            // Such a task may need the permit that is reserved for this future.
            (this.stage, this.budget_permit) = (Stage::New, None);
            current::help_poll(&mut NoTask);
        }
        let Poll::Ready(admitted) = this.poll_admission(cx) else {
            current::note_poll(PollState::Pending(cx.waker(), Target::Permit(this.intake.id)));
            return Poll::Pending;
        };
        // Ready with or without success: the future holds no permit any more.
        (this.stage, this.budget_permit) = (Stage::New, None);
        let task = this.task.take().expect("asserted above");
        let result = match admitted {
            Ok((admitted, permit)) => {
                single::finish_submit(&*this.intake, admitted, permit, mem::take(&mut this.options), task)
            }
            Err(kind) => Err(admission::refuse(&this.intake, task, kind)),
        };
        // After the permit is with the queued task: the running task may wait for its pass of a lane now.
        current::note_poll(PollState::Ready);
        Poll::Ready(result)
    }
}

/// What a submission waits for: no task, so a worker only runs its broadcast tasks.
struct NoTask;

impl Awaited for NoTask {
    fn is_done(&self) -> bool {
        false
    }

    fn target(&self) -> Target {
        Target::Task(0)
    }

    fn unpark_me(&mut self) {}
}
