//! The pull pool as a [`Model`]: how workers come and go, and the end of the pool.

use std::sync::Arc;

use super::queue::Queue;
use crate::pull::shared::Shared;
use crate::pull::worker::Worker;
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::{PoolStats, Reading};
use crate::runtime::model::{Doors, Model};
use crate::task::erased::Task;

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
