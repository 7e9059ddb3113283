//! How closures become tasks of a pool, whatever its kind, and what comes back of those that it refuses.

use std::mem::MaybeUninit;

use crate::base::error::{BatchError, SubmitError};
use crate::handle::JoinHandle;
use crate::primitives::block;
use crate::primitives::slot::{self, SlotHandle};
use crate::primitives::task::Task;
use crate::runtime::dispatcher::{Intake, Rejected};

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
        let (task, its_handle) = slotted(shared.id, task);
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
        let (task, handle) = slotted(shared.id, task);
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

/// A task with a handle. Does not panic.
#[inline]
fn slotted<F, T>(pool: u32, closure: F) -> (Task, SlotHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // A closure above this size may be larger than the worker's stack: boxed, it is called where it is.
    if size_of::<F>() > block::LARGEST {
        let (task, handle) = slot::new_in(pool, Box::new(closure));
        // SAFETY: nothing is borrowed.
        (unsafe { task.into_task() }, handle)
    } else {
        let (task, handle) = slot::new_in(pool, closure);
        // SAFETY: as above.
        (unsafe { task.into_task() }, handle)
    }
}
