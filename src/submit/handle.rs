//! [`JoinHandle`]: the result of one task, to wait for in whichever way suits the caller.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use crate::base::error::{JoinError, PanicPayload};
use crate::runtime::current;
use crate::runtime::wait::{Awaited, Waited};
use crate::sync::waiter::Waiter;
use crate::sys::fork;
use crate::task::cancel::{CancelCallback, CancelRegistration};
use crate::task::conditions::Conditions;
use crate::task::counts::TaskCounts;
use crate::task::result_slot::{Outcome, SlotHandle};
use crate::task::work::Unstarted;

/// Waits for the result of one task, or cancels it. Made by [`Pool::submit`](crate::Pool::submit).
///
/// Dropping the handle detaches the task: it runs all the same, and its result is dropped on the worker (or here, if
/// it is there already). If a detached task panics, the pool's panic handler gets the payload.
///
/// # Waiting inside a task
/// A wait on a worker does what the wait needs: it runs the awaited task itself if nobody has begun it, and otherwise the
/// tasks that the waiting task has submitted. It runs no unrelated tasks of its pool, which could never finish if they in
/// turn waited for the one below them on the stack, or wanted a lock that it holds. So tasks may wait for each other in any
/// way that is not a circle, on a pool of any size, where two things count as waiting as well:
/// - while a task waits, its own children may run on top of it; so a child must not wait for its parent (in a
///   [`PullPool`](crate::PullPool) nothing but the awaited task does, and it may);
/// - a worker that waits for a task of *another* pool goes on serving its own (which the other may be waiting for), with
///   whatever there is; so tasks that wait for another pool should not be waited for within their own.
///
/// Waits may nest to any depth: when tasks within tasks have used half of the worker's stack, the wait goes on on another
/// thread with a fresh one, which ends with it.
///
/// A handle is also a [`Future`] for any executor; the library needs none.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let answer = pool.submit(|| 6 * 7)?;
/// assert_eq!(answer.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle detaches the task; `execute` does that at a lower price"]
pub struct JoinHandle<T> {
    slot: SlotHandle<T>,
    /// [`fork::generation`] at submission.
    fork_generation: u32,
    /// What the task must meet to begin, if there is anything.
    conditions: Option<Box<Watched>>,
}

/// Conditions, looked at from the side of the handle: a task that must not begin any more need not be waited for.
struct Watched {
    conditions: Arc<Conditions>,
    /// Has whoever waits for the handle woken when the token is cancelled.
    watch: Option<CancelRegistration>,
}

impl Watched {
    /// Cancels the task if it must not begin any more and has not begun.
    fn apply_to<T>(&self, slot: &SlotHandle<T>) {
        if !slot.is_complete()
            && let Some(why) = self.conditions.refusal()
        {
            slot.cancel(why);
        }
    }

    /// Has `waiter` woken when the token is cancelled, which may have happened: then nobody is woken, and it says `false`.
    fn wake(&mut self, waiter: Waiter) -> bool {
        let Some(token) = &self.conditions.token else { return true };
        self.watch = None; // two at a time would be one too many to wake
        self.watch = token.on_cancel(CancelCallback::Wake(waiter));
        self.watch.is_some()
    }
}

impl<T> JoinHandle<T> {
    #[inline]
    pub(crate) fn new(slot: SlotHandle<T>) -> Self {
        JoinHandle { slot, fork_generation: fork::generation(), conditions: None }
    }

    /// As `new`, of a task with conditions.
    pub(crate) fn with_conditions(self, conditions: Arc<Conditions>) -> Self {
        JoinHandle { conditions: Some(Box::new(Watched { conditions, watch: None })), ..self }
    }

    /// Whether the task has ended: returned, panicked, or never begins any more. The result is then there at once.
    pub fn is_finished(&self) -> bool {
        self.apply_conditions();
        self.slot.is_complete()
    }

    #[inline]
    fn apply_conditions(&self) {
        if let Some(watched) = &self.conditions {
            watched.apply_to(&self.slot);
        }
    }

    /// Cancels the task if it has not started: it never will, and its closure is dropped here and now.
    ///
    /// Returns whether the task will never run. `false` means that it runs or has run. Calling it again, or late, is
    /// harmless.
    pub fn cancel(&self) -> bool {
        self.slot.cancel(Unstarted::Cancelled)
    }

    /// Takes the result if it is there. `None` means "not yet".
    ///
    /// # Errors
    /// As [`JoinHandle::join`]; [`JoinError::Taken`] if the result was taken before.
    #[inline]
    pub fn try_join(&mut self) -> Option<Result<T, JoinError>> {
        if self.slot.is_taken() {
            return Some(Err(JoinError::Taken));
        }
        self.apply_conditions();
        self.slot.take().map(into_result)
    }

    fn is_forked(&self) -> bool {
        self.fork_generation != fork::generation()
    }
}

impl<T: Send> JoinHandle<T> {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`JoinError::Panicked`] with the payload if the task panicked; [`JoinError::Cancelled`], [`JoinError::Expired`] or
    /// [`JoinError::Dropped`] if it never ran. [`JoinError::Taken`] if the result was taken before by another call. [`JoinError::Forked`] in a forked child
    /// for a task of the parent. [`JoinError::NoStack`], see there.
    #[inline]
    pub fn join(mut self) -> Result<T, JoinError> {
        let result = match self.try_join() {
            Some(result) => result,
            None => self.wait(None).expect("without a deadline it waits to the end"),
        };
        // Taken out where there is nothing to drop: the call that drops it is not inlined.
        if let Some(watched) = self.conditions {
            drop(watched);
        }
        result
    }

    /// Waits for the result for at most `timeout`. `None` means "not yet"; the handle can be used again.
    ///
    /// A timeout of zero only looks; one that reaches beyond the range of the clock waits for ever. On a worker the
    /// wait may take longer than asked for, because a task that it has begun to run meanwhile is not interrupted.
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<T, JoinError>> {
        self.try_join().or_else(|| self.wait(Instant::now().checked_add(timeout)))
    }

    #[cold]
    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<T, JoinError>> {
        if self.is_forked() {
            return Some(Err(JoinError::Forked));
        }
        let waited = match &mut self.conditions {
            None => current::wait_until(&mut self.slot, deadline),
            Some(watched) => wait_under_conditions(&mut self.slot, watched, deadline),
        };
        self.slot.stop_waiting();
        match waited {
            Waited::Done => self.try_join(),
            Waited::TimedOut => None,
            Waited::NoStack(error) => Some(Err(JoinError::NoStack(error))),
        }
    }
}

/// As any wait, but that it ends with the chance of the task to begin.
fn wait_under_conditions<T: Send>(
    slot: &mut SlotHandle<T>,
    watched: &mut Watched,
    deadline: Option<Instant>,
) -> Waited {
    let latest_start = watched.conditions.deadline.filter(|&latest| deadline.is_none_or(|end| latest < end));
    let mut pending = Pending { slot, watched };
    let waited = current::wait_until(&mut pending, latest_start.or(deadline));
    let waited = match waited {
        // It has begun in time, or would be done now.
        Waited::TimedOut if latest_start.is_some() && !pending.is_done() => {
            current::wait_until(&mut pending, deadline)
        }
        Waited::TimedOut if pending.is_done() => Waited::Done,
        other => other,
    };
    pending.watched.watch = None;
    waited
}

/// A task with conditions that is waited for.
struct Pending<'a, T> {
    slot: &'a mut SlotHandle<T>,
    watched: &'a mut Watched,
}

impl<T: Send> Awaited for Pending<'_, T> {
    fn is_done(&self) -> bool {
        self.watched.apply_to(self.slot);
        self.slot.is_complete()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.slot.is_of(pool)
    }

    fn run_here(&mut self, counts: &TaskCounts) -> bool {
        Awaited::run_here(self.slot, counts)
    }

    fn unpark_me(&mut self) {
        self.slot.unpark_me();
        if !self.watched.wake(Waiter::Thread(thread::current())) {
            thread::current().unpark(); // it is cancelled; the look that follows sees it
        }
    }
}

impl<T: Send> Awaited for SlotHandle<T> {
    fn is_done(&self) -> bool {
        self.is_complete()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.pool() == pool
    }

    fn run_here(&mut self, counts: &TaskCounts) -> bool {
        SlotHandle::run_here(self, counts)
    }

    fn unpark_me(&mut self) {
        if !self.wait_with(Waiter::Thread(thread::current())) {
            thread::current().unpark(); // it has come; the park that follows returns at once
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    /// Never; polled again after it was ready, it yields [`JoinError::Taken`].
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(result) = this.try_join() {
            return Poll::Ready(result);
        }
        if this.is_forked() {
            return Poll::Ready(Err(JoinError::Forked));
        }
        let is_watched = match &mut this.conditions {
            Some(watched) => watched.wake(Waiter::Waker(cx.waker().clone())),
            None => true,
        };
        if !is_watched {
            // Cancelled in between. If it has begun all the same, its end is waited for.
            this.apply_conditions();
        }
        if this.slot.wait_with(Waiter::Waker(cx.waker().clone())) {
            return Poll::Pending;
        }
        // The task ended in between, so the result is there.
        this.try_join().map_or(Poll::Pending, Poll::Ready)
    }
}

fn into_result<T>(outcome: Outcome<T>) -> Result<T, JoinError> {
    match outcome {
        Outcome::Returned(value) => Ok(value),
        Outcome::Panicked(payload) => Err(JoinError::Panicked(PanicPayload::new(payload))),
        Outcome::Unstarted(Unstarted::Cancelled) => Err(JoinError::Cancelled),
        Outcome::Unstarted(Unstarted::Expired) => Err(JoinError::Expired),
        Outcome::Unstarted(Unstarted::Dropped) => Err(JoinError::Dropped),
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
