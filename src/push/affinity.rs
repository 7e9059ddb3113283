//! Sends a task to a worker that the submitter has in mind: by its number, or by a key that stands for some data, so that
//! one worker (and its core's cache) gets all that concerns these data.
//!
//! Such a task lies in the worker's *mailbox*, not in its inbox: others take it from there only when they would sleep
//! otherwise. So it waits for a worker that is busy, but never behind one that is blocked while others have nothing to do.
//! If the worker sleeps, it is woken, and not another.

use std::mem::MaybeUninit;

use crate::base::error::SubmitErrorKind;
use crate::policy::placement;
use crate::push::shared::PushShared;
use crate::runtime::intake::Intake;
use crate::task::erased::Task;

impl PushShared {
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
        match self.remote(worker).mailbox.open() {
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
        let load = |worker: usize| self.remote(worker).mailbox.len();
        self.members.read(|members| placement::worker_for(key, self.config.limits.max, members, load))
    }
}
