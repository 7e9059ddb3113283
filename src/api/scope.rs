//! Scopes: any number of tasks that borrow from where they are spawned, and an end that waits for all of them.

use std::fmt;
use std::marker::PhantomData;

use crate::api::join::Context;
use crate::api::pool::Pool;
use crate::base::error::JoinError;
use crate::push::scope::{self, ScopeClosure};
use crate::push::scope_state::ScopeState;
use crate::push::worker::PushWorker;
use crate::submit::handle::JoinHandle;
use crate::task::{recycle, result_slot};

/// Spawns tasks that may borrow whatever outlives the call that has opened the scope. Made by [`Pool::scope`],
/// [`Pool::in_place_scope`] and [`scope`].
///
/// `'scope` is the life of the scope itself: tasks may borrow the scope, and spawn more into it. `'env` is the life of
/// what is around it.
#[repr(transparent)]
pub struct Scope<'scope, 'env: 'scope> {
    inner: ScopeState,
    /// Invariant in both, as in the standard library: neither may be shortened or stretched.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope, 'env> Scope<'scope, 'env> {
    fn of(inner: &ScopeState) -> &'scope Scope<'scope, 'env> {
        // SAFETY: `Scope` is a transparent wrapper. The lifetimes are bound to one call of `body` by its type, `for<'scope>`.
        unsafe { &*std::ptr::from_ref(inner).cast() }
    }

    /// Runs `task` on the pool, at some time before the scope ends. Several run at the same time, the younger ones of a
    /// worker first.
    ///
    /// If the pool is shut down meanwhile, the caller runs it here and now.
    ///
    /// # Panics
    /// Never. If the *task* panics, whoever has opened the scope panics with its payload after all tasks have ended; of
    /// several panics the first goes on, the others are dropped.
    #[inline]
    pub fn spawn<F>(&'scope self, task: F)
    where
        F: FnOnce() + Send + 'scope,
    {
        // Safe, for what it borrows outlives 'scope, and with it the wait at the end of the scope; whoever holds a reference
        // to the scope is its frame, or something that the frame waits for.
        if size_of::<F>() > recycle::LARGEST {
            // SAFETY: as said.
            unsafe { self.inner.spawn(ScopeClosure(Box::new(task))) };
        } else {
            // SAFETY: as said.
            unsafe { self.inner.spawn(ScopeClosure(task)) };
        }
    }

    /// As [`Scope::spawn`], and returns a handle for the result, which can be waited for inside of the scope. A panic of
    /// the task goes to the handle; if that has been dropped, to the scope.
    pub fn submit<F, T>(&'scope self, task: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let (task, handle) = if size_of::<F>() > recycle::LARGEST {
            let (task, handle) = result_slot::new_in(self.inner.shared().id, Box::new(task));
            // SAFETY: the task moves into one of this scope, which ends before anything that it borrows.
            (unsafe { task.into_task() }, handle)
        } else {
            let (task, handle) = result_slot::new_in(self.inner.shared().id, task);
            // SAFETY: as above.
            (unsafe { task.into_task() }, handle)
        };
        // SAFETY: as in `spawn`.
        unsafe { self.inner.spawn(task) };
        ScopedJoinHandle { handle: JoinHandle::new(handle), scope: PhantomData }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

/// Waits for the result of a task of a scope. Made by [`Scope::submit`].
#[must_use = "`spawn` is for tasks whose result is not wanted"]
pub struct ScopedJoinHandle<'scope, T> {
    handle: JoinHandle<T>,
    scope: PhantomData<&'scope ()>,
}

impl<T: Send> ScopedJoinHandle<'_, T> {
    /// Waits for the task and returns its result, as [`JoinHandle::join`].
    ///
    /// # Errors
    /// As there.
    pub fn join(self) -> Result<T, JoinError> {
        self.handle.join()
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Cancels the task if it has not started, as [`JoinHandle::cancel`].
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
    /// Calls `body` on this pool with a [`Scope`], and returns what it returns after all tasks of the scope have ended.
    /// Where `body` is called is said at [`Pool::enter`].
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
    /// With the panic of `body`, or else with the first panic of a task, after all tasks have ended; and if tasks were
    /// thrown away by [`Pool::shutdown_now`] before they started.
    pub fn scope<'env, F, R>(&self, body: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R + Send,
        R: Send,
    {
        self.enter(|_| self.in_place_scope(body))
    }

    /// As [`Pool::scope`], but calls `body` on the calling thread, whatever that is; so it need not be [`Send`]. A thread
    /// that belongs to no pool then sleeps until the pool's workers have run the tasks.
    ///
    /// # Panics
    /// As [`Pool::scope`].
    pub fn in_place_scope<'env, F, R>(&self, body: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        scope::open(&self.shared, |inner| body(Scope::of(inner)))
    }
}

impl Context<'_> {
    /// As [`Pool::scope`], on this pool and this thread.
    ///
    /// # Panics
    /// As [`Pool::scope`].
    pub fn scope<'env, F, R>(self, body: F) -> R
    where
        F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
    {
        scope::open(self.worker.shared(), |inner| body(Scope::of(inner)))
    }
}

/// As [`Pool::scope`], on the pool whose task calls this.
///
/// # Panics
/// As [`Pool::scope`]; and outside of every pool, for there is nobody to run the tasks.
pub fn scope<'env, F, R>(body: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    PushWorker::with_current(|worker| {
        let worker = worker.expect("`longshore::scope` is called inside a task of a `Pool`");
        scope::open(worker.shared(), |inner| body(Scope::of(inner)))
    })
}
