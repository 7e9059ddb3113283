//! Submission of one task to a pool of either kind, with or without a handle, with or without options; and
//! broadcasts.
//!
//! Each function here performs the three steps on the submitting thread: admit (`admission.rs`), pack
//! (`pack.rs`), queue (`runtime/intake.rs`). A task that is refused at any step is returned in a
//! [`SubmitError`], and its permits are released. Guarded by `tests/it/behaviour/dispatch.rs`, `bounded.rs`,
//! `conditions.rs` and `broadcast.rs`.

use std::mem::MaybeUninit;
use std::sync::Arc;

use crate::base::error::{SubmitError, SubmitErrorKind};
use crate::limits::budget::BudgetPermit;
use crate::policy::overflow::OnFull;
use crate::runtime::intake::{Intake, Route};
use crate::runtime::pool_kind::PoolKind;
use crate::submit::admission::{self, Admitted, run_or_drop};
use crate::submit::envelope::Extras;
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::pack::{self, PackedTask};
use crate::task::conditions::{self, Conditions, Pending};
use crate::task::erased::Task;
use crate::task::result_slot::SlotHandle;

/// See [`Pool::execute`](crate::Pool::execute). `on_full` replaces the policy that the pool was built with.
#[inline]
pub fn execute<F>(intake: &impl Intake, task: F, on_full: Option<OnFull>) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    if admission::is_admitted_at_once(intake) {
        enqueue(intake, task)
    } else {
        execute_later(intake, task, on_full)
    }
}

/// Does what the overflow policy says of a task that was not admitted at once.
#[cold]
fn execute_later<F>(intake: &impl Intake, task: F, on_full: Option<OnFull>) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    let admitted = match admission::admit(intake, on_full) {
        Ok(admitted) => admitted,
        Err(kind) => return Err(admission::refuse(intake, task, kind)),
    };
    if admitted.is_queued() {
        let result = enqueue(intake, task);
        admitted.go_on();
        return result;
    }
    run_or_drop(intake, admitted, pack::packed(task, intake.instrumentation().next()));
    Ok(())
}

/// See [`Pool::submit`](crate::Pool::submit). `on_full` replaces the policy that the pool was built with.
#[inline]
pub fn submit<F, T>(
    intake: &impl Intake,
    task: F,
    on_full: Option<OnFull>,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if !admission::is_admitted_at_once(intake) {
        return submit_later(intake, task, on_full);
    }
    // This choice is made before the task is packed, for the reason given in `enqueue`.
    match intake.instrumentation().next() {
        None => enqueue_with_handle(intake, task, |task| {
            pack::pack_with_handle(intake.handle_pool_id(), task, None)
        }),
        Some(extras) => submit_instrumented(intake, task, extras),
    }
}

/// Does what the overflow policy says of a task that was not admitted at once, and returns its handle.
#[cold]
fn submit_later<F, T>(
    intake: &impl Intake,
    task: F,
    on_full: Option<OnFull>,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let admitted = match admission::admit(intake, on_full) {
        Ok(admitted) => admitted,
        Err(kind) => return Err(admission::refuse(intake, task, kind)),
    };
    let (pool, extras) = (intake.handle_pool_id(), intake.instrumentation().next());
    if admitted.is_queued() {
        let result = enqueue_with_handle(intake, task, |task| pack::pack_with_handle(pool, task, extras));
        admitted.go_on();
        return result;
    }
    let (task, handle) = pack::pack_with_handle(pool, task, extras);
    run_or_drop(intake, admitted, task);
    Ok(JoinHandle::new(handle))
}

#[cold]
fn submit_instrumented<F, T>(
    intake: &impl Intake,
    task: F,
    extras: Extras,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let pool = intake.handle_pool_id();
    enqueue_with_handle(intake, task, |task| pack::pack_with_handle(pool, task, Some(extras)))
}

/// Queues an admitted task with the handle that `pack` makes for it. `pack` must not panic.
#[inline(always)]
fn enqueue_with_handle<F, T>(
    intake: &impl Intake,
    task: F,
    pack: impl FnOnce(F) -> (Task, SlotHandle<T>),
) -> Result<JoinHandle<T>, SubmitError<F>> {
    let mut handle = None;
    let pack = |place: &mut MaybeUninit<Task>, task: F| {
        let (task, its_handle) = pack(task);
        place.write(task);
        handle = Some(its_handle);
    };
    // SAFETY: this `pack` writes the place; packing does not panic.
    match unsafe { intake.dispatch(task, pack) } {
        Ok(()) => Ok(JoinHandle::new(handle.expect("an accepted task was packed"))),
        Err((task, kind)) => Err(refused(intake, task, kind)),
    }
}

/// Queues a task that is no child of the running task ([`Intake::dispatch_apart`]), beyond the capacity if
/// necessary. It is refused only if the pool is closed.
///
/// # Safety
/// The task is run or dropped while everything that it borrows is alive.
pub unsafe fn submit_apart<F>(intake: &impl Intake, task: F) -> Result<JoinHandle<()>, SubmitError<F>>
where
    F: FnOnce() + Send,
{
    intake.overdraw_from_outside(1);
    let (pool, extras) = (intake.handle_pool_id(), intake.instrumentation().next());
    let mut handle = None;
    let pack = |place: &mut MaybeUninit<Task>, task: F| {
        // SAFETY: the caller of `submit_apart` runs or drops the task while its borrows are alive.
        let (task, its_handle) = unsafe { pack::pack_borrowing(pool, task, extras) };
        place.write(task);
        handle = Some(its_handle);
    };
    // SAFETY: this `pack` writes the place; packing does not panic.
    match unsafe { intake.dispatch_apart(Route::Any, task, pack) } {
        Ok(()) => {
            intake.run_in_caller();
            Ok(JoinHandle::new(handle.expect("an accepted task was packed")))
        }
        Err((task, kind)) => Err(refused(intake, task, kind)),
    }
}

/// Queues an admitted task.
#[inline]
fn enqueue<F>(intake: &impl Intake, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    // This choice is made before the task is packed, so that packing is one straight line. A task that is
    // stored by one of two branches and loaded again afterwards costs the processor a store-forwarding stall
    // (see `Task`).
    let result = match intake.instrumentation().next() {
        // SAFETY: `pack_plain` initialises the place and does not panic.
        None => unsafe { intake.dispatch(task, pack::pack_plain) },
        Some(extras) => enqueue_instrumented(intake, task, extras),
    };
    result.map_err(|(task, kind)| refused(intake, task, kind))
}

#[cold]
fn enqueue_instrumented<F>(intake: &impl Intake, task: F, extras: Extras) -> Result<(), (F, SubmitErrorKind)>
where
    F: FnOnce() + Send + 'static,
{
    let pack = |place: &mut MaybeUninit<Task>, task| pack::pack(place, task, Some(extras));
    // SAFETY: `pack::pack` initialises the place and does not panic.
    unsafe { intake.dispatch(task, pack) }
}

/// Releases the permit of an admitted task that was not queued, and returns its error.
#[cold]
fn refused<F>(intake: &impl Intake, task: F, kind: SubmitErrorKind) -> SubmitError<F> {
    admission::refund(intake, 1);
    admission::refuse(intake, task, kind)
}

/// See [`Pool::broadcast`](crate::Pool::broadcast).
pub fn broadcast<F, T>(pool: &impl PoolKind, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
where
    F: Fn(usize) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    if pool.is_forked() {
        return Err(admission::refuse(pool, f, SubmitErrorKind::Forked));
    }
    let f = Arc::new(f);
    let (mut handles, instrumentation) = (Vec::new(), pool.instrumentation());
    let pack = |worker| {
        let f = f.clone();
        let (task, handle) = pack::pack_with_handle(NO_POOL, move || f(worker), instrumentation.next());
        handles.push(JoinHandle::new(handle));
        task
    };
    // Not to stand-ins, which come and go, and whose number a user does not know.
    let max = pool.config.limits.max;
    let members: Vec<_> = pool.members().into_iter().filter(|worker| *worker < max).collect();
    if pool.send_broadcast(&members, pack) {
        pool.run_in_caller();
        return Ok(handles);
    }
    let task = Arc::into_inner(f).expect("a refused broadcast makes no task");
    Err(admission::refuse(pool, task, SubmitErrorKind::Closed))
}

/// An id that no pool has. A worker must not run an awaited broadcast task itself, because the task may be
/// meant for another worker. With this id it waits as for a task of another pool, and runs its own broadcast
/// queues.
const NO_POOL: u32 = 0;

/// See [`TaskBuilder::execute`](crate::TaskBuilder::execute).
pub fn execute_with<F>(intake: &impl Intake, options: TaskOptions, task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    if options.are_plain() {
        return execute(intake, task, options.on_full);
    }
    match admission::admit_with(intake, &options) {
        Ok((admitted, permit)) => execute_admitted(intake, admitted, permit, options, task),
        Err(kind) => Err(admission::refuse(intake, task, kind)),
    }
}

/// Queues, runs or drops an admitted task with options and without a handle.
fn execute_admitted<F>(
    intake: &impl Intake,
    admitted: Admitted,
    permit: Option<BudgetPermit>,
    options: TaskOptions,
    task: F,
) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    let extras = intake.instrumentation().next_with(permit, options.label);
    let conditions = options.conditions;
    let mut pending = None;
    let packed = |task| {
        if conditions.is_empty() {
            return pack::packed(task, extras);
        }
        let (task, cell) = pack::packed_conditioned(task, extras, conditions);
        pending = Some(cell);
        task
    };
    if !admitted.is_queued() {
        run_or_drop(intake, admitted, packed(task));
        return Ok(());
    }
    let pack = |place: &mut MaybeUninit<Task>, task| _ = place.write(packed(task));
    // SAFETY: this `pack` initialises the place; packing does not panic.
    let result = unsafe { intake.dispatch_by(options.route, task, pack) };
    let result = result.map_err(|(task, kind)| refused(intake, task, kind));
    pending.iter().for_each(|pending| watch(intake, pending));
    admitted.go_on();
    result
}

/// Has a queued task with conditions end when they fail.
fn watch(intake: &impl Intake, pending: &Arc<dyn Pending>) {
    conditions::watch(pending, intake.task_owner(), |deadline, task| intake.add_deadline(deadline, task));
}

/// See [`TaskBuilder::submit`](crate::TaskBuilder::submit).
pub fn submit_with<F, T>(
    intake: &impl Intake,
    options: TaskOptions,
    task: F,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if options.are_plain() {
        return submit(intake, task, options.on_full);
    }
    match admission::admit_with(intake, &options) {
        Ok((admitted, permit)) => finish_submit(intake, admitted, permit, options, task),
        Err(kind) => Err(admission::refuse(intake, task, kind)),
    }
}

/// Queues, runs or drops an admitted task with options, and returns its handle.
pub fn finish_submit<F, T>(
    intake: &impl Intake,
    admitted: Admitted,
    permit: Option<BudgetPermit>,
    options: TaskOptions,
    task: F,
) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let pool = intake.handle_pool_id();
    let pack = |task, extras, conditions| pack::pack_with_options(pool, task, extras, conditions);
    let submitted = finish_submit_packed(intake, admitted, permit, options, task, pack);
    let Submission { handle, rest } = submitted.inspect_err(|_| admitted.go_on())?;
    rest.finish(intake, admitted);
    Ok(handle)
}

/// A submitted task.
pub struct Submission<R> {
    /// The handle of the task.
    pub handle: JoinHandle<R>,
    /// What is still to be done for it.
    pub rest: RemainingSteps,
}

/// What is still to be done for a submitted task, by [`RemainingSteps::finish`].
#[must_use]
pub struct RemainingSteps {
    /// The task, if it was not queued.
    left: Option<Task>,
    /// The task, if it is to end as soon as its conditions fail.
    watched: Option<Arc<dyn Pending>>,
}

impl RemainingSteps {
    /// Does it. The caller holds no lock, because this may call code of the task and of other tasks.
    pub fn finish(self, intake: &impl Intake, admitted: Admitted) {
        self.watched.iter().for_each(|pending| watch(intake, pending));
        admitted.go_on();
        self.left.into_iter().for_each(|task| run_or_drop(intake, admitted, task));
    }
}

/// Packs an admitted task with options by `pack`, which must not panic, and queues it if it is to be queued.
/// Calls no code of the task, so that the caller may hold a lock. Without the lock the caller then calls
/// [`RemainingSteps::finish`], or [`Admitted::go_on`] if the task was refused.
pub fn finish_submit_packed<F, R>(
    intake: &impl Intake,
    admitted: Admitted,
    permit: Option<BudgetPermit>,
    options: TaskOptions,
    task: F,
    pack: impl FnOnce(F, Option<Extras>, Conditions) -> PackedTask<R>,
) -> Result<Submission<R>, SubmitError<F>> {
    let TaskOptions { conditions, route, label, .. } = options;
    let extras = intake.instrumentation().next_with(permit, label);
    let mut handle = None;
    let pack = |place: &mut MaybeUninit<Task>, task: F| {
        let packed = pack(task, extras, conditions);
        place.write(packed.task);
        handle = Some((packed.handle, packed.pending));
    };
    let left = if admitted.is_queued() {
        // SAFETY: this `pack` writes the place; the caller's `pack` in it does not panic.
        let result = unsafe { intake.dispatch_by(route, task, pack) };
        result.map_err(|(task, kind)| refused(intake, task, kind))?;
        None
    } else {
        let mut place = MaybeUninit::uninit();
        pack(&mut place, task);
        // SAFETY: `pack` has written the place.
        Some(unsafe { place.assume_init() })
    };
    let (handle, pending) = handle.expect("an accepted task was packed");
    let handle = JoinHandle::new(handle);
    let Some(pending) = pending else {
        return Ok(Submission { handle, rest: RemainingSteps { left, watched: None } });
    };
    // A task that runs or is dropped at once has no permit, which its end would release.
    let watched = admitted.has_permit().then(|| pending.clone());
    Ok(Submission { handle: handle.with_conditions(pending), rest: RemainingSteps { left, watched } })
}
