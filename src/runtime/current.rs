//! The worker that the calling thread acts as, whatever the kind of its pool.
//!
//! Each kind of pool has a typed thread-local for its hot paths ([`CurrentSlot`]). Code that does not depend
//! on the kind (waiting, statistics, worker-locals, blocking) finds the worker here as a `&dyn
//! CurrentWorker`. It makes a virtual call for each wait, never for each task. Only the calling thread
//! touches its thread-locals. Guarded by `tests/it/behaviour/nesting.rs`,
//! `tests/it/behaviour/thread_locals.rs` and `tests/it/joins/pools.rs`.

use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::task::Waker;
use std::thread::LocalKey;
use std::time::Instant;

use longshore_trace::record::WaitFor;

use crate::base::recording::{self, TrackBefore, TrackSlot};
use crate::runtime::core::Core;
use crate::runtime::held_pass;
use crate::runtime::stall::{self, Target};
use crate::runtime::wait::{self, Awaited, Waited};
use crate::task::erased::Task;

/// The owner half of a worker, without its kind of pool.
pub trait CurrentWorker {
    /// The core of its pool.
    fn core(&self) -> &Core;
    /// Its number.
    fn index(&self) -> usize;
    /// The place of its track, for recordings.
    fn track_slot(&self) -> &TrackSlot;
    /// Waits until `awaited` is done or the deadline has passed. Meanwhile it runs what the rules of its pool
    /// allow. Called from inside a task.
    fn wait_until(&self, awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited;
    /// Runs what a poll of a future for `awaited` may run: the awaited task if no thread has begun it, and
    /// broadcast tasks of this worker.
    fn help_poll(&self, awaited: &mut (dyn Awaited + Send));
    /// Announces that the running task has polled a future that is not ready, or that a future is ready.
    fn note_poll(&self, state: PollState<'_>);
    /// Queues a task that the running task has submitted. The pool has not ended.
    fn push_submitted(&self, task: Task);
    /// Runs a task that the running task has submitted, on top of it, because the pool is full.
    fn run_submitted(&self, task: Task);
    /// Announces that the running task is about to block. Another worker stands in until the returned value
    /// is dropped. `None` if no stand-in is allowed.
    fn begin_blocking(&self) -> Option<Box<dyn Any>>;
}

thread_local! {
    // Constant and without a destructor: usable while other thread-locals are destroyed.
    static CURRENT: Cell<Option<NonNull<dyn CurrentWorker>>> = const { Cell::new(None) };
}

/// Calls `f` with the worker that the calling thread acts as, if there is one.
pub fn with<R>(f: impl FnOnce(Option<&dyn CurrentWorker>) -> R) -> R {
    let current = CURRENT.get();
    // SAFETY: the pointer was made from a reference in `CurrentSlot::enter`, so it is aligned and valid. The
    // guard returned there borrows the worker and restores the previous value before the borrow ends, so the
    // worker is alive. It is shared, never borrowed mutably. The reference does not leave `f`.
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

/// Waits until `awaited` is done or the deadline has passed. A worker runs meanwhile what its pool allows;
/// any other thread sleeps.
pub fn wait_until(awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
    let waited = wait_without_pass(awaited, deadline);
    held_pass::take_again(deadline);
    waited
}

/// Does what [`wait_until`] does, and leaves it to the caller to take the pass of the running task again
/// (`held_pass.rs`): because something is reserved for the task until the caller has used it.
pub fn wait_without_pass(awaited: &mut (dyn Awaited + Send), deadline: Option<Instant>) -> Waited {
    with(|worker| match worker {
        Some(worker) => {
            let _recorded = recording::wait(|| wait_kind(awaited.target()));
            worker.wait_until(awaited, deadline)
        }
        None => {
            let _registered = stall::register(0, || awaited.target());
            let target = awaited.target();
            let _recorded = recording::wait_outside(target.id(), || wait_kind(target));
            wait::block(awaited, deadline)
        }
    })
}

/// What a recording says of a wait for `target`.
fn wait_kind(target: Target) -> WaitFor {
    match target {
        Target::Task(_) | Target::Work(_) => WaitFor::Handle,
        Target::Scope(_) | Target::Half(_) => WaitFor::Scope,
        Target::Stream(_) => WaitFor::Group,
        Target::Permit(_) | Target::Budget(_) => WaitFor::Permit,
        Target::PoolEnd(_) | Target::PoolRest(_) | Target::PoolStart(_) | Target::Pass(_) => WaitFor::Other,
    }
}

/// Helps a poll of a future for `awaited`, if the calling thread acts as a worker.
pub fn help_poll(awaited: &mut (dyn Awaited + Send)) {
    with(|worker| worker.into_iter().for_each(|worker| worker.help_poll(awaited)));
}

/// Whether a broadcast task is queued for the worker that the calling thread acts as.
pub fn has_broadcast() -> bool {
    with(|worker| worker.is_some_and(|worker| worker.core().has_broadcast(worker.index())))
}

/// Tells the worker that the calling thread acts as, if there is one, how a poll of the running task ended.
pub fn note_poll(state: PollState<'_>) {
    with(|worker| worker.into_iter().for_each(|worker| worker.note_poll(state)));
    if let PollState::Ready = state {
        held_pass::take_again(None);
    }
}

/// How a poll of a future ended.
#[derive(Debug, Clone, Copy)]
pub enum PollState<'a> {
    /// The future is not ready, and the caller of the poll may block the thread. The waker makes it poll
    /// again. The target is what the future waits for.
    Pending(&'a Waker, Target),
    /// The future is ready.
    Ready,
}

/// The typed thread-local of one kind of worker.
#[derive(Debug)]
pub struct CurrentSlot<W>(Cell<*const W>);

impl<W: CurrentWorker + 'static> CurrentSlot<W> {
    /// No worker.
    pub const fn new() -> Self {
        CurrentSlot(Cell::new(ptr::null()))
    }

    /// Calls `f` with the worker of this kind that the calling thread acts as, if there is one.
    #[inline]
    pub fn with<R>(slot: &'static LocalKey<Self>, f: impl FnOnce(Option<&W>) -> R) -> R {
        let current = slot.with(|slot| slot.0.get());
        // SAFETY: null, or made from a reference in `enter`, so aligned and valid. The guard returned there
        // borrows the worker and restores the previous value before the borrow ends, so the worker is alive.
        // It is shared, never borrowed mutably. The reference does not leave `f`.
        f(unsafe { current.as_ref() })
    }

    /// Makes `worker` the current worker of the calling thread until the returned guard is dropped.
    pub fn enter<'a>(slot: &'static LocalKey<Self>, worker: &'a W) -> CurrentGuard<'a, W> {
        let untyped: &(dyn CurrentWorker + 'static) = worker;
        CurrentGuard {
            slot,
            previous: slot.with(|slot| slot.0.replace(worker)),
            previous_untyped: CURRENT.replace(Some(NonNull::from(untyped))),
            _track_before: worker.track_slot().enter(),
            worker: PhantomData,
        }
    }
}

/// The calling thread acts as a worker until this is dropped.
pub struct CurrentGuard<'a, W: CurrentWorker + 'static> {
    slot: &'static LocalKey<CurrentSlot<W>>,
    previous: *const W,
    previous_untyped: Option<NonNull<dyn CurrentWorker>>,
    _track_before: TrackBefore<'a>,
    worker: PhantomData<&'a W>,
}

impl<W: CurrentWorker + 'static> Drop for CurrentGuard<'_, W> {
    fn drop(&mut self) {
        self.slot.with(|slot| slot.0.set(self.previous));
        CURRENT.set(self.previous_untyped);
    }
}
