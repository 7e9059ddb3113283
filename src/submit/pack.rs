//! Packing: how a closure becomes a task, with or without a handle, with or without extras.
//!
//! A closure of up to [`LARGEST_CLOSURE`] bytes is moved into the task or into a recycled block. A larger
//! closure is boxed and called in its box, because it may be larger than the stack of the worker. This
//! decision is made here, in `api/scope.rs` (closures of scopes) and in `task/erased.rs`.
//!
//! The submitting thread packs; the packed task then owns everything. Nothing here panics or runs user code.
//! Guarded by `tests/it/behaviour/big_closures.rs` and the unit tests of `task/erased.rs`.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::runtime::intake::Intake;
use crate::submit::envelope::{Adapted, Envelope, Extras, OutputAdapter, Timed};
use crate::submit::handle::JoinHandle;
use crate::task::conditions::{Conditions, Pending, WorkCell};
use crate::task::erased::Task;
use crate::task::recycle;
use crate::task::result_slot::{self, SlotHandle};
use crate::task::work::Work;

/// The largest closure that is not boxed, in bytes. With extras it still fits into a recycled block.
pub const LARGEST_CLOSURE: usize = recycle::LARGEST - size_of::<Extras>() - RESERVE;

/// Bytes of a block that a closure leaves free, so that the boundary does not move with each change of the
/// extras.
const RESERVE: usize = 16;

/// Packs a closure without extras and without a handle into `place`, which is initialised afterwards.
#[inline(always)]
pub fn pack_plain<F: FnOnce() + Send + 'static>(place: &mut MaybeUninit<Task>, closure: F) {
    pack(place, closure, None);
}

/// Packs a closure without a handle into `place`, which is initialised afterwards.
#[inline(always)]
pub fn pack<F>(place: &mut MaybeUninit<Task>, closure: F, extras: Option<Extras>)
where
    F: FnOnce() + Send + 'static,
{
    if size_of::<F>() > LARGEST_CLOSURE {
        pack_work(place, Box::new(closure), extras);
    } else {
        pack_work(place, closure, extras);
    }
}

#[inline(always)]
fn pack_work<W: Work<Output = ()> + 'static>(place: &mut MaybeUninit<Task>, work: W, extras: Option<Extras>) {
    match extras {
        None => Task::of_in(place, work),
        Some(extras) => match extras.only_time() {
            Some(submitted) => Task::of_in(place, Timed { submitted, work }),
            None => Task::of_in(place, Envelope { extras, work }),
        },
    }
}

/// Packs a closure without a handle and returns the task.
#[inline]
pub fn packed<F: FnOnce() + Send + 'static>(closure: F, extras: Option<Extras>) -> Task {
    let mut place = MaybeUninit::uninit();
    pack(&mut place, closure, extras);
    // SAFETY: `pack` has initialised the place.
    unsafe { place.assume_init() }
}

/// A packed task with a handle, and perhaps with conditions.
pub struct PackedTask<T> {
    /// The task, to be queued.
    pub task: Task,
    /// The handle of its slot.
    pub handle: SlotHandle<T>,
    /// The cell of its work, if the task has conditions.
    pub pending: Option<Arc<dyn Pending>>,
}

/// Packs a closure with conditions and without a handle. Returns the task and the cell of its work.
pub fn packed_conditioned<F>(
    closure: F,
    extras: Option<Extras>,
    conditions: Conditions,
) -> (Task, Arc<dyn Pending>)
where
    F: FnOnce() + Send + 'static,
{
    fn pack<W: Work<Output = ()> + 'static>(cell: Arc<WorkCell<W>>) -> (Task, Arc<dyn Pending>) {
        let mut place = MaybeUninit::uninit();
        Task::of_in(&mut place, cell.task_side());
        // SAFETY: `of_in` has initialised the place.
        (unsafe { place.assume_init() }, cell)
    }
    // The closure is in an allocation of its own, whatever its size.
    let extras = extras.unwrap_or_default();
    if size_of::<F>() > LARGEST_CLOSURE {
        // In a box, so that it is not moved to the stack of the worker.
        pack(WorkCell::new(conditions, false, Envelope { extras, work: Box::new(closure) }))
    } else {
        pack(WorkCell::new(conditions, false, Envelope { extras, work: closure }))
    }
}

/// Packs a closure, with its conditions if there are any, and makes the handle of its slot.
pub fn pack_with_options<F, T>(
    pool: u32,
    closure: F,
    extras: Option<Extras>,
    conditions: Conditions,
) -> PackedTask<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if conditions.is_empty() {
        let (task, handle) = pack_with_handle(pool, closure, extras);
        PackedTask { task, handle, pending: None }
    } else if size_of::<F>() > LARGEST_CLOSURE {
        in_cell(pool, Box::new(closure), extras, conditions)
    } else {
        in_cell(pool, closure, extras, conditions)
    }
}

/// Packs work with conditions into a cell, and the task side of the cell into a result slot.
fn in_cell<W, T>(pool: u32, work: W, extras: Option<Extras>, conditions: Conditions) -> PackedTask<T>
where
    W: Work<Output = T> + 'static,
    T: Send + 'static,
{
    let cell = WorkCell::new(conditions, true, Envelope { extras: extras.unwrap_or_default(), work });
    // SAFETY: work and result are `'static`, so they borrow nothing that could end.
    let (task, handle) = unsafe { in_slot(pool, cell.task_side(), None) };
    PackedTask { task, handle, pending: Some(cell) }
}

/// Packs a closure and makes the handle of its slot. `pool` is the id by which a worker knows whether it may
/// run the task in a wait.
#[inline(always)]
pub fn pack_with_handle<F, T>(pool: u32, closure: F, extras: Option<Extras>) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: closure and result are `'static`, so they borrow nothing that could end.
    unsafe { pack_borrowing(pool, closure, extras) }
}

/// Packs a closure that may borrow, and makes the handle of its slot.
///
/// # Safety
/// The task is run or dropped while everything that the closure and its result borrow is alive.
#[inline(always)]
pub unsafe fn pack_borrowing<F, T>(pool: u32, closure: F, extras: Option<Extras>) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if size_of::<F>() > LARGEST_CLOSURE {
        // SAFETY: the caller of `pack_borrowing` runs or drops the task while its borrows are alive; a box
        // adds no borrow.
        unsafe { in_slot(pool, Box::new(closure), extras) }
    } else {
        // SAFETY: the caller of `pack_borrowing` runs or drops the task while its borrows are alive.
        unsafe { in_slot(pool, closure, extras) }
    }
}

/// Packs a closure with conditions, whose output `adapter` turns into the result, and makes the handle of the
/// slot for that result.
pub fn pack_adapted<F, T, A>(
    pool: u32,
    closure: F,
    adapter: A,
    extras: Option<Extras>,
    conditions: Conditions,
) -> PackedTask<A::Output>
where
    F: FnOnce() -> T + Send + 'static,
    A: OutputAdapter<T> + 'static,
{
    if size_of::<F>() > LARGEST_CLOSURE {
        in_cell(pool, Adapted { closure: Box::new(closure), adapter }, extras, conditions)
    } else {
        in_cell(pool, Adapted { closure, adapter }, extras, conditions)
    }
}

/// Packs work into a result slot.
///
/// # Safety
/// The task is run or dropped while everything that the work and its result borrow is alive.
#[inline(always)]
unsafe fn in_slot<W, T>(pool: u32, work: W, extras: Option<Extras>) -> (Task, SlotHandle<T>)
where
    W: Work<Output = T>,
    T: Send,
{
    match extras {
        None => {
            let (task, handle) = result_slot::new_in(pool, work);
            // SAFETY: the caller of `in_slot` runs or drops the task while the borrows of the work are alive.
            (unsafe { task.into_task() }, handle)
        }
        Some(extras) => {
            let (task, handle) = result_slot::new_in(pool, Envelope { extras, work });
            // SAFETY: the caller of `in_slot` runs or drops the task while the borrows of the work are alive.
            // The extras borrow nothing.
            (unsafe { task.into_task() }, handle)
        }
    }
}

/// Returns a function that packs a closure and appends its handle to `handles`.
pub fn collecting_handles<F, T>(
    intake: &impl Intake,
    handles: &mut Vec<JoinHandle<T>>,
) -> impl FnMut(F) -> Task
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (instrumentation, pool) = (intake.instrumentation(), intake.handle_pool_id());
    move |closure| {
        let (task, handle) = pack_with_handle(pool, closure, instrumentation.next());
        handles.push(JoinHandle::new(handle));
        task
    }
}
