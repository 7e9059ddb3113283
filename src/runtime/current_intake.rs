//! The pool whose task the calling thread runs, as an [`Intake`]. The free functions `longshore::submit` and
//! `longshore::execute` use it, because they do not know the kind of the pool. Guarded by
//! `tests/it/behaviour/dispatch.rs`.

use std::mem::MaybeUninit;
use std::ops::Deref;

use crate::base::error::SubmitErrorKind;
use crate::runtime::core::Core;
use crate::runtime::current::CurrentWorker;
use crate::runtime::intake::Intake;
use crate::task::erased::Task;

/// The pool of the worker that the calling thread acts as.
pub struct CurrentIntake<'a> {
    worker: &'a dyn CurrentWorker,
    /// The worker's core, so that only one virtual call asks for it.
    core: &'a Core,
}

impl<'a> CurrentIntake<'a> {
    /// The pool of `worker`, on whose thread this is called.
    #[inline]
    pub fn new(worker: &'a dyn CurrentWorker) -> Self {
        CurrentIntake { worker, core: worker.core() }
    }
}

impl Deref for CurrentIntake<'_> {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        self.core
    }
}

impl Intake for CurrentIntake<'_> {
    #[inline]
    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        if !self.accepts_from_inside() {
            return Err((closure, SubmitErrorKind::Closed));
        }
        let mut task = MaybeUninit::uninit();
        pack(&mut task, closure);
        // SAFETY: `pack` has initialised it, by the contract of `Intake::dispatch`.
        self.worker.push_submitted(unsafe { task.assume_init() });
        Ok(())
    }
}
