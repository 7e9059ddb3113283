//! How tasks are handed to a pool of any kind: the trait [`Intake`], the routes that a task can take, and
//! what a batch needs.
//!
//! `push` and `pull` implement the trait, and so do lanes and
//! [`CurrentIntake`](crate::runtime::current_intake). Producers call it on any thread. Guarded by
//! `tests/it/behaviour/dispatch.rs`, `batches.rs` and `affinity.rs` beside it, and `tests/stress`.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::Weak;
use std::sync::atomic::Ordering;

use crate::base::error::SubmitErrorKind;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::runtime::priority::Priority;
use crate::task::erased::Task;
use crate::task::owners::TaskOwner;
use crate::workers::idle::Idle;

/// How many tasks of a batch are drawn from the caller's iterator and queued at a time. Large enough to share
/// the cost of a publication, small enough that a slow iterator does not hold tasks back for long.
pub const SUBMIT_PORTION: usize = 32;

/// The queue that a task is pushed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Route {
    /// The queue that the pool chooses.
    #[default]
    Any,
    /// The queue of a priority.
    Priority(Priority),
    /// The mailbox of the worker with this number.
    Worker(usize),
    /// The mailbox of the worker that gets all tasks with this key, a hash of the user's value.
    Key(u64),
}

impl Route {
    /// The route of tasks of this priority.
    pub fn of(priority: Priority) -> Route {
        match priority {
            Priority::Normal => Route::Any,
            other => Route::Priority(other),
        }
    }
}

/// What limits when tasks that an [`Intake`] has accepted may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLimit {
    /// Nothing: any thread may run such a task at any time.
    None,
    /// Only so many may run at a time. The code that starts them keeps to that (`submit/lane.rs`).
    Concurrency,
}

/// Takes tasks for a pool.
pub trait Intake: Deref<Target = Core> {
    /// The pool id that handles of its tasks compare with: workers of the pool with this id run an awaited
    /// task themselves.
    fn handle_pool_id(&self) -> u32 {
        self.id
    }

    /// Accepts the task that `pack` makes of `closure`, or returns the closure with the reason.
    ///
    /// `pack` is called only when the place of the task is known, with that place if possible. So nothing has
    /// to be unpacked when the task is refused, and the task is written to memory once.
    ///
    /// # Safety
    /// `pack` initialises the place that it is given, and does not panic.
    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)>;

    /// Checks that the route's worker exists. Runs before admission, so that a wrong worker number is
    /// reported even if the pool is full.
    fn check(&self, route: Route) -> Result<(), SubmitErrorKind> {
        Core::check(self, route)
    }

    /// Does what [`Intake::dispatch`] does, with a certain route. By default there is one route for all
    /// tasks, as in a lane.
    ///
    /// # Safety
    /// `pack` initialises the place that it is given, and does not panic.
    unsafe fn dispatch_by<F>(
        &self,
        _: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        // SAFETY: the two functions have the same contract: `pack` initialises its place and does not panic.
        unsafe { self.dispatch(closure, pack) }
    }

    /// Does what [`Intake::dispatch_by`] does, for a task that is no child of the task which runs on this
    /// thread. A worker whose task waits takes the tasks that it has submitted for its children, and runs
    /// them on top of the waiting task. But a pass runs work that another task may have submitted, which may
    /// wait for the waiting task.
    ///
    /// # Safety
    /// `pack` initialises the place that it is given, and does not panic.
    unsafe fn dispatch_apart<F>(
        &self,
        route: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        // SAFETY: the two functions have the same contract: `pack` initialises its place and does not panic.
        unsafe { self.dispatch_by(route, closure, pack) }
    }

    /// Accepts the tasks that `pack` makes of `closures`, in order, with few publications and few wake-ups.
    /// `pack` must not panic; the iterator may.
    fn dispatch_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let mut accepted = 0;
        for closure in closures {
            let pack = |place: &mut MaybeUninit<Task>, closure| _ = place.write(pack(closure));
            // SAFETY: this `pack` writes its place. It does not panic, because the caller's `pack` must not.
            if let Err((closure, kind)) = unsafe { self.dispatch(closure, pack) } {
                return Err(Rejected { accepted, returned: vec![closure], kind });
            }
            accepted += 1;
        }
        Ok(accepted)
    }

    /// What counts its tasks that end while they are queued.
    fn task_owner(&self) -> Option<Weak<dyn TaskOwner>> {
        Core::task_owner(self)
    }

    /// What limits its running tasks besides the capacity of the pool.
    fn run_limit(&self) -> RunLimit {
        RunLimit::None
    }

    /// Whether the calling thread acts as one of the pool's workers.
    fn is_inside(&self) -> bool {
        current::is_worker_of(self)
    }

    /// Runs `task` at once, on top of the running task, if the calling thread acts as one of the pool's
    /// workers. Else returns it.
    fn run_inside(&self, task: Task) -> Result<(), Task> {
        current::with(|worker| match worker {
            Some(worker) if std::ptr::eq(worker.core(), &**self) => {
                worker.run_submitted(task);
                Ok(())
            }
            _ => Err(task),
        })
    }
}

/// Wakes workers for the queued tasks of a batch when it is dropped, also if the caller's iterator panics.
pub struct NotifyOnDrop<'a> {
    /// Wakes the workers.
    pub idle: &'a Idle,
    /// Tasks made visible so far.
    pub tasks: usize,
}

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        self.idle.notify_many(self.tasks);
    }
}

/// A batch that was accepted only in part: the number of accepted tasks, and the closures that were drawn and
/// refused.
#[derive(Debug)]
pub struct Rejected<F> {
    /// Tasks accepted before the refusal.
    pub accepted: usize,
    /// Closures that were drawn from the iterator and refused, the oldest first.
    pub returned: Vec<F>,
    /// The reason.
    pub kind: SubmitErrorKind,
}

/// Draws closures in portions of `share` and gives each portion to `put`, which takes out what it accepts:
/// the rest is refused. `put` calls no user code.
pub fn in_portions<F>(
    idle: &Idle,
    mut closures: impl Iterator<Item = F>,
    share: usize,
    mut put: impl FnMut(&mut VecDeque<F>) -> Result<(), SubmitErrorKind>,
) -> Result<usize, Rejected<F>> {
    // A portion is drawn before places are reserved for it, because no user code may run between reservation
    // and packing.
    let mut portion = VecDeque::with_capacity(share);
    let mut batch = NotifyOnDrop { idle, tasks: 0 };
    loop {
        portion.extend(closures.by_ref().take(share));
        if portion.is_empty() {
            return Ok(batch.tasks);
        }
        let drawn = portion.len();
        let result = put(&mut portion);
        batch.tasks += drawn - portion.len();
        if let Err(kind) = result {
            return Err(Rejected { accepted: batch.tasks, returned: portion.into(), kind });
        }
        // The iterator may be slow: one worker can start on this portion.
        idle.notify();
    }
}

impl Core {
    /// Checks `route`: if it names a worker, the worker must be a member of the pool.
    pub fn check(&self, route: Route) -> Result<(), SubmitErrorKind> {
        let Route::Worker(worker) = route else { return Ok(()) };
        if self.is_forked() {
            return Err(SubmitErrorKind::Forked);
        }
        if self.is_member(worker) {
            return Ok(());
        }
        Err(match self.phase() {
            Phase::Open => SubmitErrorKind::NoSuchWorker { worker },
            _ => SubmitErrorKind::Closed, // the workers of a closed pool leave one after the other
        })
    }

    fn is_member(&self, worker: usize) -> bool {
        // Stand-ins are no address: their numbers are at `max` and above. Relaxed: the worker may leave the
        // next moment, whatever the ordering. Its mailbox then refuses the task.
        worker < self.config.limits.max
            && self.find_record(worker).is_some_and(|record| record.is_member.load(Ordering::Relaxed))
    }
}
