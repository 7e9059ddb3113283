//! Sends a task to a worker that the submitter has in mind: by its number, or by a key that stands for some data, so that
//! one worker (and its core's cache) gets all that concerns these data.
//!
//! Such a task lies in the worker's *mailbox*, not in its inbox: others take it from there only when they would sleep
//! otherwise. So it waits for a worker that is busy, but never behind one that is blocked while others have nothing to do.
//! If the worker sleeps, it is woken, and not another.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use crate::base::error::SubmitErrorKind;
use crate::policy::placement;
use crate::push::dispatcher::{Intake, Route};
use crate::push::shared::Shared;
use crate::runtime::core::{Core, Phase};
use crate::task::erased::Task;

impl Shared {
    /// As [`Intake::dispatch`], to a certain worker. There has been one of this number.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn send_to<F>(
        &self,
        worker: usize,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        match self.remote(worker).affine.open() {
            Some(opening) => {
                let mut task = MaybeUninit::uninit();
                pack(&mut task, closure);
                // SAFETY: the caller says that `pack` has initialised it.
                opening.put(unsafe { task.assume_init() });
                self.idle.notify_this(worker);
                Ok(())
            }
            // It has just left the pool, which then has another do it. Or the pool closes: what its tasks still submit goes
            // the usual way, and the rest is refused there.
            // SAFETY: as the caller says.
            None => unsafe { self.dispatch(closure, pack) },
        }
    }

    /// The worker for tasks with this key.
    pub fn worker_for(&self, key: u64) -> usize {
        let load = |worker: usize| self.remote(worker).affine.len();
        self.members.read(|members| placement::worker_for(key, self.config.limits.max, members, load))
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
