//! What the threads of a push pool share: the remote halves of workers, the injector, and the [`Core`].
//!
//! Any thread may touch anything here at any time. What belongs to one worker alone is in `worker`. The
//! protocol of [`InFlight`] is checked by the model `life`; the rest is covered by `tests/it/behaviour` and
//! `tests/stress`.

use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
use std::thread::Thread;

use crossbeam_deque::{Injector, Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;
use longshore_trace::record::Place;

use crate::base::facade::lock;
use crate::policy::victim::Neighbours;
use crate::push::job::Job;
use crate::queue::batch::Batch;
use crate::queue::fork_slot::ForkSlot;
use crate::queue::inbox::Inbox;
use crate::queue::injector::take;
use crate::queue::mailbox::Mailbox;
use crate::runtime::config::{Config, Rules};
use crate::runtime::control::Phase;
use crate::runtime::core::Core;
use crate::sync::grow_table::GrowTable;
use crate::sync::snapshot::Snapshot;
use crate::task::erased::Task;

/// Tasks that an inbox holds: eight batches. When a producer is faster than its worker, a larger inbox would
/// only delay the spill into the injector, where all workers find the tasks. Each place takes 40 bytes.
const INBOX_CAPACITY: usize = 256;

/// Tasks that move together: from inbox to deque, from victim to thief, and through the injector.
pub type TaskBatch = Batch<Task>;

/// The half of a worker that other threads may touch.
#[derive(Debug)]
pub struct Remote {
    /// Where dispatchers push.
    pub inbox: Inbox<Task>,
    /// Tasks sent to this worker (see `affinity`). Padded, because producers write it.
    pub mailbox: CachePadded<Mailbox<Task>>,
    /// The thieves' access to the worker's deque.
    pub stealer: Stealer<Task>,
    /// The oldest fork that no thief has taken. Padded, because the worker reads it at each fork.
    pub fork_slot: CachePadded<ForkSlot<Job>>,
    /// The epoch of the worker's present nested run, or 0 (see `worker::fork`). Written by the worker.
    pub epoch: AtomicU32,
    /// The thread that sleeps in a wait as this worker and is to be woken for a broadcast. Only used under
    /// the rules of rayon-core (see `worker::rayon_rules`).
    pub broadcast_waiter: Mutex<Option<Thread>>,
    /// The owner half, for a thread that leases the worker (see `lease`). Null until the worker first runs.
    pub owner: AtomicPtr<()>,
    /// The deque, while no worker has this number. The next worker of the number takes the same deque, so
    /// `stealer` never changes.
    deque: Mutex<Option<Deque<Task>>>,
}

impl Remote {
    /// The remote half of a worker whose forks are shown in `fork_slot`.
    pub fn new(fork_slot: ForkSlot<Job>) -> Self {
        let deque = Deque::new_lifo();
        Remote {
            inbox: Inbox::new(INBOX_CAPACITY),
            mailbox: CachePadded::default(),
            stealer: deque.stealer(),
            fork_slot: CachePadded::new(fork_slot),
            epoch: AtomicU32::new(0),
            broadcast_waiter: Mutex::new(None),
            owner: AtomicPtr::default(),
            deque: Mutex::new(Some(deque)),
        }
    }

    /// Makes the queues for tasks of other threads accept tasks.
    pub fn reopen(&self) {
        self.inbox.reopen();
        self.mailbox.reopen();
    }

    /// Makes the queues for tasks of other threads refuse tasks.
    pub fn close(&self) {
        self.inbox.close();
        self.mailbox.close();
    }

    /// Takes the deque, for a worker that starts.
    pub fn take_deque(&self) -> Deque<Task> {
        lock(&self.deque).take().expect("one worker at a time has this number")
    }

    /// Returns the deque of a worker that has ended.
    pub fn put_deque(&self, deque: Deque<Task>) {
        *lock(&self.deque) = Some(deque);
    }
}

/// The shared half of a push pool.
#[derive(Debug)]
pub struct PushShared {
    pub(super) core: Core,
    /// The remote halves by worker number. They live as long as this struct, also if their worker has left.
    pub(super) remotes: GrowTable<Remote>,
    /// The numbers of the workers that take tasks from peers. Replaced under the lock of the roster.
    pub members: Snapshot<usize>,
    /// The distances between workers, if workers are pinned and distance matters on this machine.
    pub neighbours: Option<Neighbours>,
    /// Tasks that no inbox had room for.
    pub(super) injector: Injector<TaskBatch>,
    /// Workers that sleep while they wait for a scope.
    pub scope_sleepers: CachePadded<AtomicUsize>,
    /// Producers that hold tasks for the injector that no queue shows yet; see [`InFlight`].
    pub(super) in_flight: CachePadded<AtomicUsize>,
}

/// A pool is its core and its queues.
impl Deref for PushShared {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        &self.core
    }
}

impl PushShared {
    /// The remote half of worker `index`.
    #[inline]
    pub fn remote(&self, index: usize) -> &Remote {
        self.remotes.get(index)
    }

    /// Whether there ever was a worker of this number.
    pub fn is_known(&self, index: usize) -> bool {
        self.remotes.find(index).is_some()
    }

    /// The fork slot of a new worker. A single worker has no thieves; under the rules of rayon-core it may
    /// take its own fork when it yields.
    pub(super) fn first_fork_slot(config: &Config) -> ForkSlot<Job> {
        let has_takers = config.limits.max > 1 || config.rules == Rules::RayonCore;
        if has_takers { ForkSlot::free() } else { ForkSlot::closed() }
    }

    /// Tasks that were accepted from outside.
    pub(super) fn pushed(&self) -> u64 {
        let sent = |r: &Remote| r.inbox.pushed() + r.mailbox.pushed();
        self.remotes.values().map(sent).sum::<u64>() + self.metrics.injected.get()
    }

    /// Tasks in the queues of worker `index`; 0 for a number that only a spare thread has had so far.
    pub fn depth(&self, index: usize) -> usize {
        self.remotes.find(index).map_or(0, |r| r.inbox.len() + r.mailbox.len() + r.stealer.len())
    }

    /// Registers a producer that is about to hold tasks for the injector. `None` if outside work is refused.
    pub fn start_push(&self) -> Option<InFlight<'_>> {
        self.in_flight.fetch_add(1, Ordering::Relaxed); // ordered by the fence
        let in_flight = InFlight { shared: self };
        // Pairs with the fence in `ends_now`: either the worker that ends the pool sees this increment, or
        // the load below sees the closed phase. Without it both could miss each other, and the pool would end
        // with tasks in flight.
        fence(Ordering::SeqCst);
        (self.phase() == Phase::Open).then_some(in_flight)
    }

    /// Puts a task that the calling worker has taken but may not run, or that is no child of its task, into
    /// the injector. The worker is not parked, so the pool does not end meanwhile.
    pub fn inject(&self, task: Task) {
        let mut single = TaskBatch::new();
        single.push(task);
        self.push_injector(Place::Returned, single);
        self.idle.notify();
    }

    /// Puts a batch (not empty) into the injector. `place` is what a recording says: [`Place::Injector`] for
    /// tasks of the calling thread, [`Place::Returned`] for tasks that are moved.
    pub(super) fn push_injector(&self, place: Place, batch: TaskBatch) {
        if self.is_recorded() {
            self.note(|track| track.puts(place, 0, batch.len()));
        }
        self.injector.push(batch);
    }

    /// Takes a batch out of the injector.
    pub fn take_injected(&self) -> Option<TaskBatch> {
        let batch = take(&self.injector)?;
        if self.is_recorded() {
            self.note(|track| track.got(Place::Injector, 0, batch.len()));
        }
        Some(batch)
    }
}

/// The right to put tasks into the injector. While a value of this type exists the pool does not end, because
/// its holder may have tasks that no queue shows.
#[derive(Debug)]
pub struct InFlight<'a> {
    shared: &'a PushShared,
}

impl InFlight<'_> {
    /// Puts `batch` (not empty) into the injector.
    pub fn inject(&self, batch: TaskBatch) {
        debug_assert!(!batch.is_empty());
        self.shared.push_injector(Place::Injector, batch);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // Release pairs with the Acquire load in `TaskQueue::is_drained`: a worker that reads the lower count
        // sees the tasks that were put into the injector.
        self.shared.in_flight.fetch_sub(1, Ordering::Release);
        // A worker of a pool that was closed in the meantime may have seen this producer and parked instead
        // of ending the pool. Pairs with the fence in `ends_now`: either that worker sees the decrement, or
        // the load below sees the phase that it saw. Without it that worker might never be woken again.
        fence(Ordering::SeqCst);
        if self.shared.phase() != Phase::Open {
            self.shared.idle.wake_all();
        }
    }
}
