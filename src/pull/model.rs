//! The pull pool as a [`Model`]: how workers come and go, and the end of the pool.

use std::sync::Arc;

use super::queue::SharedQueue;
use crate::pull::shared::PullShared;
use crate::pull::worker::PullWorker;
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PoolStats};
use crate::runtime::model::{Model, OutsideWork};
use crate::task::erased::Task;

impl Model for PullShared {
    type Worker = PullWorker;

    fn new(config: Config) -> Self {
        PullShared { core: Core::new(config), queue: SharedQueue::new() }
    }

    fn admit(&self, _: usize, _: OutsideWork) {} // nobody needs to know who takes

    fn withdraw(&self, _: usize) {}

    fn redistribute(&self, _: usize) -> usize {
        0 // it has nothing of its own
    }

    fn worker(shared: Arc<Self>, index: usize) -> PullWorker {
        PullWorker::new(shared, index)
    }

    fn members(&self) -> Vec<usize> {
        self.roster.lock().members()
    }

    fn stats(&self) -> PoolStats {
        self.core.stats(|| self.queue.entered(), |_| 0)
    }

    fn read(&self) -> LoadSample {
        self.core.read(|| self.queue.entered())
    }

    fn close_queues(&self) {
        self.queue.close();
    }

    /// The queue is the only source of work, but for those of other priorities.
    fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.priorities.are_empty()
    }

    /// While everyone is in the list of the parked nobody takes a task and none submits any, and the outside_work are closed;
    /// so if all that was accepted has been taken, that is the end.
    ///
    /// Of several workers that lie down together the last to prepare_park sees all of them, so somebody finds out.
    fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        let is_drained = || self.is_drained() && self.is_out_of_broadcasts();
        if !self.idle.while_all_parked(is_drained) {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn discard_queued(&self) {
        let sink = |task| _ = self.discard(task);
        self.queue.drain(sink);
        self.queue.drain_from(|| self.priorities.take_any(), sink);
        self.drain_broadcasts(sink);
    }

    fn retain_queued(&self, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        self.queue.retain(sort);
        // Orders are never structured, so none comes back.
        self.drain_broadcasts(|order| _ = sort(order));
        self.priorities.drain_present(|task| self.queue.retain_one(task, sort));
        self.idle.notify();
    }

    /// Called when the threads have gone. What was accepted and has not been taken is in the queue, or will be in a
    /// moment.
    fn wait_for_producers(&self) {
        while !self.is_drained() {
            self.discard_queued();
            std::thread::yield_now();
        }
    }
}
