//! Scopes: tasks that borrow from the caller, which waits for them.

use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use longshore::rayon_core_support::{DropInPool, DropInScope, DropInWorker, with_worker};

use crate::broadcast::BroadcastContext;
use crate::fifo::Fifo;
use crate::registry::{global, in_worker};

/// Makes a scope invariant in its lifetime.
type Invariant<'scope, S> = PhantomData<Box<dyn FnOnce(&S) + Send + Sync + 'scope>>;

/// Spawns tasks that may borrow all that outlives `'scope`. Made by [`scope()`] and [`in_place_scope`].
#[repr(transparent)]
pub struct Scope<'scope> {
    inner: DropInScope,
    marker: Invariant<'scope, Scope<'scope>>,
}

// SAFETY: other threads get references to a scope only, which they may have because it is `Sync`. No field is bound
// to a thread. (rayon-core's scopes are `Send`, so a program may ask for it.)
unsafe impl Send for Scope<'_> {}

/// Spawns tasks that may borrow all that outlives `'scope`, in order. Made by [`scope_fifo`] and
/// [`in_place_scope_fifo`].
pub struct ScopeFifo<'scope> {
    /// Written before the body of the scope is called, and valid until the scope has ended.
    inner: AtomicPtr<DropInScope>,
    /// The tasks of each thread of the pool.
    fifos: Box<[Fifo<FifoTask<'scope>>]>,
    marker: Invariant<'scope, ScopeFifo<'scope>>,
}

type FifoTask<'scope> = Box<dyn FnOnce(&ScopeFifo<'scope>) + Send + 'scope>;

/// Calls `op` with a scope, waits until all tasks of the scope have ended, and returns the result of `op`.
///
/// `op` is called on a thread of the current pool; outside of every pool the global pool is used. A task may
/// borrow all that outlives the call, and may spawn more tasks in the scope. On one thread the newest task
/// starts first.
///
/// ```
/// let mut numbers = [1, 2, 3];
/// rayon_core::scope(|scope| {
///     for number in &mut numbers {
///         scope.spawn(move |_| *number *= 10);
///     }
/// });
/// assert_eq!(numbers, [10, 20, 30]);
/// ```
///
/// # Panics
/// With a panic of `op` or of a task, after all tasks have ended.
pub fn scope<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&Scope<'scope>) -> R + Send,
    R: Send,
{
    in_worker(|worker, _| worker.scope(|inner| op(Scope::of(inner))))
}

/// The same as [`scope()`], but tasks that one thread spawns start in the order of the spawns, unless another
/// thread takes some.
///
/// # Panics
/// With a panic of `op` or of a task, after all tasks have ended.
pub fn scope_fifo<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&ScopeFifo<'scope>) -> R + Send,
    R: Send,
{
    in_worker(|worker, _| {
        let scope = ScopeFifo::new(worker.view().workers());
        worker.scope(|inner| op(scope.begin(inner)))
    })
}

/// The same as [`scope()`], but `op` is called on the calling thread, and need not be `Send`. Only the tasks run
/// in the pool.
///
/// # Panics
/// With a panic of `op` or of a task, after all tasks have ended.
pub fn in_place_scope<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&Scope<'scope>) -> R,
{
    with_worker(|worker| match worker {
        Some(worker) => worker.scope(|inner| op(Scope::of(inner))),
        None => in_place_scope_of(&global().pool, op),
    })
}

/// The same as [`scope_fifo`], but `op` is called on the calling thread, and need not be `Send`. Only the tasks
/// run in the pool.
///
/// # Panics
/// With a panic of `op` or of a task, after all tasks have ended.
pub fn in_place_scope_fifo<'scope, OP, R>(op: OP) -> R
where
    OP: FnOnce(&ScopeFifo<'scope>) -> R,
{
    with_worker(|worker| match worker {
        Some(worker) => in_place_scope_fifo_of(&worker.view().pool(), op),
        None => in_place_scope_fifo_of(&global().pool, op),
    })
}

pub(crate) fn in_place_scope_of<'scope, R>(pool: &DropInPool, op: impl FnOnce(&Scope<'scope>) -> R) -> R {
    pool.in_place_scope(|inner| op(Scope::of(inner)))
}

pub(crate) fn in_place_scope_fifo_of<'scope, R>(
    pool: &DropInPool,
    op: impl FnOnce(&ScopeFifo<'scope>) -> R,
) -> R {
    let scope = ScopeFifo::new(pool.view().workers());
    pool.in_place_scope(|inner| op(scope.begin(inner)))
}

impl<'scope> Scope<'scope> {
    fn of(inner: &DropInScope) -> &Scope<'scope> {
        // SAFETY: `Scope` is a transparent wrapper of `DropInScope`, so the pointer is valid for it, for as
        // long as `inner` is borrowed.
        unsafe { &*ptr::from_ref(inner).cast() }
    }

    /// Runs `body` on the pool before the scope ends. It gets the scope, and may spawn more tasks.
    ///
    /// A panic comes out of the call that opened the scope, after all tasks have ended.
    #[inline]
    pub fn spawn<BODY>(&self, body: BODY)
    where
        BODY: FnOnce(&Scope<'scope>) + Send + 'scope,
    {
        // SAFETY: what `body` borrows outlives `'scope`, and the scope is not longer than that. A caller that
        // has a reference to the scope is its frame or one of its tasks.
        unsafe { self.inner.spawn(move |inner| body(Scope::of(inner))) };
    }

    /// Runs `body` once on each thread of the pool before the scope ends.
    ///
    /// A panic comes out of the call that opened the scope, after all tasks have ended.
    pub fn spawn_broadcast<BODY>(&self, body: BODY)
    where
        BODY: Fn(&Scope<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        let task = move |inner: &DropInScope, worker: DropInWorker<'_>| {
            body(Scope::of(inner), BroadcastContext::new(worker));
        };
        // SAFETY: what `body` borrows outlives `'scope`, and the scope is not longer than that. A caller that
        // has a reference to the scope is its frame or one of its tasks.
        let is_accepted = unsafe { self.inner.spawn_broadcast(task) };
        assert!(is_accepted, "a pool that is in use accepts broadcasts");
    }
}

impl<'scope> ScopeFifo<'scope> {
    fn new(workers: usize) -> Self {
        ScopeFifo {
            inner: AtomicPtr::new(ptr::null_mut()),
            fifos: Fifo::for_workers(workers),
            marker: PhantomData,
        }
    }

    /// Begins the scope. `self` outlives `inner`: the frame of the caller ends after the scope.
    fn begin(&self, inner: &DropInScope) -> &Self {
        // Relaxed: tasks of the scope are queued after this, which orders it for them.
        self.inner.store(ptr::from_ref(inner).cast_mut(), Ordering::Relaxed);
        self
    }

    fn inner(&self) -> &DropInScope {
        // SAFETY: `begin` has stored the address of the scope before any other code could see `self`. The
        // scope is alive, because the caller is its frame or one of its tasks. It is only shared.
        unsafe { &*self.inner.load(Ordering::Relaxed) }
    }

    /// Runs `body` on the pool before the scope ends, after the tasks that the calling thread has spawned in
    /// this scope before, unless another thread takes some.
    ///
    /// A panic comes out of the call that opened the scope, after all tasks have ended.
    pub fn spawn_fifo<BODY>(&self, body: BODY)
    where
        BODY: FnOnce(&ScopeFifo<'scope>) + Send + 'scope,
    {
        let inner = self.inner();
        match inner.own_worker().filter(|&index| index < self.fifos.len()) {
            Some(index) => {
                self.fifos[index].push(Box::new(body));
                let turn = move |_: &DropInScope| self.fifos[index].pop()(self);
                // SAFETY: the task borrows this scope, which lives in a frame outside of it. What `body` borrows
                // outlives `'scope`, and the scope is not longer than that. A caller that has a reference to
                // the scope is its frame or one of its tasks.
                unsafe { inner.spawn(turn) };
            }
            // SAFETY: the three duties are met as for a turn.
            None => unsafe { inner.spawn(move |_| body(self)) },
        }
    }

    /// Runs `body` once on each thread of the pool before the scope ends.
    ///
    /// A panic comes out of the call that opened the scope, after all tasks have ended.
    pub fn spawn_broadcast<BODY>(&self, body: BODY)
    where
        BODY: Fn(&ScopeFifo<'scope>, BroadcastContext<'_>) + Send + Sync + 'scope,
    {
        let task = move |_: &DropInScope, worker: DropInWorker<'_>| {
            body(self, BroadcastContext::new(worker));
        };
        // SAFETY: the three duties are met as in `spawn_fifo`.
        let is_accepted = unsafe { self.inner().spawn_broadcast(task) };
        assert!(is_accepted, "a pool that is in use accepts broadcasts");
    }
}

impl fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("pool_id", &self.inner.pool_id()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScopeFifo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeFifo")
            .field("num_fifos", &self.fifos.len())
            .field("pool_id", &self.inner().pool_id())
            .finish_non_exhaustive()
    }
}
