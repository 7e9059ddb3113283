//! The pull model: all workers take their tasks from one shared queue, one at a time, in the order of arrival.
//!
//! Here is what the threads of such a pool share; what belongs to one worker alone is in `worker`. Threads, phases,
//! parking, records, slots and handles are those of the push model: the two differ in their queues and in nothing else.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::sync::Arc;

use super::queue::Queue;
use super::worker::Worker;

use crate::base::error::SubmitErrorKind;
use crate::push::dispatcher::{Intake, Rejected, Route, in_portions};
use crate::queue::batch::BATCH;
use crate::runtime::config::Config;
use crate::runtime::core::{Core, Phase, Request};
use crate::runtime::lifecycle::{Doors, Model};
use crate::runtime::metrics::{PoolStats, Reading};
use crate::task::erased::Task;

/// See the module's text.
#[derive(Debug)]
pub struct Shared {
    core: Core,
    pub(super) queue: Queue,
}

/// A pool is its core, with queues.
impl Deref for Shared {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Model for Shared {
    type Worker = Worker;

    fn new(config: Config) -> Self {
        Shared { core: Core::new(config), queue: Queue::new() }
    }

    fn admit(&self, _: usize, _: Doors) {} // nobody needs to know who takes

    fn withdraw(&self, _: usize) {}

    fn hand_over(&self, _: usize) -> usize {
        0 // it has nothing of its own
    }

    fn worker(shared: Arc<Self>, index: usize) -> Worker {
        Worker::new(shared, index)
    }

    fn members(&self) -> Vec<usize> {
        self.roster.lock().members()
    }

    fn stats(&self) -> PoolStats {
        self.core.stats(|| self.queue.let_in(), |_| 0)
    }

    fn read(&self) -> Reading {
        self.core.read(|| self.queue.let_in())
    }

    fn close_queues(&self) {
        self.queue.close();
    }

    /// The queue is the only source of work, but for those of other priorities.
    fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.ranks.are_empty()
    }

    /// While everyone is in the list of the parked nobody takes a task and none submits any, and the doors are closed;
    /// so if all that was accepted has been taken, that is the end.
    ///
    /// Of several workers that lie down together the last to announce sees all of them, so somebody finds out.
    fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        let is_drained = || self.is_drained() && self.is_out_of_orders();
        if !self.idle.while_all_rest(is_drained) {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn throw_away_queued(&self) {
        let throw = |task| _ = self.throw_away(task);
        self.queue.sweep(throw);
        self.queue.sweep_of(|| self.ranks.take_any(), throw);
        self.throw_away_orders(throw);
    }

    fn sift(&self, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        self.queue.sift(sort);
        // Orders are never structured, so none comes back.
        self.throw_away_orders(|order| _ = sort(order));
        self.ranks.sift(|task| self.queue.sort(task, sort));
        self.idle.notify();
    }

    /// Called when the threads have gone. What was accepted and has not been taken is in the queue, or will be in a
    /// moment.
    fn wait_for_producers(&self) {
        while !self.is_drained() {
            self.throw_away_queued();
            std::thread::yield_now();
        }
    }
}

impl Shared {
    /// Whether all that was accepted has been taken out of the queue. Exact when the doors are closed and no worker is
    /// in between; else a guess.
    fn is_drained(&self) -> bool {
        // In reverse causal order, as in `Core::stats`: what was taken has been accepted before.
        let taken = self.sum(|m| m.taken.get()) + self.queue.swept();
        let accepted = self.sum(|m| m.submitted.get()) + self.queue.let_in();
        taken == accepted
    }

    /// Lets `tasks` tasks in and counts them: those of a worker's task with that worker, others at a door.
    #[inline]
    fn accept(&self, tasks: u64) -> Result<(), SubmitErrorKind> {
        let accepted = Worker::with_current(|worker| match worker {
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

impl Intake for Shared {
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
            Route::Ranked(priority) if let Some(queue) = self.ranks.queue(priority) => {
                self.ask(Request::Ranks); // in a pool that drains, workers find it when they look everywhere
                queue.push(task);
            }
            // All workers take from one queue, so there is nobody to send a task to.
            Route::Worker(_) | Route::Key(_) | Route::Ranked(_) | Route::Any => self.queue.push(task),
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
        let share = closures.size_hint().0.clamp(1, BATCH);
        in_portions(&self.idle, closures, share, |portion: &mut VecDeque<F>| {
            self.accept(portion.len() as u64)?;
            portion.drain(..).for_each(|closure| self.queue.push(pack(closure)));
            Ok(())
        })
    }

    fn is_inside(&self) -> bool {
        Worker::with_current(|worker| worker.is_some_and(|worker| worker.belongs_to(self)))
    }

    fn run_inside(&self, task: Task) -> Result<(), Task> {
        Worker::with_current(|worker| match worker {
            Some(worker) if worker.belongs_to(self) => {
                worker.run_submitted(task);
                Ok(())
            }
            _ => Err(task),
        })
    }
}
