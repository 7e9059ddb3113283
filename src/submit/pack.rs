//! How closures are made into tasks, with and without handles, together with what travels with some of them.

use crate::runtime::intake::Intake;
use crate::submit::handle::JoinHandle;
use std::mem::MaybeUninit;

use crate::submit::envelope::Ticketed;
use crate::submit::envelope::{Escort, Escorted, Escorts};
use crate::task::erased::Task;
use crate::task::recycle;
use crate::task::result_slot::{self, SlotHandle};
use crate::task::work::Work;

/// The largest closure that goes into a recycled block with a ticket.
pub const LARGEST_TICKETED: usize =
    recycle::LARGEST - LARGEST_JUDGE - LARGEST_ESCORT - size_of::<Ticketed<()>>();

/// Room for whoever judges the result.
const LARGEST_JUDGE: usize = 32;

/// Room for what travels with some tasks.
const LARGEST_ESCORT: usize = size_of::<Escorted<()>>();

/// Puts together a task without a handle, with what is to travel with it. Does not panic.
pub fn put<F: FnOnce() + Send + 'static>(escorts: &Escorts, place: &mut MaybeUninit<Task>, closure: F) {
    match escorts.next() {
        None => Task::new_in(place, closure),
        Some(escort) => put_escorted(place, closure, escort),
    }
}

/// Puts together a task with an escort. Does not panic.
pub fn put_escorted<F: FnOnce() + Send + 'static>(place: &mut MaybeUninit<Task>, closure: F, escort: Escort) {
    // Above this size it is called where it is, as in `slotted_closure`.
    if size_of::<F>() > recycle::LARGEST - LARGEST_ESCORT {
        Task::of_in(place, Escorted { work: Box::new(closure), escort });
    } else {
        Task::of_in(place, Escorted { work: closure, escort });
    }
}

/// As [`put`], by value.
#[inline]
pub fn packed<F: FnOnce() + Send + 'static>(escorts: &Escorts, closure: F) -> Task {
    let mut place = MaybeUninit::uninit();
    put(escorts, &mut place, closure);
    // SAFETY: `put` has initialised it.
    unsafe { place.assume_init() }
}

/// As [`put`], of work that leaves room for an escort.
pub fn put_work<W: Work<Output = ()> + 'static>(escorts: &Escorts, place: &mut MaybeUninit<Task>, work: W) {
    match escorts.next() {
        None => Task::of_in(place, work),
        Some(escort) => Task::of_in(place, Escorted { work, escort }),
    }
}

/// A task with a handle, of work that leaves room for an escort. Does not panic.
#[inline]
pub fn slotted<W, T>(escorts: &Escorts, pool: u32, work: W) -> (Task, SlotHandle<T>)
where
    W: Work<Output = T> + 'static,
    T: Send + 'static,
{
    match escorts.next() {
        None => in_slot(pool, work),
        Some(escort) => in_slot(pool, Escorted { work, escort }),
    }
}

#[inline(always)]
fn in_slot<W, T>(pool: u32, work: W) -> (Task, SlotHandle<T>)
where
    W: Work<Output = T> + 'static,
    T: Send + 'static,
{
    let (task, handle) = result_slot::new_in(pool, work);
    // SAFETY: nothing is borrowed.
    (unsafe { task.into_task() }, handle)
}

/// As [`slotted`], of a closure of any size: above this size it may be larger than the worker's stack, and is called where
/// it is.
#[inline]
pub fn slotted_closure<F, T>(escorts: &Escorts, pool: u32, closure: F) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match escorts.next() {
        None => in_slot_plain(pool, closure),
        Some(escort) => in_slot_escorted(pool, closure, escort),
    }
}

/// As [`slotted_closure`], without an escort.
#[inline(always)]
pub fn in_slot_plain<F, T>(pool: u32, closure: F) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if size_of::<F>() > recycle::LARGEST { in_slot(pool, Box::new(closure)) } else { in_slot(pool, closure) }
}

/// As [`slotted_closure`], with this escort.
pub fn in_slot_escorted<F, T>(pool: u32, closure: F, escort: Escort) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if size_of::<F>() > recycle::LARGEST - LARGEST_ESCORT {
        in_slot(pool, Escorted { work: Box::new(closure), escort })
    } else {
        in_slot(pool, Escorted { work: closure, escort })
    }
}

/// Makes tasks with handles, which go to `handles`.
pub fn with_handle_in<F, T>(shared: &impl Intake, handles: &mut Vec<JoinHandle<T>>) -> impl FnMut(F) -> Task
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (escorts, pool) = (shared.escorts(), shared.slot_id());
    move |task| {
        let (task, handle) = slotted_closure(&escorts, pool, task);
        handles.push(JoinHandle::new(handle));
        task
    }
}
