//! [`JoinHandle`]: the result of one task, to wait for in whichever way suits the caller.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::error::{JoinError, PanicPayload};
use crate::primitives::slot::{Outcome, SlotHandle, Waiter};
use crate::runtime::worker::{Awaited, Waited, Worker};
use crate::sys::{affinity, fork};

/// How long a thread outside of every pool spins for a result before it parks: about what it takes to put it to sleep
/// and wake it up. The next result of a program that submits and joins in turn usually comes sooner.
const JOIN_SPIN: Duration = Duration::from_micros(10);

/// Waits for the result of one task, or cancels it. Made by [`Pool::submit`](crate::Pool::submit).
///
/// Dropping the handle detaches the task: it runs all the same, and its result is dropped on the worker (or here, if
/// it is there already). If a detached task panics, the pool's panic handler gets the payload.
///
/// A wait inside a task (on a worker of any pool) runs other tasks of that worker's pool meanwhile instead of
/// blocking the worker. Waits may nest to any depth: when tasks within tasks have used half of the worker's stack,
/// the wait goes on on another thread with a fresh one, which ends with it.
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
}

impl<T> JoinHandle<T> {
    #[inline]
    pub(crate) fn new(slot: SlotHandle<T>) -> Self {
        JoinHandle { slot, fork_generation: fork::generation() }
    }

    /// Whether the task has ended: returned, panicked or been cancelled. The result is then there at once.
    pub fn is_finished(&self) -> bool {
        self.slot.is_complete()
    }

    /// Cancels the task if it has not started: it never will, and its closure is dropped here and now.
    ///
    /// Returns whether the task will never run. `false` means that it runs or has run. Calling it again, or late, is
    /// harmless.
    pub fn cancel(&self) -> bool {
        self.slot.cancel()
    }

    /// Takes the result if it is there. `None` means "not yet".
    ///
    /// # Errors
    /// As [`JoinHandle::join`]; [`JoinError::Taken`] if the result was taken before.
    pub fn try_join(&mut self) -> Option<Result<T, JoinError>> {
        if self.slot.is_taken() {
            return Some(Err(JoinError::Taken));
        }
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
    /// [`JoinError::Panicked`] with the payload if the task panicked, [`JoinError::Cancelled`] if it never ran,
    /// [`JoinError::Taken`] if the result was taken before by another call. [`JoinError::Forked`] in a forked child
    /// for a task of the parent. [`JoinError::NoStack`], see there.
    #[inline]
    pub fn join(mut self) -> Result<T, JoinError> {
        match self.try_join() {
            Some(result) => result,
            None => self.wait(None).expect("without a deadline it waits to the end"),
        }
    }

    /// Waits for the result for at most `timeout`. `None` means "not yet"; the handle can be used again.
    ///
    /// A timeout of zero only looks; one that reaches beyond the range of the clock waits for ever. On a worker the
    /// wait may take longer than asked for, because a task that it has begun to help with is not interrupted.
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
        let waited = Worker::with_current(|worker| match worker {
            Some(worker) => worker.wait_until(&mut self.slot, deadline),
            None => wait_outside(&mut self.slot, deadline),
        });
        self.slot.stop_waiting();
        match waited {
            Waited::Done => self.try_join(),
            Waited::TimedOut => None,
            Waited::NoStack(error) => Some(Err(JoinError::NoStack(error))),
        }
    }
}

/// Spins for a moment, then parks.
fn wait_outside<T>(slot: &mut SlotHandle<T>, deadline: Option<Instant>) -> Waited {
    let now = Instant::now();
    let spin = if affinity::is_single_core() { Duration::ZERO } else { JOIN_SPIN };
    let spin_until = deadline.map_or(now + spin, |deadline| deadline.min(now + spin));
    while Instant::now() < spin_until {
        for _ in 0..32 {
            if slot.is_complete() {
                return Waited::Done;
            }
            std::hint::spin_loop();
        }
    }
    if !slot.wait_with(Waiter::Thread(thread::current())) {
        return Waited::Done;
    }
    while !slot.is_complete() {
        match deadline {
            None => thread::park(),
            Some(deadline) => match deadline.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Waited::TimedOut,
                left => thread::park_timeout(left),
            },
        }
    }
    Waited::Done
}

impl<T: Send> Awaited for SlotHandle<T> {
    fn is_done(&self) -> bool {
        self.is_complete()
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
        Outcome::Cancelled => Err(JoinError::Cancelled),
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
