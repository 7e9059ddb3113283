//! The worker that the calling thread acts as, whatever the kind of its pool.
//!
//! Each kind of pool keeps a typed thread-local of its own for the hot paths ([`CurrentSlot`]); beside it a worker is known here
//! as a `&dyn CurrentWorker`, for everything that does not care about the kind: waiting, statistics, worker-locals,
//! blocking. A virtual call is made per wait, never per task.

use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::thread::LocalKey;
use std::time::Instant;

use crate::runtime::core::Core;
use crate::runtime::wait::{self, Awaited, Waited};
use crate::task::erased::Task;

/// The owner half of a worker, as code that does not know its kind of pool sees it.
pub trait CurrentWorker {
    /// What its pool has in common with all pools.
    fn core(&self) -> &Core;
    /// Its number.
    fn index(&self) -> usize;
    /// Waits until `awaited` is done or the deadline has passed, and runs meanwhile what the rules of its pool allow.
    /// Called from inside a task.
    fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited;
    /// Queues a task that the present task has submitted. The pool has not ended.
    fn push_submitted(&self, task: Task);
    /// Runs a task that the present task has submitted, on top of it: the pool has no room for the task.
    fn run_submitted(&self, task: Task);
    /// Announces that the present task is about to block, so that another worker stands in until the returned value is
    /// dropped. `None` if no other worker may.
    fn begin_blocking(&self) -> Option<Box<dyn Any>>;
}

thread_local! {
    // Constant and without a destructor: usable while other thread-locals are destroyed.
    static CURRENT: Cell<Option<NonNull<dyn CurrentWorker>>> = const { Cell::new(None) };
}

/// Calls `f` with the worker that the calling thread acts as, if any.
pub fn with<R>(f: impl FnOnce(Option<&dyn CurrentWorker>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: set by `CurrentSlot::enter`, whose guard borrows the worker until it restores the previous value. The reference
    // does not leave `f`.
    f(current.map(|worker| unsafe { worker.as_ref() }))
}

/// Whether the calling thread acts as a worker of some pool.
pub fn is_worker() -> bool {
    CURRENT.get().is_some()
}

/// Whether the calling thread acts as a worker of the pool around `core`.
pub fn is_worker_of(core: &Core) -> bool {
    with(|worker| worker.is_some_and(|worker| ptr::eq(worker.core(), core)))
}

/// Waits until `awaited` is done or the deadline has passed. A worker does meanwhile what its pool allows; any other
/// thread sleeps.
pub fn wait_until(awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
    with(|worker| match worker {
        Some(worker) => worker.wait_until(awaited, deadline),
        None => wait::block(awaited, deadline),
    })
}

/// The typed thread-local of one kind of worker.
#[derive(Debug)]
pub struct CurrentSlot<W>(Cell<*const W>);

impl<W: CurrentWorker + 'static> CurrentSlot<W> {
    /// No worker.
    pub const fn new() -> Self {
        CurrentSlot(Cell::new(ptr::null()))
    }

    /// Calls `f` with the worker of this kind that the calling thread acts as, if any.
    #[inline]
    pub fn with<R>(slot: &'static LocalKey<Self>, f: impl FnOnce(Option<&W>) -> R) -> R {
        let current = slot.with(|slot| slot.0.get());
        // SAFETY: null, or set by `enter`, whose guard borrows the worker until it restores the previous value. The
        // reference does not leave `f`.
        f(unsafe { current.as_ref() })
    }

    /// Makes `worker` the current one of the calling thread for as long as the returned value lives.
    pub fn enter<'a>(slot: &'static LocalKey<Self>, worker: &'a W) -> CurrentGuard<'a, W> {
        let of_any_kind: &(dyn CurrentWorker + 'static) = worker;
        CurrentGuard {
            slot,
            previous: slot.with(|slot| slot.0.replace(worker)),
            previous_of_any_kind: CURRENT.replace(Some(NonNull::from(of_any_kind))),
            worker: PhantomData,
        }
    }
}

/// A thread acts as a worker for as long as this lives.
pub struct CurrentGuard<'a, W: CurrentWorker + 'static> {
    slot: &'static LocalKey<CurrentSlot<W>>,
    previous: *const W,
    previous_of_any_kind: Option<NonNull<dyn CurrentWorker>>,
    worker: PhantomData<&'a W>,
}

impl<W: CurrentWorker + 'static> Drop for CurrentGuard<'_, W> {
    fn drop(&mut self) {
        self.slot.with(|slot| slot.0.set(self.previous));
        CURRENT.set(self.previous_of_any_kind);
    }
}
