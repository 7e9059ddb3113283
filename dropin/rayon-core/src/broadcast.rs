//! [`broadcast()`] and [`spawn_broadcast`]: a task on each thread of a pool.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use longshore::rayon_core_support::{DropInPool, DropInWorker, PoolView, with_worker};

use crate::registry::{State, global, run_detached};

/// What a broadcast task is told.
pub struct BroadcastContext<'a> {
    worker: DropInWorker<'a>,
    /// Neither `Send` nor `Sync`.
    _marker: PhantomData<&'a mut dyn Fn()>,
}

impl<'a> BroadcastContext<'a> {
    pub(crate) fn new(worker: DropInWorker<'a>) -> Self {
        BroadcastContext { worker, _marker: PhantomData }
    }

    /// Returns the index of the thread, from 0 to [`num_threads`](Self::num_threads) exclusively.
    #[inline]
    pub fn index(&self) -> usize {
        self.worker.index()
    }

    /// Returns the number of threads that receive the broadcast.
    #[inline]
    pub fn num_threads(&self) -> usize {
        self.worker.view().workers()
    }
}

impl fmt::Debug for BroadcastContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastContext")
            .field("index", &self.index())
            .field("num_threads", &self.num_threads())
            .field("pool_id", &self.worker.view().id())
            .finish()
    }
}

/// Calls `op` on each thread of the current pool (outside of every pool: the global pool), and returns the
/// results by the index of the thread. [`ThreadPool::broadcast`](crate::ThreadPool::broadcast) has the details.
///
/// ```
/// let indices = rayon_core::broadcast(|context| context.index());
/// assert!(indices.into_iter().eq(0..rayon_core::current_num_threads()));
/// ```
///
/// # Panics
/// With a panic of `op`, after all calls have ended.
pub fn broadcast<OP, R>(op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    with_worker(|worker| match worker {
        Some(worker) => broadcast_in(&worker.view().pool(), op),
        None => broadcast_in(&global().pool, op),
    })
}

/// Starts `op` on each thread of the current pool (outside of every pool: the global pool), and returns at
/// once. A panic goes to the panic handler, as for [`spawn()`](crate::spawn()).
pub fn spawn_broadcast<OP>(op: OP)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    with_worker(|worker| match worker {
        Some(worker) => spawn_broadcast_in(worker.view(), |task| worker.broadcast(task), op),
        None => {
            let pool = &global().pool;
            spawn_broadcast_in(pool.view(), |task| pool.broadcast(task), op);
        }
    });
}

pub(crate) fn broadcast_in<OP, R>(pool: &DropInPool, op: OP) -> Vec<R>
where
    OP: Fn(BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    let results = Mutex::new(Vec::with_capacity(pool.view().workers()));
    pool.in_place_scope(|scope| {
        let (op, results) = (&op, &results);
        let task = move |_: &_, worker: DropInWorker<'_>| {
            let result = op(BroadcastContext::new(worker));
            results.lock().unwrap_or_else(PoisonError::into_inner).push((worker.index(), result));
        };
        // SAFETY: the task borrows `op` and `results`, which outlive the scope; this is the frame of the scope.
        let is_accepted = unsafe { scope.spawn_broadcast(task) };
        assert!(is_accepted, "a pool that is in use accepts broadcasts");
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Starts a detached broadcast with `send`, in the pool behind `view`.
pub(crate) fn spawn_broadcast_in<OP>(view: PoolView<'_>, send: impl FnOnce(BoxedTask) -> bool, op: OP)
where
    OP: Fn(BroadcastContext<'_>) + Send + Sync + 'static,
{
    let state = State::of(view);
    // The pool stays open until each of its threads has run the task.
    (0..view.workers()).for_each(|_| state.into_iter().for_each(State::begin_detached));
    let task = move |worker: DropInWorker<'_>| {
        run_detached(worker.view(), || op(BroadcastContext::new(worker)));
    };
    let is_accepted = send(Box::new(task));
    assert!(is_accepted, "a pool that is in use accepts broadcasts");
}

/// The task of a detached broadcast.
pub(crate) type BoxedTask = Box<dyn Fn(DropInWorker<'_>) + Send + Sync>;
