//! Task affinity: sends a task to one worker, chosen by its number or by a key that names some data, so that
//! all tasks that use these data run in the same core's cache.
//!
//! Such a task is queued in the worker's *mailbox*, not in its inbox. Peers take a task from a mailbox only
//! when they would park otherwise. So the task waits for a worker that is busy, but it does not wait behind a
//! blocked worker while a peer is idle. If the chosen worker is parked, that worker is woken, and no other.
//!
//! Called by threads that submit. Guarded by `tests/it/behaviour/affinity.rs` and the model `leaving`.

use std::mem::MaybeUninit;

use longshore_trace::record::Place;

use crate::base::error::SubmitErrorKind;
use crate::policy::placement;
use crate::push::shared::PushShared;
use crate::runtime::intake::Intake;
use crate::task::erased::Task;

impl PushShared {
    /// Like [`Intake::dispatch`], but to worker `worker`, a number that this pool has used at least once.
    ///
    /// # Safety
    /// `pack` initialises the place that it is given, and does not panic.
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
                if self.is_recorded() {
                    self.note(|track| track.puts(Place::Mailbox, worker, 1));
                }
                // SAFETY: `pack` has initialised `task`; the caller promises that.
                opening.put(unsafe { task.assume_init() });
                self.idle.notify_this(worker);
                Ok(())
            }
            // The worker has just left the pool, so another worker gets the task. Or the pool closes: a task
            // from a worker is still accepted, and a task from outside is refused.
            // SAFETY: `pack` keeps the promise that `dispatch` asks for; it is the one that our caller makes.
            None => unsafe { self.dispatch(closure, pack) },
        }
    }

    /// The worker that gets the tasks with this key.
    pub fn worker_for(&self, key: u64) -> usize {
        let load = |worker: usize| self.remote(worker).mailbox.len();
        self.members.read(|members| placement::worker_for(key, self.config.limits.max, members, load))
    }
}
