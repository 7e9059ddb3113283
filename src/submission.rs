//! How closures become tasks of a pool, whatever its kind, and what comes back of those that it refuses.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::base::error::{BatchError, SubmitError};
use crate::handle::JoinHandle;
use crate::primitives::block;
use crate::primitives::conditions::Conditions;
use crate::primitives::slot::{self, SlotHandle};
use crate::primitives::task::Task;
use crate::primitives::work::Work;
use crate::runtime::dispatcher::{Intake, Rejected};
use crate::task_builder::{Judge, Plain, Ticket, Ticketed};

/// See [`Pool::execute`](crate::Pool::execute).
#[inline]
pub fn execute<F>(shared: &impl Intake, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    // SAFETY: `new_in` initialises its place and does not panic.
    let result = unsafe { shared.dispatch(task, Task::new_in) };
    result.map_err(|(task, kind)| SubmitError { task, kind })
}

/// See [`Pool::submit`](crate::Pool::submit).
#[inline]
pub fn submit<F, T>(shared: &impl Intake, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut handle = None;
    let pack = |place: &mut MaybeUninit<Task>, task: F| {
        let (task, its_handle) = slotted_closure(shared.slot_id(), task);
        place.write(task);
        handle = Some(its_handle);
    };
    // SAFETY: `pack` initialises the place, and `slotted` does not panic.
    match unsafe { shared.dispatch(task, pack) } {
        Ok(()) => Ok(JoinHandle::new(handle.expect("an accepted task was packed"))),
        Err((task, kind)) => Err(SubmitError { task, kind }),
    }
}

/// See [`Pool::execute_batch`](crate::Pool::execute_batch).
pub fn execute_batch<I, F>(shared: &impl Intake, tasks: I) -> Result<usize, BatchError<F, ()>>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() + Send + 'static,
{
    let mut tasks = tasks.into_iter();
    let result = shared.dispatch_batch(tasks.by_ref(), Task::new);
    result.map_err(|Rejected { accepted, mut returned, kind }| {
        returned.extend(tasks);
        BatchError { accepted: vec![(); accepted], rejected: returned, kind }
    })
}

/// See [`Pool::submit_batch`](crate::Pool::submit_batch).
pub fn submit_batch<I, F, T>(
    shared: &impl Intake,
    tasks: I,
) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let mut tasks = tasks.into_iter();
    let mut handles = Vec::with_capacity(tasks.size_hint().0);
    let result = shared.dispatch_batch(tasks.by_ref(), |task| {
        let (task, handle) = slotted_closure(shared.slot_id(), task);
        handles.push(JoinHandle::new(handle));
        task
    });
    match result {
        Ok(_) => Ok(handles),
        Err(Rejected { mut returned, kind, .. }) => {
            returned.extend(tasks);
            Err(BatchError { accepted: handles, rejected: returned, kind })
        }
    }
}

/// See [`TaskBuilder::execute`](crate::TaskBuilder::execute).
pub fn execute_by<F>(shared: &impl Intake, ticket: Ticket, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    let Ticket { route, conditions } = ticket;
    let pack = |place: &mut MaybeUninit<Task>, closure: F| match on(conditions) {
        None => Task::new_in(place, closure),
        // As in `slotted`: a large closure is called where it is.
        conditions if size_of::<F>() > LARGEST_TICKETED => {
            Task::of_in(place, Ticketed { conditions, closure: Box::new(closure), judge: Plain })
        }
        conditions => Task::of_in(place, Ticketed { conditions, closure, judge: Plain }),
    };
    // SAFETY: `pack` initialises its place and does not panic.
    let result = unsafe { shared.dispatch_by(route, task, pack) };
    result.map_err(|(task, kind)| SubmitError { task, kind })
}

/// See [`TaskBuilder::submit`](crate::TaskBuilder::submit).
pub fn submit_by<F, T>(shared: &impl Intake, ticket: Ticket, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    submit_judged(shared, ticket, task, Plain)
}

/// As [`submit_by`], with somebody who judges what comes out.
pub fn submit_judged<F, T, J>(
    shared: &impl Intake,
    ticket: Ticket,
    task: F,
    judge: J,
) -> Result<JoinHandle<J::Output>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
    J: Judge<T> + 'static,
{
    let Ticket { route, conditions } = ticket;
    let conditions = on(conditions);
    let mut handle = None;
    let pack = |place: &mut MaybeUninit<Task>, closure: F| {
        let conditions = conditions.clone();
        let (task, its_handle) = if size_of::<F>() > LARGEST_TICKETED {
            slotted(shared.slot_id(), Ticketed { conditions, closure: Box::new(closure), judge })
        } else {
            slotted(shared.slot_id(), Ticketed { conditions, closure, judge })
        };
        place.write(task);
        handle = Some(JoinHandle::new(its_handle));
    };
    // SAFETY: `pack` initialises the place, and `slotted` does not panic.
    match unsafe { shared.dispatch_by(route, task, pack) } {
        Ok(()) => {
            let handle = handle.expect("an accepted task was packed");
            Ok(match conditions {
                Some(conditions) => handle.with_conditions(conditions),
                None => handle,
            })
        }
        Err((task, kind)) => Err(SubmitError { task, kind }),
    }
}

/// Conditions in the form in which task and handle share them; nothing if there are none.
fn on(conditions: Conditions) -> Option<Arc<Conditions>> {
    (!conditions.is_empty()).then(|| Arc::new(conditions))
}

/// The largest closure that goes into a recycled block with a ticket.
const LARGEST_TICKETED: usize = block::LARGEST - LARGEST_JUDGE - size_of::<Ticketed<()>>();

/// Room for whoever judges the result.
const LARGEST_JUDGE: usize = 32;

/// A task with a handle. Does not panic.
#[inline]
fn slotted<W, T>(pool: u32, work: W) -> (Task, SlotHandle<T>)
where
    W: Work<Output = T> + 'static,
    T: Send + 'static,
{
    let (task, handle) = slot::new_in(pool, work);
    // SAFETY: nothing is borrowed.
    (unsafe { task.into_task() }, handle)
}

/// As [`slotted`], of a closure of any size: above this size it may be larger than the worker's stack, and is called where
/// it is.
#[inline]
fn slotted_closure<F, T>(pool: u32, closure: F) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if size_of::<F>() > block::LARGEST { slotted(pool, Box::new(closure)) } else { slotted(pool, closure) }
}
