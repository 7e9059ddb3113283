//! [`ThreadPool`], and what a thread can ask about its own place in a pool.

use std::error::Error;
use std::fmt;

use longshore::rayon_core_support::{DropInPool, DropInWorker, with_worker};

use crate::broadcast::{BroadcastContext, broadcast_in, spawn_broadcast_in};
use crate::builder::ThreadPoolBuilder;
use crate::error::ThreadPoolBuildError;
use crate::registry::{self, State};
use crate::scope::{Scope, ScopeFifo, in_place_scope_fifo_of, in_place_scope_of};
use crate::thread_builder::ThreadSpawn;
use crate::{join, scope, scope_fifo, spawn};

/// A pool of threads of one's own.
///
/// Dropping it closes the pool and returns at once. Detached tasks still run, and then the threads end.
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(2).build()?;
/// let (a, b) = pool.install(|| rayon_core::join(|| 6 * 7, || "hello".len()));
/// assert_eq!((a, b), (42, 5));
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
pub struct ThreadPool {
    pool: DropInPool,
}

impl ThreadPool {
    /// Deprecated in favor of [`ThreadPoolBuilder::build`].
    ///
    /// # Errors
    /// Those of [`ThreadPoolBuilder::build`].
    #[deprecated(note = "Use `ThreadPoolBuilder::build`")]
    #[allow(deprecated)]
    pub fn new(configuration: crate::Configuration) -> Result<ThreadPool, Box<dyn Error>> {
        Self::build(configuration.into_builder()).map_err(Box::from)
    }

    pub(crate) fn build<S: ThreadSpawn>(
        builder: ThreadPoolBuilder<S>,
    ) -> Result<ThreadPool, ThreadPoolBuildError> {
        registry::build(builder).map(|pool| ThreadPool { pool })
    }

    /// Calls `op` on a thread of this pool and returns its result. Free functions and parallel iterators in
    /// `op` use this pool.
    ///
    /// A thread of this pool calls `op` at once. A thread of another pool runs tasks of its own pool until
    /// `op` has ended; any other thread sleeps.
    ///
    /// # Panics
    /// With the panic of `op`.
    pub fn install<OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce() -> R + Send,
        R: Send,
    {
        if self.with_own_worker(|worker| worker.is_some()) {
            return op();
        }
        self.pool.install(|_| op())
    }

    /// Calls `op` on each thread of the pool, and returns the results by the index of the thread.
    ///
    /// A thread calls `op` when it has no tasks of its own left, before it takes tasks of other threads. All
    /// broadcasts reach each thread in the same order. A thread that waits in a join or a scope calls `op` as
    /// well.
    ///
    /// ```
    /// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(3).build()?;
    /// assert_eq!(pool.broadcast(|context| context.index() * 10), [0, 10, 20]);
    /// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `op`, after all calls have ended.
    pub fn broadcast<OP, R>(&self, op: OP) -> Vec<R>
    where
        OP: Fn(BroadcastContext<'_>) -> R + Sync,
        R: Send,
    {
        broadcast_in(&self.pool, op)
    }

    /// Returns the number of threads of the pool.
    #[inline]
    pub fn current_num_threads(&self) -> usize {
        self.pool.view().workers()
    }

    /// Returns the index of the calling thread if it is a thread of this pool.
    #[inline]
    pub fn current_thread_index(&self) -> Option<usize> {
        self.with_own_worker(|worker| worker.map(DropInWorker::index))
    }

    /// Returns whether the calling thread has tasks that it has not started, if it is a thread of this pool.
    #[inline]
    pub fn current_thread_has_pending_tasks(&self) -> Option<bool> {
        self.with_own_worker(|worker| worker.map(DropInWorker::has_pending))
    }

    /// The same as [`join()`](crate::join()) inside of [`install`](Self::install).
    ///
    /// # Panics
    /// With the panic of `oper_a`, or otherwise of `oper_b`.
    pub fn join<A, B, RA, RB>(&self, oper_a: A, oper_b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        self.install(|| join(oper_a, oper_b))
    }

    /// The same as [`scope()`](crate::scope()) inside of [`install`](Self::install).
    ///
    /// # Panics
    /// With a panic of `op` or of a task.
    pub fn scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R + Send,
        R: Send,
    {
        self.install(|| scope(op))
    }

    /// The same as [`scope_fifo`](crate::scope_fifo) inside of [`install`](Self::install).
    ///
    /// # Panics
    /// With a panic of `op` or of a task.
    pub fn scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
        R: Send,
    {
        self.install(|| scope_fifo(op))
    }

    /// Calls `op` on the calling thread with a scope whose tasks run in this pool, and waits for them.
    ///
    /// # Panics
    /// With a panic of `op` or of a task.
    pub fn in_place_scope<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&Scope<'scope>) -> R,
    {
        in_place_scope_of(&self.pool, op)
    }

    /// Calls `op` on the calling thread with a scope whose tasks run in this pool, in order, and waits for
    /// them.
    ///
    /// # Panics
    /// With a panic of `op` or of a task.
    pub fn in_place_scope_fifo<'scope, OP, R>(&self, op: OP) -> R
    where
        OP: FnOnce(&ScopeFifo<'scope>) -> R,
    {
        in_place_scope_fifo_of(&self.pool, op)
    }

    /// Starts a task of this pool, and returns at once. See [`spawn()`](crate::spawn()).
    pub fn spawn<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        self.with_own_worker(|worker| match worker {
            Some(worker) => spawn::spawn_on(worker, op),
            None => spawn::spawn_into(&self.pool, op),
        });
    }

    /// Starts a task of this pool, and returns at once. See [`spawn_fifo`](crate::spawn_fifo).
    pub fn spawn_fifo<OP>(&self, op: OP)
    where
        OP: FnOnce() + Send + 'static,
    {
        self.with_own_worker(|worker| match worker {
            Some(worker) => spawn::spawn_fifo_on(worker, op),
            None => spawn::spawn_into(&self.pool, op),
        });
    }

    /// Starts a task on each thread of this pool, and returns at once. See
    /// [`spawn_broadcast`](crate::spawn_broadcast).
    pub fn spawn_broadcast<OP>(&self, op: OP)
    where
        OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
    {
        spawn_broadcast_in(self.pool.view(), |task| self.pool.broadcast(task), op);
    }

    /// Runs one task, if there is one, if the calling thread is a thread of this pool. See
    /// [`yield_now()`](crate::yield_now).
    pub fn yield_now(&self) -> Option<Yield> {
        self.with_own_worker(|worker| worker.map(|worker| Yield::of(worker.yield_now())))
    }

    /// Runs one task of the calling thread, if it is a thread of this pool and has one. See
    /// [`yield_local()`](crate::yield_local).
    pub fn yield_local(&self) -> Option<Yield> {
        self.with_own_worker(|worker| worker.map(|worker| Yield::of(worker.yield_local())))
    }

    #[inline]
    fn with_own_worker<R>(&self, f: impl FnOnce(Option<DropInWorker<'_>>) -> R) -> R {
        self.pool.view().with_own_worker(f)
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let view = self.pool.view();
        State::of(view).into_iter().for_each(|state| state.end_detached(view));
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("num_threads", &self.current_num_threads())
            .field("id", &self.pool.view().id())
            .finish()
    }
}

/// Returns the index of the calling thread in its pool, from 0, or `None` if it is not in a pool.
///
/// ```
/// assert_eq!(rayon_core::current_thread_index(), None);
/// assert!(rayon_core::scope(|_| rayon_core::current_thread_index()).is_some());
/// ```
#[inline]
pub fn current_thread_index() -> Option<usize> {
    with_worker(|worker| worker.map(DropInWorker::index))
}

/// Returns whether the calling thread has tasks that it has not started, or `None` if it is not in a pool.
/// Other threads may take these tasks at any moment.
#[inline]
pub fn current_thread_has_pending_tasks() -> Option<bool> {
    with_worker(|worker| worker.map(DropInWorker::has_pending))
}

/// Runs one task of the current pool on top of the calling task, if there is one. `None` if the calling thread
/// is not in a pool.
pub fn yield_now() -> Option<Yield> {
    with_worker(|worker| worker.map(|worker| Yield::of(worker.yield_now())))
}

/// Runs one task of the calling thread on top of the calling task, if it has one. `None` if the calling thread
/// is not in a pool.
pub fn yield_local() -> Option<Yield> {
    with_worker(|worker| worker.map(|worker| Yield::of(worker.yield_local())))
}

/// What [`yield_now()`] and [`yield_local()`] have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yield {
    /// A task was run.
    Executed,
    /// There was no task.
    Idle,
}

impl Yield {
    fn of(has_run: bool) -> Self {
        if has_run { Yield::Executed } else { Yield::Idle }
    }
}
