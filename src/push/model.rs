//! The push pool as a [`Model`]: how workers come and go, and the end of the pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use crossbeam_deque::Injector;
use crossbeam_utils::CachePadded;

use crate::policy::victim::Neighbours;
use crate::push::queues::{TaskQueue, drain_deque};
use crate::push::shared::{PushShared, Remote, TaskBatch};
use crate::push::worker::PushWorker;
use crate::queue::batch::BATCH_CAPACITY;
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PoolStats};
use crate::runtime::model::{Model, OutsideWork};
use crate::sync::grow_table::GrowTable;
use crate::sync::snapshot::Snapshot;
use crate::task::erased::Task;

impl Model for PushShared {
    type Worker = PushWorker;

    fn new(config: Config) -> Self {
        let limits = config.limits;
        let remotes = (0..limits.min).map(|_| Remote::new(Self::first_fork_slot(limits.max))).collect();
        let neighbours = config.paths.as_ref().and_then(|paths| {
            let of_worker: Vec<_> = (0..limits.max).map(|worker| paths[worker % paths.len()]).collect();
            Neighbours::new(&of_worker)
        });
        PushShared {
            neighbours,
            core: Core::new(config),
            remotes: GrowTable::new(remotes, limits.capacity()),
            members: Snapshot::new(Box::default()),
            injector: Injector::new(),
            scope_sleepers: CachePadded::default(),
            in_flight: CachePadded::new(AtomicUsize::new(0)),
        }
    }

    fn admit(&self, index: usize, outside_work: OutsideWork) {
        let offer = || Self::first_fork_slot(self.config.limits.max);
        let remote = self.remotes.get_or_make(index, || Remote::new(offer()));
        match outside_work {
            OutsideWork::Open => {
                remote.inbox.reopen();
                remote.mailbox.reopen();
            }
            OutsideWork::Closed => {
                remote.inbox.close();
                remote.mailbox.close();
            }
        }
        let grown = self.members.read(|members| members.iter().copied().chain([index]).collect());
        self.members.replace(grown);
    }

    fn withdraw(&self, index: usize) {
        // The queues first: a dispatcher that is refused reads the set again.
        self.remote(index).inbox.close();
        self.remote(index).mailbox.close();
        let is_another = |member: &usize| *member != index;
        let left = self.members.read(|members| members.iter().copied().filter(is_another).collect());
        self.members.replace(left);
    }

    fn redistribute(&self, index: usize) -> usize {
        let mut batch = TaskBatch::new();
        let mut moved = 0;
        let mut sink = |task| {
            batch.push(task);
            moved += 1;
            if batch.len() == BATCH_CAPACITY {
                self.injector.push(std::mem::replace(&mut batch, TaskBatch::new()));
            }
        };
        let remote = self.remote(index);
        drain_deque(&remote.stealer, usize::MAX, &mut sink);
        std::iter::from_fn(|| remote.mailbox.take()).for_each(&mut sink);
        remote.inbox.drain_closed(sink);
        if !batch.is_empty() {
            self.injector.push(batch);
        }
        moved
    }

    fn worker(shared: Arc<Self>, index: usize) -> PushWorker {
        PushWorker::new(shared, index)
    }

    fn members(&self) -> Vec<usize> {
        self.members.read(<[usize]>::to_vec)
    }

    fn stats(&self) -> PoolStats {
        self.core.stats(|| self.pushed(), |index| self.depth(index))
    }

    fn read(&self) -> LoadSample {
        self.core.read(|| self.pushed())
    }

    fn close_queues(&self) {
        for remote in self.remotes.values() {
            remote.inbox.close();
            remote.mailbox.close();
        }
    }

    fn has_work(&self) -> bool {
        self.queues().any(TaskQueue::has_work)
    }

    /// When no task is left and all workers rest nothing can bring a new task: outside is shut out, and inside nobody
    /// runs.
    ///
    /// Of several workers that lie down together the last to prepare_park sees all of them, so somebody finds out. What
    /// the others pushed before they lay down this worker sees, for the announcements are ordered by their lock.
    fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        // Pairs with the fence in `in_flight`: a producer that still saw the pool open has its in_flight counted in what we
        // read from here on.
        fence(Ordering::SeqCst);
        // Both at one moment. Looked at one after the other, a worker could be at rest, be chosen or borrowed, and rest
        // again in between; and what it took or left meanwhile we would not have seen.
        if !self.idle.while_all_parked(|| self.queues().all(TaskQueue::is_drained)) {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn discard_queued(&self) {
        self.queues().for_each(|queue| queue.drain(|task| _ = self.discard(task)));
    }

    fn retain_queued(&self, keep: &mut dyn FnMut(Task) -> Option<Task>) {
        // Held while tasks are in hand that no queue shows.
        let Some(in_flight) = self.start_push() else { return };
        let mut kept = TaskBatch::new();
        let mut retain = |task| {
            if let Some(task) = keep(task) {
                kept.push(task);
                if kept.len() == BATCH_CAPACITY {
                    in_flight.inject(std::mem::replace(&mut kept, TaskBatch::new()));
                }
            }
        };
        self.queues().for_each(|queue| queue.drain_present(&mut retain));
        if !kept.is_empty() {
            in_flight.inject(kept);
        }
        // What went to the injector may have been in the inbox of a worker that is parked by now.
        self.idle.notify();
    }

    fn wait_for_producers(&self) {
        while self.in_flight.load(Ordering::Acquire) != 0 {
            std::thread::yield_now();
        }
    }
}
