//! Where tasks are handed to a pool of any kind: [`Intake`], the routes a task can take, and what a batch needs.

use crate::runtime::control::Phase;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::atomic::Ordering;

use crate::base::error::SubmitErrorKind;
use crate::runtime::core::Core;
use crate::runtime::current;
use crate::runtime::priority::Priority;
use crate::task::erased::Task;
use crate::workers::idle::Idle;

/// How many tasks of a batch submission are drawn from the caller's iterator and queued at a time. Large enough to share the
/// cost of a publication, small enough that a slow iterator does not keep tasks back for long.
pub const SUBMIT_PORTION: usize = 32;

/// Which way a task goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Route {
    /// Wherever the pool thinks best.
    #[default]
    Any,
    /// Before or after all others.
    Priority(Priority),
    /// To the worker of this number.
    Worker(usize),
    /// To the worker that gets all tasks with this key, a hash of the user's.
    Key(u64),
}

impl Route {
    /// The way of tasks of this priority.
    pub fn of(priority: Priority) -> Route {
        match priority {
            Priority::Normal => Route::Any,
            other => Route::Priority(other),
        }
    }
}

/// What decides when tasks that an [`Intake`] has accepted may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLimit {
    /// Nothing: any thread may run one at any time.
    None,
    /// Only so many may run at a time, which whoever takes them up sees to.
    Concurrency,
}

/// Where tasks are handed to a pool, of whatever kind.
pub trait Intake: Deref<Target = Core> {
    /// The number that handles know this intake by: that of the pool whose workers run the awaited task themselves.
    fn handle_pool_id(&self) -> u32 {
        self.id
    }

    /// Accepts a task that `pack` makes of `closure`, or hands the closure back with the reason.
    ///
    /// The task is put together only once its place is known, straight in that place if that is possible: nothing has to
    /// be unpacked when it is refused, and it is written to memory once.
    ///
    /// # Safety
    /// `pack` initialises the place that it is given, and does not panic.
    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)>;

    /// Whether there is a worker at the end of that way. Asked before the task is let in, for bad input is an error whether or
    /// not there is room.
    fn check(&self, route: Route) -> Result<(), SubmitErrorKind> {
        Core::check(self, route)
    }

    /// As [`Intake::dispatch`], by a certain way.
    ///
    /// # Safety
    /// As there.
    unsafe fn dispatch_by<F>(
        &self,
        route: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)>;

    /// Accepts the tasks that `pack` makes of `closures`, in order, with few publications and one decision whom to
    /// wake. `pack` must not panic; the iterator may.
    fn dispatch_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        let mut accepted = 0;
        for closure in closures {
            let pack = |place: &mut MaybeUninit<Task>, closure| _ = place.write(pack(closure));
            // SAFETY: `pack` initialises the place; the caller says that it does not panic.
            if let Err((closure, kind)) = unsafe { self.dispatch(closure, pack) } {
                return Err(Rejected { accepted, returned: vec![closure], kind });
            }
            accepted += 1;
        }
        Ok(accepted)
    }

    /// What limits the tasks besides the room in the pool.
    fn run_limit(&self) -> RunLimit {
        RunLimit::None
    }

    /// Whether the calling thread acts as one of the pool's workers.
    fn is_inside(&self) -> bool {
        current::is_worker_of(self)
    }

    /// Has the calling thread, if it acts as one of the pool's workers, run `task` at once, on top of the task that it runs;
    /// else hands it back.
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

/// Has workers woken for the tasks of a batch that are out when it goes: also when the caller's iterator panics.
pub struct NotifyOnDrop<'a> {
    /// Who is to be woken.
    pub idle: &'a Idle,
    /// Tasks made visible so far.
    pub tasks: usize,
}

impl Drop for NotifyOnDrop<'_> {
    fn drop(&mut self) {
        self.idle.notify_many(self.tasks);
    }
}

/// A batch that is only in part accepted: how many were, and the rest that had been drawn from the iterator.
#[derive(Debug)]
pub struct Rejected<F> {
    /// Tasks accepted before.
    pub accepted: usize,
    /// Closures that were on their way, the oldest first.
    pub returned: Vec<F>,
    /// Why.
    pub kind: SubmitErrorKind,
}

/// Draws closures in portions of `share` and has `put` take each; what it leaves in the portion is refused. `put` calls no
/// user code.
pub fn in_portions<F>(
    idle: &Idle,
    mut closures: impl Iterator<Item = F>,
    share: usize,
    mut put: impl FnMut(&mut VecDeque<F>) -> Result<(), SubmitErrorKind>,
) -> Result<usize, Rejected<F>> {
    // Drawn first and packed when the places are reserved, for between the two no user code may run.
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
        // The iterator may be slow: one worker can begin with what is there.
        idle.notify();
    }
}

impl Core {
    /// Whether a task may go by `route`: if it is to go to a worker, that must be there.
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
            _ => SubmitErrorKind::Closed, // the workers of a closed pool go one by one
        })
    }

    fn is_member(&self, worker: usize) -> bool {
        // Not one of those that stand in for others: they have no place of their own. Relaxed: it may leave the next moment,
        // whatever the ordering, and its mailbox refuses the task then.
        worker < self.config.limits.max
            && self.find_record(worker).is_some_and(|record| record.is_member.load(Ordering::Relaxed))
    }
}
