//! Sends a task to a worker that the submitter has in mind: by its number, or by a key that stands for some data, so that
//! one worker (and its core's cache) gets all that concerns these data.
//!
//! Such a task lies in the worker's *mailbox*, not in its inbox: others take it from there only when they would sleep
//! otherwise. So it waits for a worker that is busy, but never behind one that is blocked while others have nothing to do.
//! If the worker sleeps, it is woken, and not another.

use std::mem::MaybeUninit;

use super::core::Core;
use super::dispatcher::Intake;
use super::lifecycle::Model;
use super::pull;
use super::shared::Shared;
use crate::base::error::SubmitErrorKind;
use crate::policy::placement;
use crate::primitives::task::Task;

/// Where its submitter wants a task to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Address {
    /// It does not matter.
    #[default]
    Anyone,
    /// On the worker of this number.
    Worker(usize),
    /// Where the other tasks with this key (a hash) run.
    Key(u64),
}

/// Whoever can be asked for a certain worker.
pub trait Deliver: Intake {
    /// As [`Intake::dispatch`], to a certain worker if that is possible.
    ///
    /// # Safety
    /// As there.
    unsafe fn deliver<F>(
        &self,
        address: Address,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)>;
}

impl Deliver for Shared {
    unsafe fn deliver<F>(
        &self,
        address: Address,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        let worker = match address {
            Address::Anyone => None,
            Address::Worker(worker) => match self.is_member(worker) {
                true => Some(worker),
                false => return Err((closure, no_such_worker(self, worker))),
            },
            Address::Key(key) => Some(self.worker_for(key)),
        };
        let mailbox = worker.map(|worker| (worker, &self.remote(worker).affine));
        match mailbox.and_then(|(worker, mailbox)| Some((worker, mailbox.open()?))) {
            Some((worker, opening)) => {
                let mut task = MaybeUninit::uninit();
                pack(&mut task, closure);
                // SAFETY: the caller says that `pack` has initialised it.
                opening.put(unsafe { task.assume_init() });
                self.idle.notify_this(worker);
                Ok(())
            }
            // Of no address, or of a pool that closes: what its tasks still submit goes the usual way.
            // SAFETY: as the caller says.
            None => unsafe { self.dispatch(closure, pack) },
        }
    }
}

impl Deliver for pull::Shared {
    /// All workers take from one queue, so there is nobody to send it to.
    unsafe fn deliver<F>(
        &self,
        address: Address,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if let Address::Worker(worker) = address
            && !self.members().contains(&worker)
        {
            return Err((closure, no_such_worker(self, worker)));
        }
        // SAFETY: as the caller says.
        unsafe { self.dispatch(closure, pack) }
    }
}

/// Why a task for `worker` is refused.
fn no_such_worker(core: &Core, worker: usize) -> SubmitErrorKind {
    if core.phase() == super::core::Phase::Open {
        SubmitErrorKind::NoSuchWorker { worker }
    } else {
        SubmitErrorKind::Closed
    }
}

impl Shared {
    fn is_member(&self, worker: usize) -> bool {
        // Workers of a pool that has not shrunk are all there.
        worker < self.records() && self.members.read(|m| m.len() == self.records() || m.contains(&worker))
    }

    /// The worker for tasks with this key.
    fn worker_for(&self, key: u64) -> usize {
        let load = |worker: usize| self.remote(worker).affine.len();
        self.members.read(|members| placement::worker_for(key, self.records(), members, load))
    }
}
