//! All that the threads of a push pool share: the remote halves of the workers, the injector, and the [`Core`] that
//! every pool has. Everything here may be touched by any thread at any time; what belongs to one worker alone is in
//! `worker`.

use crate::runtime::control::Phase;
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

use crossbeam_deque::{Injector, Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;

use crate::base::facade::lock;
use crate::policy::victim::Neighbours;
use crate::push::job::Job;
use crate::queue::batch::Batch;
use crate::queue::fork_slot::ForkSlot;
use crate::queue::inbox::Inbox;
use crate::queue::injector::take;
use crate::queue::mailbox::Mailbox;
use crate::runtime::core::Core;
use crate::sync::grow_table::GrowTable;
use crate::sync::snapshot::Snapshot;
use crate::task::erased::Task;

/// Tasks that an inbox holds: eight batches. More would only postpone the moment at which a producer that is faster
/// than its worker moves tasks to the injector, where everyone finds them; each slot costs 40 bytes.
const INBOX_CAPACITY: usize = 256;

/// Tasks that travel together: from inbox to deque, from victim to thief, and through the injector.
pub type TaskBatch = Batch<Task>;

/// The half of a worker that other threads may touch.
#[derive(Debug)]
pub struct Remote {
    /// Where dispatchers push.
    pub inbox: Inbox<Task>,
    /// Tasks that were sent to this worker on purpose (see `addressed`). Padded, for producers write it.
    pub mailbox: CachePadded<Mailbox<Task>>,
    /// Thieves' access to the worker's deque.
    pub stealer: Stealer<Task>,
    /// The oldest work that the worker has forked. Padded, for the worker looks at it at each fork.
    pub fork_slot: CachePadded<ForkSlot<Job>>,
    /// What the worker is in the middle of: 0, or the number of a service (see `worker::fork`). Written by the worker.
    pub epoch: AtomicU32,
    /// The owner half, for whoever has borrowed the worker (see `leased`); null before the worker's first rest.
    pub owner: AtomicPtr<()>,
    /// The deque itself, while no worker has it. A later worker of the same number takes it on, so that `stealer` stays
    /// what it is.
    deque: Mutex<Option<Deque<Task>>>,
}

impl Remote {
    /// The remote half of a worker that shows others `offer`.
    pub fn new(offer: ForkSlot<Job>) -> Self {
        let deque = Deque::new_lifo();
        Remote {
            inbox: Inbox::new(INBOX_CAPACITY),
            mailbox: CachePadded::default(),
            stealer: deque.stealer(),
            fork_slot: CachePadded::new(offer),
            epoch: AtomicU32::new(0),
            owner: AtomicPtr::default(),
            deque: Mutex::new(Some(deque)),
        }
    }

    /// The deque, for the worker that begins.
    pub fn take_deque(&self) -> Deque<Task> {
        lock(&self.deque).take().expect("one worker at a time has this number")
    }

    /// The deque, from a worker that has ended.
    pub fn put_deque(&self, deque: Deque<Task>) {
        *lock(&self.deque) = Some(deque);
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct PushShared {
    pub(super) core: Core,
    /// Remote halves by the number of their worker. They live as long as this struct, whoever leaves the pool.
    pub(super) remotes: GrowTable<Remote>,
    /// The numbers of the workers that take tasks from others. Replaced under the lock of the roster.
    pub members: Snapshot<usize>,
    /// Who is near whom, if workers are pinned and the machine makes a difference.
    pub neighbours: Option<Neighbours>,
    /// What no inbox had room for.
    pub(super) injector: Injector<TaskBatch>,
    /// Workers that sleep while they wait for a scope.
    pub scope_sleepers: CachePadded<AtomicUsize>,
    /// Producers on their way to the injector with tasks that no queue shows; see [`InFlight`].
    pub(super) in_flight: CachePadded<AtomicUsize>,
}

/// A pool is its core, with queues.
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

    /// What a worker of a pool of up to `max` workers has on offer at first. One without peers keeps what it forks.
    pub(super) fn first_fork_slot(max: usize) -> ForkSlot<Job> {
        if max > 1 { ForkSlot::free() } else { ForkSlot::closed() }
    }

    /// Tasks that were accepted from outside.
    pub(super) fn pushed(&self) -> u64 {
        let sent = |r: &Remote| r.inbox.pushed() + r.mailbox.pushed();
        self.remotes.values().map(sent).sum::<u64>() + self.metrics.injected.get()
    }

    /// Tasks in the queues of worker `index`.
    pub fn depth(&self, index: usize) -> usize {
        // A thread that is only kept for a worker to come has none.
        self.remotes.find(index).map_or(0, |r| r.inbox.len() + r.mailbox.len() + r.stealer.len())
    }

    /// Opens a in_flight to the injector; `None` once the pool is closed to work from outside.
    pub fn start_push(&self) -> Option<InFlight<'_>> {
        self.in_flight.fetch_add(1, Ordering::Relaxed); // ordered by the fence
        let in_flight = InFlight { shared: self };
        fence(Ordering::SeqCst); // see `ends_now`
        (self.phase() == Phase::Open).then_some(in_flight)
    }

    /// Gives everyone a task that a worker has taken and may not run. (The worker is not at rest, so the pool does not
    /// end meanwhile.)
    pub fn inject(&self, task: Task) {
        let mut alone = TaskBatch::new();
        alone.push(task);
        self.injector.push(alone);
        self.idle.notify();
    }

    /// Takes a batch out of the injector.
    pub fn take_injected(&self) -> Option<TaskBatch> {
        take(&self.injector)
    }
}

/// The right to put tasks into the injector. While one is open the pool does not end: its holder may have tasks in
/// hand that no queue shows.
#[derive(Debug)]
pub struct InFlight<'a> {
    shared: &'a PushShared,
}

impl InFlight<'_> {
    /// Puts `batch` (not empty) into the injector.
    pub fn inject(&self, batch: TaskBatch) {
        debug_assert!(!batch.is_empty());
        self.shared.injector.push(batch);
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        // Release: who sees the in_flight closed sees what it put into the injector.
        self.shared.in_flight.fetch_sub(1, Ordering::Release);
        // A pool that was closed in the meantime may have found us here and gone to sleep instead of ending.
        fence(Ordering::SeqCst);
        if self.shared.phase() != Phase::Open {
            self.shared.idle.wake_all();
        }
    }
}
