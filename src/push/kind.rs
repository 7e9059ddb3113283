//! The push pool as a [`PoolKind`]: workers join and leave, queues close, the pool ends.
//!
//! Called by threads that start, resize and stop the pool, and by workers that park. Guarded by
//! `tests/it/behaviour/shutdown.rs`, `shutdown_now.rs`, `tests/elastic` and the models `life`, `members` and
//! `leaving`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use crossbeam_deque::Injector;
use crossbeam_utils::CachePadded;
use longshore_trace::record::Place;

use crate::policy::victim::Neighbours;
use crate::push::queues::{DrainLimit, TaskQueue, drain_deque};
use crate::push::scope_state;
use crate::push::shared::{PushShared, Remote, TaskBatch};
use crate::push::worker::PushWorker;
use crate::queue::batch::BATCH_CAPACITY;
use crate::runtime::config::Config;
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::runtime::metrics::{LoadSample, PoolStats};
use crate::runtime::pool_kind::{OutsideWork, PoolKind};
use crate::sync::grow_table::GrowTable;
use crate::sync::snapshot::Snapshot;
use crate::task::erased::Task;

impl PoolKind for PushShared {
    type Worker = PushWorker;

    fn new(config: Config) -> Self {
        let limits = config.limits;
        let remotes = (0..limits.min).map(|_| Remote::new(Self::first_fork_slot(&config))).collect();
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

    fn add_member(&self, index: usize, outside_work: OutsideWork) {
        let fork_slot = || Self::first_fork_slot(&self.config);
        let remote = self.remotes.get_or_make(index, || Remote::new(fork_slot()));
        match outside_work {
            OutsideWork::Open => remote.reopen(),
            OutsideWork::Closed => remote.close(),
        }
        let grown = self.members.read(|members| members.iter().copied().chain([index]).collect());
        self.members.replace(grown);
    }

    fn remove_member(&self, index: usize) {
        // The queues first, because a dispatcher that is refused reads the set again.
        self.remote(index).close();
        let is_other = |member: &usize| *member != index;
        let remaining = self.members.read(|members| members.iter().copied().filter(is_other).collect());
        self.members.replace(remaining);
    }

    fn redistribute(&self, index: usize) -> usize {
        let (mut batch, mut moved) = (TaskBatch::new(), 0);
        let mut sink = |task| {
            self.inject_when_full(&mut batch, task);
            moved += 1;
        };
        let remote = self.remote(index);
        let mut stolen = 0;
        drain_deque(&remote.stealer, usize::MAX, |task| {
            stolen += 1;
            sink(task);
        });
        if stolen > 0 && self.is_recorded() {
            self.note(|track| track.stole(index, stolen));
        }
        std::iter::from_fn(|| remote.mailbox.take()).for_each(&mut sink);
        remote.inbox.drain_closed(sink);
        if !batch.is_empty() {
            self.push_injector(Place::Returned, batch);
        }
        moved
    }

    fn worker(shared: Arc<Self>, index: usize) -> PushWorker {
        PushWorker::new(shared, index)
    }

    fn members(&self) -> Vec<usize> {
        self.members.read(<[usize]>::to_vec)
    }

    fn entered(&self) -> u64 {
        self.pushed()
    }

    fn stats(&self) -> PoolStats {
        self.core.stats(|| self.pushed(), |index| self.depth(index))
    }

    fn read(&self) -> LoadSample {
        self.core.read(|| self.pushed())
    }

    fn close_queues(&self) {
        self.remotes.values().for_each(Remote::close);
    }

    fn has_work(&self) -> bool {
        self.any_queue_has_work()
    }

    fn is_quiet(&self) -> bool {
        // List and queues are checked under one lock. Between two separate checks a worker could be woken or
        // leased and park again, and the tasks that it took or left behind in that time would not be seen.
        self.idle.while_all_parked(|| self.queues().all(TaskQueue::is_drained))
    }

    /// If the queues are empty and all workers are parked, or have not noticed yet that a pause is over, no
    /// new task can appear: outside work is refused, and no task runs that could submit one.
    ///
    /// If several workers park at the same time, the last one to enter the list of the parked sees all of
    /// them there, so at least that worker ends the pool. It also sees the tasks that its peers pushed before
    /// they parked, because the lock of the list orders their entries before its own.
    fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        // Pairs with the fences in `start_push` and in the drop of `InFlight`: the loads below count every
        // producer that saw the pool open. Without it the pool could end while such a producer holds tasks.
        fence(Ordering::SeqCst);
        if !self.is_quiet() {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn discard_queued(&self) {
        self.queues().for_each(|queue| queue.drain(DrainLimit::All, |task| _ = self.discard(task)));
    }

    fn retain_queued(&self, keep: &mut dyn FnMut(Task) -> Option<Task>) {
        // Keeps the pool from ending while this thread holds tasks that no queue shows.
        let Some(in_flight) = self.start_push() else { return };
        let (mut retained, mut of_scopes) = (TaskBatch::new(), Vec::new());
        let mut retain = |task| match keep(task) {
            Some(task) if task.scope().is_some() => of_scopes.push(task),
            Some(task) => self.inject_when_full(&mut retained, task),
            None => {}
        };
        self.queues().for_each(|queue| queue.drain(DrainLimit::Present, &mut retain));
        // The worker that waits for the scope does not look into the injector, and there may be no other
        // worker.
        of_scopes.into_iter().for_each(|task| scope_state::hand_back(self, task));
        if !retained.is_empty() {
            in_flight.inject(retained);
        }
        // A task that was moved to the injector may have been taken from the inbox of a worker that is parked
        // by now.
        self.idle.notify();
    }

    fn wait_for_producers(&self) {
        // Acquire pairs with the Release in the drop of `InFlight`: at 0 all tasks are in the injector.
        while self.in_flight.load(Ordering::Acquire) != 0 {
            std::thread::yield_now();
        }
    }
}

impl PushShared {
    /// Adds `task` to `batch`, and moves the batch to the injector if it is full.
    fn inject_when_full(&self, batch: &mut TaskBatch, task: Task) {
        batch.push(task);
        if batch.len() == BATCH_CAPACITY {
            self.push_injector(Place::Returned, std::mem::replace(batch, TaskBatch::new()));
        }
    }
}
