//! The pull pool as a [`PoolKind`]: workers join and leave, the queue closes, the pool ends.
//!
//! Called by threads that start, resize and stop the pool, and by workers that park. Guarded by
//! `tests/it/behaviour/shutdown.rs`, `shutdown_now.rs` and the model `pull`.

use std::sync::Arc;

use crate::pull::queue::SharedQueue;
use crate::pull::shared::PullShared;
use crate::pull::worker::PullWorker;
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PoolStats};
use crate::runtime::pool_kind::{OutsideWork, PoolKind};
use crate::task::erased::Task;

impl PoolKind for PullShared {
    type Worker = PullWorker;

    fn new(config: Config) -> Self {
        PullShared { core: Core::new(config), queue: SharedQueue::new() }
    }

    fn add_member(&self, _: usize, _: OutsideWork) {} // producers do not choose a worker

    fn remove_member(&self, _: usize) {}

    fn redistribute(&self, _: usize) -> usize {
        0 // a worker has no queue of its own
    }

    fn worker(shared: Arc<Self>, index: usize) -> PullWorker {
        PullWorker::new(shared, index)
    }

    fn members(&self) -> Vec<usize> {
        self.roster.lock().members()
    }

    fn entered(&self) -> u64 {
        self.queue.entered()
    }

    fn stats(&self) -> PoolStats {
        self.core.stats(|| self.entered(), |_| 0)
    }

    fn read(&self) -> LoadSample {
        self.core.read(|| self.entered())
    }

    fn close_queues(&self) {
        self.queue.close();
    }

    fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.priorities.are_empty()
    }

    fn is_quiet(&self) -> bool {
        self.idle.while_all_parked(|| self.is_drained() && self.is_out_of_broadcasts())
    }

    /// While all workers are in the list of the parked, or have not noticed yet that a pause is over, no
    /// worker takes a task and no task submits another one, and the queue refuses outside work. So the pool
    /// has ended if all accepted tasks have been taken.
    ///
    /// If several workers park at the same time, the last one to enter the list of the parked sees all of
    /// them there, so at least that worker ends the pool.
    fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        if !self.is_quiet() {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn discard_queued(&self) {
        let sink = |task| _ = self.discard(task);
        self.queue.drain(sink);
        self.queue.drain_from(|| self.priorities.take_any().map(|(_, task)| task), sink);
        self.drain_broadcasts(sink);
    }

    fn retain_queued(&self, keep: &mut dyn FnMut(Task) -> Option<Task>) {
        self.queue.retain(keep);
        // `keep` returns structured tasks only, and a broadcast task is never structured.
        self.drain_broadcasts(|task| _ = keep(task));
        self.priorities.drain_present(|task| self.queue.retain_one(task, keep));
        self.idle.notify();
    }

    /// Called when the worker threads have ended. A task that was accepted and has not been taken is in the
    /// queue, or its producer is about to push it.
    fn wait_for_producers(&self) {
        while !self.is_drained() {
            self.discard_queued();
            std::thread::yield_now();
        }
    }
}
