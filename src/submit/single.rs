//! How closures get into a pool, whatever its kind, and what comes back of those that it refuses. How they are made into
//! tasks is in `packing`.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::limits::budget::Share;
use crate::policy::overflow::OnFull;
use crate::runtime::intake::Intake;
use crate::runtime::model::Model;
use crate::submit::admission::{self, Entry};
use crate::submit::envelope::Escort;
use crate::submit::envelope::Judge;
use crate::submit::envelope::Plain;
use crate::submit::envelope::Ticketed;
use crate::submit::handle::JoinHandle;
use crate::submit::options::Ticket;
use crate::submit::pack::{self, LARGEST_TICKETED, put, put_work, slotted, slotted_closure};
use crate::task::conditions::Conditions;
use crate::task::erased::Task;
use crate::task::result_slot::SlotHandle;

/// See [`Pool::execute`](crate::Pool::execute). `on_full` is used instead of what the pool was built with.
#[inline]
pub fn execute<F>(shared: &impl Intake, task: F, on_full: Option<OnFull>) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    match admission::admit(shared, on_full) {
        Ok(Entry::Queue) => queue(shared, task),
        Ok(entry) => {
            execute_aside(shared, entry, task);
            Ok(())
        }
        Err(kind) => Err(SubmitError { task, kind }),
    }
}

#[cold]
fn execute_aside<F: FnOnce() + Send + 'static>(shared: &impl Intake, entry: Entry, task: F) {
    set_aside(shared, entry, pack::packed(&shared.escorts(), task));
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
        Ok(Entry::Queue) => {}
        Ok(entry) => return Ok(submit_aside(shared, entry, task)),
        Err(kind) => return Err(SubmitError { task, kind }),
    }
    // Chosen before the task is put together: see `queue`.
    match shared.escorts().next() {
        None => submit_in(shared, task, |task| pack::in_slot_plain(shared.slot_id(), task)),
        Some(escort) => submit_escorted(shared, task, escort),
    }
}

#[cold]
fn submit_aside<F, T>(shared: &impl Intake, entry: Entry, task: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (task, handle) = slotted_closure(&shared.escorts(), shared.slot_id(), task);
    set_aside(shared, entry, task);
    JoinHandle::new(handle)
}

#[cold]
fn submit_escorted<F, T>(
    shared: &impl Intake,
    task: F,
    escort: Escort,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    submit_in(shared, task, |task| pack::in_slot_escorted(shared.slot_id(), task, escort))
}

/// Queues a task that was let in, with the slot that `slotted` makes for it. That does not panic.
#[inline(always)]
fn submit_in<F, T>(
    shared: &impl Intake,
    task: F,
    slotted: impl FnOnce(F) -> (Task, SlotHandle<T>),
) -> Result<JoinHandle<T>, SubmitError<F>> {
    let mut handle = None;
    let pack = |place: &mut MaybeUninit<Task>, task: F| {
        let (task, its_handle) = slotted(task);
        place.write(task);
        handle = Some(its_handle);
    };
    // SAFETY: `pack` initialises the place, and `slotted` does not panic.
    match unsafe { shared.dispatch(task, pack) } {
        Ok(()) => Ok(JoinHandle::new(handle.expect("an accepted task was packed"))),
        Err((task, kind)) => Err(refused(shared, task, kind)),
    }
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
    // Chosen before the task is put together, so that this happens in one straight line: a task that is stored here or there
    // and picked up afterwards costs the processor a stall (see `Task`).
    let result = match shared.escorts().next() {
        // SAFETY: `new_in` initialises its place and does not panic.
        None => unsafe { shared.dispatch(task, Task::new_in) },
        Some(escort) => queue_escorted(shared, task, escort),
    };
    result.map_err(|(task, kind)| refused(shared, task, kind))
}

#[cold]
fn queue_escorted<F>(shared: &impl Intake, task: F, escort: Escort) -> Result<(), (F, SubmitErrorKind)>
where
    F: FnOnce() + Send + 'static,
{
    let pack = |place: &mut MaybeUninit<Task>, task| pack::put_escorted(place, task, escort);
    // SAFETY: `put_escorted` initialises its place and does not panic.
    unsafe { shared.dispatch(task, pack) }
}

/// A task that was let in and could not be queued.
#[cold]
fn refused<F>(shared: &impl Intake, task: F, kind: SubmitErrorKind) -> SubmitError<F> {
    admission::refund(shared, 1);
    SubmitError { task, kind }
}

/// Runs or throws away a task that is not to be queued.
#[cold]
pub fn set_aside(shared: &impl Intake, entry: Entry, task: Task) {
    match entry {
        Entry::RunHere => admission::run_here(shared, task),
        Entry::Drop => admission::throw_away(shared, task),
        Entry::Queue => unreachable!("it was queued"),
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
    let (mut handles, escorts) = (Vec::new(), shared.escorts());
    let pack = |worker| {
        let f = f.clone();
        let (task, handle) = slotted_closure(&escorts, NO_POOL, move || f(worker));
        handles.push(JoinHandle::new(handle));
        task
    };
    let members = shared.members();
    // They wait for no room: each of them has a worker of its own.
    shared.overdraw_from_outside(members.len() as u64);
    let accepted = shared.give_orders(&members, pack);
    admission::refund(shared, members.len() - handles.len()); // some may have been about to leave
    if accepted {
        return Ok(handles);
    }
    let task = Arc::into_inner(f).expect("no task was made");
    Err(SubmitError { task, kind: SubmitErrorKind::Closed })
}

/// The number that no pool has. Whoever waits for a task of this pool must not run it, as it might one of its own: it serves
/// its own pool meanwhile, its own orders among the rest.
const NO_POOL: u32 = 0;

/// Lets a task with a ticket in: how, and with which part of the budget.
pub fn admit(shared: &impl Intake, ticket: &Ticket) -> Result<Admitted, SubmitErrorKind> {
    shared.check(ticket.route)?;
    admission::admit_heavy(shared, ticket.weight, ticket.on_full)
}

/// How a task with a ticket was let in.
pub type Admitted = (Entry, Option<Share>);

/// See [`TaskBuilder::execute`](crate::TaskBuilder::execute).
pub fn execute_by<F>(shared: &impl Intake, ticket: Ticket, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    let (entry, share) = match admit(shared, &ticket) {
        Ok(admitted) => admitted,
        Err(kind) => return Err(SubmitError { task, kind }),
    };
    let Ticket { route, conditions, .. } = ticket;
    let (conditions, escorts) = (on(conditions), shared.escorts());
    let pack = |place: &mut MaybeUninit<Task>, closure: F| {
        if conditions.is_none() && share.is_none() {
            put(&escorts, place, closure);
        } else if size_of::<F>() > LARGEST_TICKETED {
            // As in `slotted_closure`: a large closure is called where it is.
            put_work(
                &escorts,
                place,
                Ticketed { conditions, closure: Box::new(closure), judge: Plain, share },
            );
        } else {
            put_work(&escorts, place, Ticketed { conditions, closure, judge: Plain, share });
        }
    };
    if entry != Entry::Queue {
        let mut place = MaybeUninit::uninit();
        pack(&mut place, task);
        // SAFETY: `pack` has initialised it.
        set_aside(shared, entry, unsafe { place.assume_init() });
        return Ok(());
    }
    // SAFETY: `pack` initialises its place and does not panic.
    let result = unsafe { shared.dispatch_by(route, task, pack) };
    result.map_err(|(task, kind)| refused(shared, task, kind))
}

/// See [`TaskBuilder::submit`](crate::TaskBuilder::submit).
pub fn submit_by<F, T>(shared: &impl Intake, ticket: Ticket, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match admit(shared, &ticket) {
        Ok(admitted) => enter(shared, admitted, ticket, task),
        Err(kind) => Err(SubmitError { task, kind }),
    }
}

/// Has a task that was let in go its way, and returns its handle.
pub fn enter<F, T>(
    shared: &impl Intake,
    admitted: Admitted,
    ticket: Ticket,
    task: F,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let entry = admitted.0;
    let (handle, aside) = enter_judged(shared, admitted, ticket, task, Plain)?;
    if let Some(task) = aside {
        set_aside(shared, entry, task);
    }
    Ok(handle)
}

/// As [`enter`], with somebody who judges what comes out, and without user code being called: a task that is not to be queued
/// comes back with its handle, for [`set_aside`].
#[expect(clippy::type_complexity, reason = "a pair, or what did not come to be one")]
pub fn enter_judged<F, T, J>(
    shared: &impl Intake,
    (entry, share): Admitted,
    ticket: Ticket,
    task: F,
    judge: J,
) -> Result<(JoinHandle<J::Output>, Option<Task>), SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
    J: Judge<T> + 'static,
{
    let conditions = on(ticket.conditions);
    let (mut handle, escorts) = (None, shared.escorts());
    let pack = |place: &mut MaybeUninit<Task>, closure: F| {
        let conditions = conditions.clone();
        let (task, its_handle) = if size_of::<F>() > LARGEST_TICKETED {
            slotted(
                &escorts,
                shared.slot_id(),
                Ticketed { conditions, closure: Box::new(closure), judge, share },
            )
        } else {
            slotted(&escorts, shared.slot_id(), Ticketed { conditions, closure, judge, share })
        };
        place.write(task);
        handle = Some(JoinHandle::new(its_handle));
    };
    let aside = if entry == Entry::Queue {
        // SAFETY: `pack` initialises the place, and `slotted` does not panic.
        let result = unsafe { shared.dispatch_by(ticket.route, task, pack) };
        result.map_err(|(task, kind)| refused(shared, task, kind))?;
        None
    } else {
        let mut place = MaybeUninit::uninit();
        pack(&mut place, task);
        // SAFETY: `pack` has initialised it.
        Some(unsafe { place.assume_init() })
    };
    let handle = handle.expect("an accepted task was packed");
    let handle = match conditions {
        Some(conditions) => handle.with_conditions(conditions),
        None => handle,
    };
    Ok((handle, aside))
}

/// Conditions in the form in which task and handle share them; nothing if there are none.
fn on(conditions: Conditions) -> Option<Arc<Conditions>> {
    (!conditions.is_empty()).then(|| Arc::new(conditions))
}
