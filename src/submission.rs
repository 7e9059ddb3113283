//! How closures become tasks of a pool, whatever its kind, and what comes back of those that it refuses.

use std::mem::MaybeUninit;

use crate::base::error::{BatchError, SubmitError};
use crate::bounded_batch;
use crate::handle::JoinHandle;
use crate::policy::overflow::OnFull;
use crate::primitives::block;
use crate::primitives::slot::{self, SlotHandle};
use crate::primitives::task::Task;
use crate::runtime::admission::{self, Entry};
use crate::runtime::dispatcher::{Intake, Rejected};

/// See [`Pool::execute`](crate::Pool::execute). `on_full` is used instead of what the pool was built with.
#[inline]
pub fn execute<F>(shared: &impl Intake, task: F, on_full: Option<OnFull>) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    match admission::admit(shared, on_full) {
        Ok(Entry::Queue) => queue(shared, task),
        Ok(entry) => {
            set_aside(shared, entry, Task::new(task));
            Ok(())
        }
        Err(kind) => Err(SubmitError { task, kind }),
    }
}

/// See [`Pool::submit`](crate::Pool::submit). `on_full` as for [`execute`].
#[inline]
pub fn submit<F, T>(
    shared: &impl Intake,
    task: F,
    on_full: Option<OnFull>,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match admission::admit(shared, on_full) {
        Ok(entry) => enter(shared, entry, task),
        Err(kind) => Err(SubmitError { task, kind }),
    }
}

/// Has a task that was let in go the way of `entry`, and returns its handle.
#[inline]
pub fn enter<F, T>(shared: &impl Intake, entry: Entry, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if entry == Entry::Queue {
        return queue_with_handle(shared, task);
    }
    let (task, handle) = slotted(shared.id, task);
    set_aside(shared, entry, task);
    Ok(JoinHandle::new(handle))
}

/// Queues a task that is part of something that cannot be refused, as long as the pool is open.
pub fn execute_anyway<F>(shared: &impl Intake, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    shared.overdraw_from_outside(1);
    queue(shared, task)
}

/// Queues a task that was let in.
#[inline]
fn queue<F>(shared: &impl Intake, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    // SAFETY: `new_in` initialises its place and does not panic.
    let result = unsafe { shared.dispatch(task, Task::new_in) };
    result.map_err(|(task, kind)| {
        admission::refund(shared, 1);
        SubmitError { task, kind }
    })
}

/// Queues a task that was let in, and returns its handle.
#[inline]
fn queue_with_handle<F, T>(shared: &impl Intake, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
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
        Err((task, kind)) => {
            admission::refund(shared, 1);
            Err(SubmitError { task, kind })
        }
    }
}

/// Runs or throws away a task that is not to be queued.
#[cold]
fn set_aside(shared: &impl Intake, entry: Entry, task: Task) {
    match entry {
        Entry::RunHere => admission::run_here(shared, task),
        Entry::Drop => admission::throw_away(shared, task),
        Entry::Queue => unreachable!("it was queued"),
    }
}

/// See [`Pool::execute_batch`](crate::Pool::execute_batch).
pub fn execute_batch<I, F>(shared: &impl Intake, tasks: I) -> Result<usize, BatchError<F, ()>>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() + Send + 'static,
{
    let mut tasks = tasks.into_iter();
    let result = if shared.admission.is_none() {
        shared.dispatch_batch(tasks.by_ref(), Task::new)
    } else {
        bounded_batch::execute(shared, tasks.by_ref())
    };
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
    let result = if shared.admission.is_none() {
        shared.dispatch_batch(tasks.by_ref(), with_handle_in(shared.id, &mut handles))
    } else {
        bounded_batch::submit(shared, tasks.by_ref(), &mut handles)
    };
    match result {
        Ok(_) => Ok(handles),
        Err(Rejected { mut returned, kind, .. }) => {
            returned.extend(tasks);
            Err(BatchError { accepted: handles, rejected: returned, kind })
        }
    }
}

/// Makes tasks with handles, which go to `handles`.
pub fn with_handle_in<F, T>(pool: u32, handles: &mut Vec<JoinHandle<T>>) -> impl FnMut(F) -> Task
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    move |task| {
        let (task, handle) = slotted(pool, task);
        handles.push(JoinHandle::new(handle));
        task
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
