//! [`Scope`]: spawns tasks that borrow from the caller; its end waits for all of them.
//!
//! A thin layer over `push/scope.rs` that adds the lifetimes. A scope is owned by the frame of the thread
//! that opened it; all workers may touch it. Guarded by `tests/it/scopes.rs` and `tests/stress/joins.rs`.

use std::fmt;
use std::marker::PhantomData;

use crate::api::join::Context;
use crate::api::pool::Pool;
use crate::base::error::JoinError;
use crate::push::scope::{self, ScopeClosure};
use crate::push::scope_state::ScopeState;
use crate::push::worker::PushWorker;
use crate::submit::handle::JoinHandle;
use crate::submit::pack;
use crate::task::recycle;

/// Spawns tasks that may borrow anything that outlives the call that opened the scope. Made by
/// [`Pool::scope`], [`Pool::in_place_scope`], [`Context::scope`] and [`scope()`].
///
/// `'scope` is the lifetime of the scope: a task may borrow the scope and spawn more tasks in it. `'env` is
/// the lifetime of the borrowed data around it.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let words = ["push", "and", "steal"];
/// let letters: usize = pool.scope(|scope| {
///     let handles = words.map(|word| scope.submit(move || word.len()));
///     handles.into_iter().map(|handle| handle.join().expect("no panic")).sum()
/// });
/// assert_eq!(letters, 12);
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[repr(transparent)]
pub struct Scope<'scope, 'env: 'scope> {
    inner: ScopeState,
    /// Invariant in both lifetimes, as in the standard library: neither may be shortened or extended.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope, 'env> Scope<'scope, 'env> {
    fn of(inner: &ScopeState) -> &'scope Scope<'scope, 'env> {
        // SAFETY: `Scope` is a transparent wrapper of `ScopeState`, so the pointer is valid for it. The
        // returned lifetime may be longer than that of `inner`. All callers pass the reference to a `body`
        // that is generic over `'scope`, and which returns before `inner` is dropped, so the reference does
        // not outlive `inner`.
        unsafe { &*std::ptr::from_ref(inner).cast() }
    }

    pub(crate) fn state(&'scope self) -> &'scope ScopeState {
        &self.inner
    }

    /// Runs `task` on the pool before the scope ends, without a handle. Tasks of a scope run at the same
    /// time; a worker runs its newest task first.
    ///
    /// If the pool is shut down meanwhile, the caller runs the task inside this call.
    ///
    /// If the task panics, the call that opened the scope panics with the payload, after all tasks have
    /// ended. Of several panics the first is passed on, and the other payloads are dropped.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut numbers = [1, 2, 3];
    /// pool.scope(|scope| {
    ///     for number in &mut numbers {
    ///         scope.spawn(move || *number *= 10);
    ///     }
    /// });
    /// assert_eq!(numbers, [10, 20, 30]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[inline]
    pub fn spawn<F>(&'scope self, task: F)
    where
        F: FnOnce() + Send + 'scope,
    {
        if size_of::<F>() > recycle::LARGEST {
            // SAFETY: what the task borrows outlives `'scope`, and so it outlives the scope. A caller that
            // holds `&'scope Scope` is the frame of the scope, before its wait ends, or a task of the scope,
            // which has not ended.
            unsafe { self.inner.spawn(ScopeClosure(Box::new(task))) };
        } else {
            // SAFETY: what the task borrows outlives `'scope`, and so it outlives the scope. A caller that
            // holds `&'scope Scope` is the frame of the scope, before its wait ends, or a task of the scope,
            // which has not ended.
            unsafe { self.inner.spawn(ScopeClosure(task)) };
        }
    }

    /// Runs `task` on the pool before the scope ends, and returns a handle for its result, which can be
    /// joined inside the scope.
    ///
    /// A panic of the task is returned by the handle. If the handle has been dropped, the call that opened
    /// the scope panics.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let numbers = [1, 2, 3];
    /// let sum = pool.scope(|scope| {
    ///     let left = scope.submit(|| numbers[0] + numbers[1]);
    ///     numbers[2] + left.join().expect("no panic")
    /// });
    /// assert_eq!(sum, 6);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn submit<F, T>(&'scope self, task: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        // SAFETY: the task becomes a task of this scope, which ends before anything that closure and result
        // borrow.
        let (task, handle) = unsafe { pack::pack_borrowing(self.inner.shared().id, task, None) };
        // SAFETY: what the task borrows outlives `'scope`, and so it outlives the scope. Only the frame of
        // the scope or one of its tasks holds `&'scope Scope`, and neither has ended.
        unsafe { self.inner.spawn(task) };
        ScopedJoinHandle { handle: JoinHandle::new(handle), scope: PhantomData }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Waits for the result of a task of a scope, or cancels the task. Made by [`Scope::submit`]. Dropping it
/// detaches the task, which still runs before the scope ends.
#[must_use = "`spawn` costs less for a task without a handle"]
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T: Send> ScopedJoinHandle<'_, T> {
    /// Waits for the task and returns its result. The worker may run the task, or tasks that the waiting task
    /// has submitted, meanwhile ([`JoinHandle`] has the rules).
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let text = String::from("hello");
    /// let length = pool.scope(|scope| scope.submit(|| text.len()).join());
    /// assert_eq!(length?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`JoinError::Panicked`] with the payload if the task panicked, [`JoinError::Cancelled`] if it never
    /// ran, and the rarer reasons that [`JoinHandle::join`] lists.
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// Returns whether the task has ended, or can no longer start.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let text = String::from("hello");
    /// pool.in_place_scope(|scope| {
    ///     let length = scope.submit(|| text.len());
    ///     while !length.is_finished() {
    ///         std::thread::yield_now();
    ///     }
    ///     assert!(matches!(length.join(), Ok(5)));
    /// });
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Cancels the task if it has not started, and drops its closure. Returns whether the task will never
    /// run.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.scope(|scope| {
    ///     let task = scope.submit(|| 6 * 7);
    ///     if task.cancel() {
    ///         assert!(task.join().is_err());
    ///     }
    /// });
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.handle.cancel()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle").field(&self.handle).finish()
    }
}

/// Scopes.
impl Pool {
    /// Calls `body` with a [`Scope`], waits for all tasks of the scope, and returns the result of `body`.
    ///
    /// `body` runs as a worker of this pool, in the same way as the closure of [`Pool::enter`]: an external
    /// thread acts as a parked worker, if there is one. So `body` must be [`Send`]. While the worker waits at
    /// the end it runs tasks of this scope and of scopes inside of it, and nothing else.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = ["push", "and", "steal"];
    /// let mut lengths = [0; 3];
    /// pool.scope(|scope| {
    ///     for (word, length) in words.iter().zip(&mut lengths) {
    ///         scope.spawn(move || *length = word.len());
    ///     }
    /// });
    /// assert_eq!(lengths, [4, 3, 5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With the panic of `body`, or otherwise with the first panic of a task, after all tasks have ended.
    /// Also if [`Pool::shutdown_now`] has discarded tasks of the scope.
    pub fn scope<'env, F, R>(&self, body: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
        R: Send,
    {
        self.enter(|_| self.in_place_scope(body))
    }

    /// Calls `body` with a [`Scope`] on the calling thread, waits for all tasks of the scope, and returns the
    /// result of `body`.
    ///
    /// `body` need not be [`Send`]. At the end an external thread sleeps until the pool's workers have run
    /// the tasks.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = std::rc::Rc::new(["push", "and", "steal"]); // not `Send`
    /// let mut lengths = [0; 3];
    /// pool.in_place_scope(|scope| {
    ///     for (&word, length) in words.iter().zip(&mut lengths) {
    ///         scope.spawn(move || *length = word.len());
    ///     }
    /// });
    /// assert_eq!(lengths, [4, 3, 5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With the panic of `body`, or otherwise with the first panic of a task, after all tasks have ended.
    /// Also if [`Pool::shutdown_now`] has discarded tasks of the scope.
    pub fn in_place_scope<'env, F, R>(&self, body: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        scope::open(&self.shared, |inner| body(Scope::of(inner)))
    }
}

impl Context<'_> {
    /// Calls `body` with a [`Scope`] on this worker, waits for all tasks of the scope, and returns the result
    /// of `body`.
    ///
    /// A task of the scope may run on any worker. It cannot use this context, and gets its own by
    /// [`with_context`](crate::with_context).
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut numbers = [1, 2, 3];
    /// pool.enter(|cx| {
    ///     cx.scope(|scope| numbers.iter_mut().for_each(|number| scope.spawn(move || *number *= 10)));
    /// });
    /// assert_eq!(numbers, [10, 20, 30]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With the panic of `body`, or otherwise with the first panic of a task, after all tasks have ended.
    /// Also if [`Pool::shutdown_now`] has discarded tasks of the scope.
    pub fn scope<'env, F, R>(self, body: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        scope::open(self.worker.shared(), |inner| body(Scope::of(inner)))
    }
}

/// Calls `body` with a [`Scope`] of the [`Pool`] whose task calls this, or else of the
/// [global pool](Pool::global), waits for all tasks of the scope, and returns the result of `body`.
///
/// `body` runs on the calling thread. Outside of every pool, and in a task of a
/// [`PullPool`](crate::PullPool), which has no scopes, the workers of the global pool run the tasks.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let sum = pool.submit(|| {
///     let mut numbers = [1, 2, 3];
///     longshore::scope(|scope| numbers.iter_mut().for_each(|number| scope.spawn(move || *number *= 10)));
///     numbers.iter().sum::<i32>()
/// })?;
/// assert_eq!(sum.join()?, 60);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// With the panic of `body`, or otherwise with the first panic of a task, after all tasks have ended. Also if
/// [`Pool::shutdown_now`] has discarded tasks of the scope. Also if the global pool is needed and
/// [cannot be built](Pool::global).
pub fn scope<'env, F, R>(body: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    PushWorker::with_current(|worker| match worker {
        Some(worker) => scope::open(worker.shared(), |inner| body(Scope::of(inner))),
        None => Pool::global().in_place_scope(body),
    })
}
