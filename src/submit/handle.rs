//! [`JoinHandle`]: waits for the result of one task, blocking, with a timeout, by polling, or as a future.
//!
//! The handle is the waiting side of a result slot (`task/result_slot.rs`), which it shares with the queued
//! task. One thread owns the handle. A worker that joins runs the task itself if it has not started; any
//! other thread blocks (`runtime/wait.rs`). Guarded by `tests/it/behaviour/handles.rs`, `conditions.rs`,
//! `nesting.rs` and the model `result_slot`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use crate::base::error::{JoinError, PanicPayload};
use crate::runtime::current::{self, PollState};
use crate::runtime::stall::Target;
use crate::runtime::wait::{Awaited, Waited};
use crate::sync::waiter::Waiter;
use crate::sys::fork;
use crate::task::conditions::{self, Pending};
use crate::task::counts::TaskCounts;
use crate::task::owners;
use crate::task::result_slot::{CancelCount, Outcome, SlotHandle};
use crate::task::work::Unstarted;

/// Waits for the result of one task, or cancels the task. Made by [`Pool::submit`](crate::Pool::submit).
///
/// Dropping the handle detaches the task: the task still runs, and its result is dropped on the worker, or
/// here if the result has already arrived. If a detached task panics, the pool's
/// [panic handler](crate::PoolBuilder::panic_handler) receives the payload.
///
/// A handle is also a [`Future`] for any executor; the library needs none.
///
/// # Waiting inside a task
/// A worker that waits in [`JoinHandle::join`] or [`JoinHandle::join_timeout`] runs the awaited task itself,
/// if that has not started. Otherwise it runs the tasks that the waiting task has submitted, or sleeps. It
/// runs no unrelated task of its pool (except for [broadcast](crate::Pool::broadcast) tasks when the wait
/// lasts). Such a task might wait for a task below it on the stack, or for a lock which that task holds, and
/// would never end. While it sleeps for long and a task is queued, a stand-in works for it.
///
/// So tasks may wait for each other in any pattern without a cycle, on a pool of any size. One more thing
/// counts as waiting: while a task waits, its children may run on top of it. So a child must not wait for its
/// parent. (In a [`PullPool`](crate::PullPool) only the awaited task runs on top, and a child may wait for
/// its parent.) [What may run](crate#what-may-run-while-a-task-waits) has the whole promise.
///
/// A poll of the handle inside a task also runs the awaited task, if that has not started and the task is of
/// the same pool. If the poll is pending, a stand-in works until a later poll is ready or the task has ended,
/// because the executor may block the thread.
///
/// Waits may nest to any depth. When nested tasks have used half of the worker's stack, the next wait
/// continues on a new thread with a stack of its own, which ends with that wait.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let answer = pool.submit(|| 6 * 7)?;
/// assert_eq!(answer.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the handle detaches the task; `execute` costs less for a task without a handle"]
pub struct JoinHandle<T> {
    slot: SlotHandle<T>,
    /// [`fork::generation`] at submission.
    fork_generation: u32,
    /// What must hold for the task to start, if it has conditions.
    conditions: Option<Box<Watched>>,
}

/// The conditions of a task as its handle sees them. The handle does not wait for a task that can no longer
/// start.
struct Watched {
    pending: Arc<dyn Pending>,
}

impl Watched {
    /// Ends the slot if the task has not started and can no longer start. User code in the drop of the
    /// closure runs on a helper thread of the pool: a call that never waits, or that waits for a limited
    /// time, must not take as long as that. Neither does a call without a limit, because the result is known.
    fn apply_to<T>(&self, slot: &SlotHandle<T>) {
        if slot.is_complete() {
            return;
        }
        if let Some(refusal) = conditions::refusal_asked(&self.pending) {
            let count = if refusal.is_counted { CancelCount::Done } else { CancelCount::ByTask };
            slot.cancel(refusal.why, count);
        }
    }

    /// Has `waiter` woken when the task ends before it starts. Returns `false`, and drops the waiter, if that
    /// has happened already.
    fn wake(&self, waiter: Waiter) -> bool {
        self.pending.state().set_waiter(waiter)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.pending.state().clear_waiter();
    }
}

impl<T> JoinHandle<T> {
    #[inline]
    pub(crate) fn new(slot: SlotHandle<T>) -> Self {
        JoinHandle { slot, fork_generation: fork::generation(), conditions: None }
    }

    /// The same handle, for a task with conditions.
    pub(crate) fn with_conditions(self, pending: Arc<dyn Pending>) -> Self {
        JoinHandle { conditions: Some(Box::new(Watched { pending })), ..self }
    }

    /// Returns whether the task has returned or panicked, or can no longer start. [`JoinHandle::join`] then
    /// returns at once.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let answer = pool.submit(|| 6 * 7)?;
    /// while !answer.is_finished() {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Cancels the task if it has not started. Before this returns, the closure is dropped, the task is
    /// counted as cancelled, and its place in a bounded queue and its weight are free. (If another thread has
    /// found that the task is over, by its token or deadline, that thread or a helper drops the closure.)
    ///
    /// Returns whether the task will never run. `false` means that it is running or has ended. Repeated and
    /// late calls have no effect.
    ///
    /// ```
    /// use longshore::{JoinError, Pool};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// # let (_open, gate) = std::sync::mpsc::channel::<()>();
    /// # pool.execute(move || _ = gate.recv())?;
    /// # while pool.stats().running == 0 {
    /// #     std::thread::yield_now();
    /// # }
    /// // The only worker is busy with another task.
    /// let answer = pool.submit(|| 6 * 7)?;
    /// assert!(answer.cancel());
    /// assert!(matches!(answer.join(), Err(JoinError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        if let Some(watched) = &self.conditions {
            if watched.pending.revoke(Unstarted::Cancelled) {
                watched.apply_to(&self.slot);
                return true;
            }
        }
        // In a forked child the pool of the parent counts nothing, and its locks must not be touched.
        let owner = if self.is_forked() { None } else { owners::owner_of(self.slot.pool()) };
        let count = owner.as_deref().map_or(CancelCount::ByTask, CancelCount::By);
        self.slot.cancel(Unstarted::Cancelled, count)
    }

    /// Takes the result if it has arrived. `None` means "not yet". Never waits.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut answer = pool.submit(|| 6 * 7)?;
    /// let result = loop {
    ///     match answer.try_join() {
    ///         Some(result) => break result,
    ///         None => std::thread::yield_now(),
    ///     }
    /// };
    /// assert_eq!(result?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`JoinError::Panicked`] with the payload if the task panicked. [`JoinError::Cancelled`],
    /// [`JoinError::Expired`] or [`JoinError::Dropped`] if it never ran. [`JoinError::Taken`] if an earlier
    /// call has taken the result.
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
    /// An external thread spins for at most 10 µs and then sleeps. [Inside a task](#waiting-inside-a-task)
    /// the worker runs the awaited task or related tasks meanwhile.
    ///
    /// ```
    /// use longshore::{JoinError, Pool};
    ///
    /// let pool = Pool::new()?;
    /// assert_eq!(pool.submit(|| 6 * 7)?.join()?, 42);
    ///
    /// let failed = pool.submit(|| -> u32 { panic!("no answer") })?;
    /// match failed.join() {
    ///     Err(JoinError::Panicked(payload)) => assert_eq!(payload.message(), Some("no answer")),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`JoinError::Panicked`] with the payload if the task panicked.
    /// - [`JoinError::Cancelled`], [`JoinError::Expired`] or [`JoinError::Dropped`] if the task never ran.
    /// - [`JoinError::Taken`] if [`JoinHandle::try_join`], [`JoinHandle::join_timeout`] or a poll has taken
    ///   the result.
    /// - [`JoinError::Forked`] if this process is a forked child, and the task belongs to its parent.
    /// - [`JoinError::NoStack`] if nested waits have used up the worker's stack, and the operating system
    ///   starts no thread on which to continue. The task still runs.
    #[inline]
    pub fn join(mut self) -> Result<T, JoinError> {
        let result = match self.try_join() {
            Some(result) => result,
            None => self.wait(None).expect("without a deadline it waits to the end"),
        };
        // Matched here, because the drop of the box is a call that is not inlined, and most handles have no
        // conditions.
        if let Some(watched) = self.conditions {
            drop(watched);
        }
        result
    }

    /// Waits for the result for at most `timeout`. `None` means "not yet"; the handle can be used again.
    ///
    /// With a timeout of zero an external thread only looks. A timeout beyond the range of the clock never
    /// ends. On a worker the call may take longer than `timeout`, because a task that the worker has started
    /// meanwhile is not interrupted.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let mut answer = pool.submit(|| 6 * 7)?;
    /// match answer.join_timeout(Duration::from_secs(60)) {
    ///     Some(result) => assert_eq!(result?, 42),
    ///     None => println!("still running"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The same as [`JoinHandle::join`]: the task panicked, never ran, or belongs to the parent of a forked
    /// child; the result was taken; or there is no stack to wait on.
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

/// Waits for a task with conditions: until the task has ended, can no longer start, or `deadline` has passed.
fn wait_under_conditions<T: Send>(
    slot: &mut SlotHandle<T>,
    watched: &mut Watched,
    deadline: Option<Instant>,
) -> Waited {
    let latest_start = watched.pending.state().conditions.deadline;
    let first_end = latest_start.into_iter().chain(deadline).min();
    let mut pending = AwaitedTask { slot, watched };
    let waited = current::wait_until(&mut pending, first_end);
    let waited = match waited {
        // The task has started in time: otherwise `is_done` would have cancelled it.
        Waited::TimedOut if first_end != deadline && !pending.is_done() => {
            current::wait_until(&mut pending, deadline)
        }
        Waited::TimedOut if pending.is_done() => Waited::Done,
        other => other,
    };
    pending.watched.pending.state().clear_waiter();
    waited
}

/// An awaited task with conditions.
struct AwaitedTask<'a, T> {
    slot: &'a mut SlotHandle<T>,
    watched: &'a mut Watched,
}

impl<T: Send> Awaited for AwaitedTask<'_, T> {
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

    fn target(&self) -> Target {
        Target::Task(self.slot.pool())
    }

    fn unpark_me(&mut self) {
        self.slot.unpark_me();
        if !self.watched.wake(Waiter::Thread(thread::current())) {
            // The task never starts. If this cannot end its slot, the worker that refuses it will.
            if self.is_done() {
                thread::current().unpark(); // the park that follows returns at once
            }
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

    fn target(&self) -> Target {
        Target::Task(self.pool())
    }

    fn unpark_me(&mut self) {
        if !self.wait_with(Waiter::Thread(thread::current())) {
            thread::current().unpark(); // the result has arrived: the park that follows returns at once
        }
    }
}

/// An awaited task that is polled.
struct Polled<'a, T>(&'a mut SlotHandle<T>);

// SAFETY: a `SlotHandle<T>` is `Send` if `T` is, and a slot is made for a `T` that is `Send` only
// (`result_slot::new_in`).
unsafe impl<T> Send for Polled<'_, T> {}

impl<T> Awaited for Polled<'_, T> {
    fn is_done(&self) -> bool {
        self.0.is_complete()
    }

    fn is_of(&self, pool: u32) -> bool {
        self.0.pool() == pool
    }

    fn run_here(&mut self, counts: &TaskCounts) -> bool {
        SlotHandle::run_here(self.0, counts)
    }

    fn target(&self) -> Target {
        Target::Task(self.0.pool())
    }

    fn unpark_me(&mut self) {} // a poll does not sleep
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// A handle that is polled again after it was ready yields [`JoinError::Taken`].
    ///
    /// [Inside a task](JoinHandle#waiting-inside-a-task) a poll runs the awaited task if it has not started.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (target, polled) = (Target::Task(this.slot.pool()), this.poll_result(cx));
        current::note_poll(match polled {
            Poll::Ready(_) => PollState::Ready,
            Poll::Pending => PollState::Pending(cx.waker(), target),
        });
        polled
    }
}

impl<T> JoinHandle<T> {
    fn poll_result(&mut self, cx: &Context<'_>) -> Poll<Result<T, JoinError>> {
        if let Some(result) = self.try_join() {
            return Poll::Ready(result);
        }
        if self.is_forked() {
            return Poll::Ready(Err(JoinError::Forked));
        }
        if current::is_worker() {
            current::help_poll(&mut Polled(&mut self.slot));
            if let Some(result) = self.try_join() {
                return Poll::Ready(result);
            }
        }
        let is_watched = match &mut self.conditions {
            Some(watched) => watched.wake(Waiter::Waker(cx.waker().clone())),
            None => true,
        };
        if !is_watched {
            // The task has ended after `try_join`.
            self.apply_conditions();
        }
        if self.slot.wait_with(Waiter::Waker(cx.waker().clone())) {
            return Poll::Pending;
        }
        // The task ended in between, so the result is there.
        self.try_join().map_or(Poll::Pending, Poll::Ready)
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
