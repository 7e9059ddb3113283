//! How closures become tasks of a pool, whatever its kind, and what comes back of those that it refuses.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::base::error::{BatchError, SubmitError, SubmitErrorKind};
use crate::handle::JoinHandle;
use crate::primitives::block;
use crate::primitives::slot::{self, SlotHandle};
use crate::primitives::task::Task;
use crate::runtime::dispatcher::{Intake, Rejected};
use crate::runtime::lifecycle::Model;

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

/// See [`Pool::broadcast`](crate::Pool::broadcast).
pub fn broadcast<F, T>(shared: &impl Model, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
where
    F: Fn(usize) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    if shared.is_forked() {
        return Err(SubmitError { task: f, kind: SubmitErrorKind::Forked });
    }
    let f = Arc::new(f);
    let mut handles = Vec::new();
    let pack = |worker| {
        let f = f.clone();
        let (task, handle) = slotted(NO_POOL, move || f(worker));
        handles.push(JoinHandle::new(handle));
        task
    };
    if shared.give_orders(&shared.members(), pack) {
        return Ok(handles);
    }
    let task = Arc::into_inner(f).expect("no task was made");
    Err(SubmitError { task, kind: SubmitErrorKind::Closed })
}

/// The number that no pool has. Whoever waits for a task of this pool must not run it, as it might one of its own: it serves
/// its own pool meanwhile, its own orders among the rest.
const NO_POOL: u32 = 0;

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
