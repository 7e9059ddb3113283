//! How tasks are handed to a pull pool: all of them go into the one queue, or into one of those of other priorities.

use std::collections::VecDeque;
use std::mem::MaybeUninit;

use crate::base::error::SubmitErrorKind;
use crate::pull::shared::PullShared;
use crate::pull::worker::PullWorker;
use crate::runtime::control::{Phase, Request};
use crate::runtime::intake::{Intake, Rejected, Route, SUBMIT_PORTION, in_portions};
use crate::task::erased::Task;

impl PullShared {
    /// Lets `tasks` tasks in and counts them: those of a worker's task with that worker, others at a door.
    #[inline]
    fn accept(&self, tasks: u64) -> Result<(), SubmitErrorKind> {
        let accepted = PullWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => {
                // In the phase after the last task only exit hooks run, and nobody would run what they submit.
                let runs = self.phase() < Phase::Ended;
                if runs {
                    worker.metrics().submitted.add(tasks);
                }
                runs
            }
            _ => self.queue.enter(tasks),
        });
        if accepted { Ok(()) } else { Err(SubmitErrorKind::Closed) }
    }
}

impl Intake for PullShared {
    #[inline]
    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        // SAFETY: the caller's promise.
        unsafe { self.dispatch_by(Route::Any, closure, pack) }
    }

    #[inline]
    unsafe fn dispatch_by<F>(
        &self,
        route: Route,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        if self.is_forked() {
            return Err((closure, SubmitErrorKind::Forked));
        }
        if let Err(kind) = self.check(route) {
            return Err((closure, kind));
        }
        if let Err(kind) = self.accept(1) {
            return Err((closure, kind));
        }
        let mut task = MaybeUninit::uninit();
        pack(&mut task, closure);
        // SAFETY: the caller says that `pack` has initialised it.
        let task = unsafe { task.assume_init() };
        match route {
            Route::Priority(priority) if let Some(queue) = self.priorities.queue(priority) => {
                self.request(Request::PriorityQueues); // in a pool that drains, workers find it when they look everywhere
                queue.push(task);
            }
            // All workers take from one queue, so there is nobody to send a task to.
            Route::Worker(_) | Route::Key(_) | Route::Priority(_) | Route::Any => self.queue.push(task),
        }
        self.idle.notify();
        Ok(())
    }

    fn dispatch_batch<F>(
        &self,
        closures: impl Iterator<Item = F>,
        mut pack: impl FnMut(F) -> Task,
    ) -> Result<usize, Rejected<F>> {
        if self.is_forked() {
            return Err(Rejected { accepted: 0, returned: Vec::new(), kind: SubmitErrorKind::Forked });
        }
        let share = closures.size_hint().0.clamp(1, SUBMIT_PORTION);
        in_portions(&self.idle, closures, share, |portion: &mut VecDeque<F>| {
            self.accept(portion.len() as u64)?;
            portion.drain(..).for_each(|closure| self.queue.push(pack(closure)));
            Ok(())
        })
    }
}
