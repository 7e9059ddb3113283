//! The submitting side of a pull pool: tasks are pushed to the shared queue, or to a queue of high or low
//! priority.
//!
//! Called by threads that submit. Guarded by the model `pull`, `tests/it/pulling.rs` and
//! `tests/it/behaviour`.

use std::collections::VecDeque;
use std::mem::MaybeUninit;

use longshore_trace::record::Place;

use crate::base::error::SubmitErrorKind;
use crate::pull::shared::PullShared;
use crate::pull::worker::PullWorker;
use crate::runtime::control::Request;
use crate::runtime::intake::{Intake, Rejected, Route, SUBMIT_PORTION, in_portions};
use crate::runtime::priority::place_of;
use crate::task::erased::Task;

impl PullShared {
    /// Counts `tasks` tasks as accepted: by the worker whose task submits them, or as admitted from outside.
    #[inline]
    fn accept(&self, tasks: u64) -> Result<(), SubmitErrorKind> {
        let accepted = PullWorker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => {
                let accepts = self.accepts_from_inside();
                if accepts {
                    worker.metrics().submitted.add(tasks);
                }
                accepts
            }
            _ => self.queue.enter(tasks),
        });
        if accepted { Ok(()) } else { Err(SubmitErrorKind::Closed) }
    }

    /// Notes that tasks are about to be queued, if the pool is recorded.
    #[inline(always)]
    fn note_put(&self, place: Place, tasks: usize) {
        if self.is_recorded() {
            self.note(|track| track.puts(place, 0, tasks));
        }
    }
}

impl Intake for PullShared {
    #[inline]
    unsafe fn dispatch<F>(
        &self,
        closure: F,
        pack: impl FnOnce(&mut MaybeUninit<Task>, F),
    ) -> Result<(), (F, SubmitErrorKind)> {
        // SAFETY: `pack` initialises its place and does not panic; our caller promises both.
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
        if let Err(kind) = self.check(route).and_then(|()| self.accept(1)) {
            return Err((closure, kind));
        }
        let mut task = MaybeUninit::uninit();
        pack(&mut task, closure);
        // SAFETY: `pack` has initialised `task`; the caller promises that.
        let task = unsafe { task.assume_init() };
        let of_priority = match route {
            Route::Priority(priority) => self.priorities.queue(priority).map(|queue| (priority, queue)),
            // All workers take from the shared queue, so a task cannot be sent to one of them.
            Route::Worker(_) | Route::Key(_) | Route::Any => None,
        };
        match of_priority {
            Some((priority, queue)) => {
                // Refused by a pool that drains; its workers find the task when they search all queues.
                self.request(Request::PriorityQueues);
                self.note_put(place_of(priority), 1);
                queue.push(task);
            }
            None => {
                self.note_put(Place::Shared, 1);
                self.queue.push(task);
            }
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
            self.note_put(Place::Shared, portion.len());
            portion.drain(..).for_each(|closure| self.queue.push(pack(closure)));
            Ok(())
        })
    }
}
