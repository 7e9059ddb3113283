//! All that the threads of a push pool share: the remote halves of the workers, the injector, and the [`Core`] that
//! every pool has. Everything here may be touched by any thread at any time; what belongs to one worker alone is in
//! `worker`.

use std::ops::Deref;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex};

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;

pub use crate::runtime::core::Phase;

use crate::base::facade::lock;
use crate::policy::victim::Neighbours;
use crate::push::worker::Worker;
use crate::push::worker::fork::Job;
use crate::queue::batch::{BATCH, Batch};
use crate::queue::fork_slot::Offer;
use crate::queue::inbox::{Inbox, Taken};
use crate::queue::injector::take;
use crate::queue::mailbox::Mailbox;
use crate::runtime::config::Config;
use crate::runtime::core::Core;
use crate::runtime::lifecycle::{Doors, Model};
use crate::runtime::metrics::{PoolStats, Reading};
use crate::sync::grow_table::Numbered;
use crate::sync::snapshot::Members;
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
    pub affine: CachePadded<Mailbox<Task>>,
    /// Thieves' access to the worker's deque.
    pub stealer: Stealer<Task>,
    /// The oldest work that the worker has forked. Padded, for the worker looks at it at each fork.
    pub offer: CachePadded<Offer<Job>>,
    /// What the worker is in the middle of: 0, or the number of a service (see `worker::fork`). Written by the worker.
    pub service: AtomicU32,
    /// The owner half, for whoever has borrowed the worker (see `guest`); null before the worker's first rest.
    pub owner: AtomicPtr<Worker>,
    /// The deque itself, while no worker has it. A later worker of the same number takes it on, so that `stealer` stays
    /// what it is.
    deque: Mutex<Option<Deque<Task>>>,
}

impl Remote {
    /// The remote half of a worker that shows others `offer`.
    pub fn new(offer: Offer<Job>) -> Self {
        let deque = Deque::new_lifo();
        Remote {
            inbox: Inbox::new(INBOX_CAPACITY),
            affine: CachePadded::default(),
            stealer: deque.stealer(),
            offer: CachePadded::new(offer),
            service: AtomicU32::new(0),
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

    /// Whether a thief would find something here (at the latest when it is about to lie down).
    pub fn has_work(&self) -> bool {
        self.inbox.has_ready() || self.offer.has_any() || !self.stealer.is_empty() || !self.affine.is_empty()
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Shared {
    core: Core,
    /// Remote halves by the number of their worker. They live as long as this struct, whoever leaves the pool.
    remotes: Numbered<Remote>,
    /// The numbers of the workers that take tasks from others. Replaced under the lock of the roster.
    pub members: Members<usize>,
    /// Who is near whom, if workers are pinned and the machine makes a difference.
    pub neighbours: Option<Neighbours>,
    /// What no inbox had room for.
    injector: Injector<TaskBatch>,
    /// Workers that sleep while they wait for a scope.
    pub scope_sleepers: CachePadded<AtomicUsize>,
    /// Producers on their way to the injector with tasks that no queue shows; see [`Passage`].
    passages: CachePadded<AtomicUsize>,
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
        let limits = config.limits;
        let remotes = (0..limits.min).map(|_| Remote::new(Self::first_offer(limits.max))).collect();
        let neighbours = config.paths.as_ref().and_then(|paths| {
            let of_worker: Vec<_> = (0..limits.max).map(|worker| paths[worker % paths.len()]).collect();
            Neighbours::new(&of_worker)
        });
        Shared {
            neighbours,
            core: Core::new(config),
            remotes: Numbered::new(remotes, limits.capacity()),
            members: Members::new(Box::default()),
            injector: Injector::new(),
            scope_sleepers: CachePadded::default(),
            passages: CachePadded::new(AtomicUsize::new(0)),
        }
    }

    fn admit(&self, index: usize, doors: Doors) {
        let offer = || Self::first_offer(self.config.limits.max);
        let remote = self.remotes.get_or_make(index, || Remote::new(offer()));
        match doors {
            Doors::Open => {
                remote.inbox.reopen();
                remote.affine.reopen();
            }
            Doors::Closed => {
                remote.inbox.close();
                remote.affine.close();
            }
        }
        let grown = self.members.read(|members| members.iter().copied().chain([index]).collect());
        self.members.replace(grown);
    }

    fn withdraw(&self, index: usize) {
        // The queues first: a dispatcher that is refused reads the set again.
        self.remote(index).inbox.close();
        self.remote(index).affine.close();
        let is_another = |member: &usize| *member != index;
        let left = self.members.read(|members| members.iter().copied().filter(is_another).collect());
        self.members.replace(left);
    }

    fn hand_over(&self, index: usize) -> usize {
        let mut batch = TaskBatch::new();
        let mut moved = 0;
        let mut sink = |task| {
            batch.push(task);
            moved += 1;
            if batch.len() == BATCH {
                self.injector.push(std::mem::replace(&mut batch, TaskBatch::new()));
            }
        };
        let remote = self.remote(index);
        steal_all(&remote.stealer, &mut sink);
        std::iter::from_fn(|| remote.affine.take()).for_each(&mut sink);
        remote.inbox.drain_closed(sink);
        if !batch.is_empty() {
            self.injector.push(batch);
        }
        moved
    }

    fn worker(shared: Arc<Self>, index: usize) -> Worker {
        Worker::new(shared, index)
    }

    fn members(&self) -> Vec<usize> {
        self.members.read(<[usize]>::to_vec)
    }

    fn stats(&self) -> PoolStats {
        self.core.stats(|| self.pushed(), |index| self.depth(index))
    }

    fn read(&self) -> Reading {
        self.core.read(|| self.pushed())
    }

    fn close_queues(&self) {
        for remote in self.remotes.values() {
            remote.inbox.close();
            remote.affine.close();
        }
    }

    /// Every source of work is named here, and nowhere else: the inboxes and mailboxes (one's own among them), the
    /// offers, the deques, the injector, and the queues of other priorities. Orders, which concern one worker alone, are in
    /// `Core::has_orders`.
    fn has_work(&self) -> bool {
        !self.injector.is_empty()
            || !self.ranks.are_empty()
            // All that there ever were: the queues of those who have gone are empty, and the set costs a fence to read.
            || self.remotes.values().any(Remote::has_work)
    }

    /// When no task is left and all workers rest nothing can bring a new task: outside is shut out, and inside nobody
    /// runs.
    ///
    /// Of several workers that lie down together the last to announce sees all of them, so somebody finds out. What
    /// the others pushed before they lay down this worker sees, for the announcements are ordered by their lock.
    fn ends_now(&self) -> bool {
        if self.phase() == Phase::Open {
            return false;
        }
        // Pairs with the fence in `passage`: a producer that still saw the pool open has its passage counted in what we
        // read from here on.
        fence(Ordering::SeqCst);
        // Both at one moment. Looked at one after the other, a worker could be at rest, be chosen or borrowed, and rest
        // again in between; and what it took or left meanwhile we would not have seen.
        if !self.idle.while_all_rest(|| self.is_drained()) {
            return self.has_ended();
        }
        self.advance(Phase::Ended);
        self.idle.wake_all();
        true
    }

    fn throw_away_queued(&self) {
        let throw = |task| _ = self.throw_away(task);
        self.throw_away_orders(throw);
        for remote in self.remotes.values() {
            remote.inbox.drain_closed(throw);
            std::iter::from_fn(|| remote.affine.take()).for_each(throw);
        }
        while let Some(mut batch) = self.take_injected() {
            std::iter::from_fn(|| batch.pop()).for_each(throw);
        }
        std::iter::from_fn(|| self.ranks.take_any()).for_each(throw);
        self.remotes.values().for_each(|remote| steal_all(&remote.stealer, throw));
    }

    fn sift(&self, sort: &mut dyn FnMut(Task) -> Option<Task>) {
        // Held while tasks are in hand that no queue shows.
        let Some(passage) = self.passage() else { return };
        let mut batch = Vec::with_capacity(BATCH);
        let mut kept = TaskBatch::new();
        let mut sort = |task| {
            if let Some(task) = sort(task) {
                kept.push(task);
                if kept.len() == BATCH {
                    passage.inject(std::mem::replace(&mut kept, TaskBatch::new()));
                }
            }
        };
        for remote in self.remotes.values() {
            let mut left = remote.inbox.len();
            while left > 0 && remote.inbox.take(left.min(BATCH), &mut batch) == Taken::Some {
                left = left.saturating_sub(batch.len());
                batch.drain(..).for_each(&mut sort);
            }
            // None of them is structured, so none is given another place.
            (0..remote.affine.len()).map_while(|_| remote.affine.take()).for_each(&mut sort);
        }
        for _ in 0..self.injector.len() {
            let Some(mut batch) = self.take_injected() else { break };
            std::iter::from_fn(|| batch.pop()).for_each(&mut sort);
        }
        for remote in self.remotes.values() {
            for _ in 0..remote.stealer.len() {
                match remote.stealer.steal() {
                    Steal::Success(task) => sort(task),
                    Steal::Retry => std::hint::spin_loop(),
                    Steal::Empty => break,
                }
            }
        }
        self.throw_away_orders(&mut sort);
        self.ranks.sift(&mut sort);
        if !kept.is_empty() {
            passage.inject(kept);
        }
        // What went to the injector may have been in the inbox of a worker that sleeps by now.
        self.idle.notify();
    }

    fn wait_for_producers(&self) {
        while self.passages.load(Ordering::Acquire) != 0 {
            std::thread::yield_now();
        }
    }
}

impl Shared {
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
    fn first_offer(max: usize) -> Offer<Job> {
        if max > 1 { Offer::free() } else { Offer::closed() }
    }

    /// Tasks that were accepted from outside.
    fn pushed(&self) -> u64 {
        let sent = |r: &Remote| r.inbox.pushed() + r.affine.pushed();
        self.remotes.values().map(sent).sum::<u64>() + self.metrics.injected.get()
    }

    /// Tasks in the queues of worker `index`.
    pub fn depth(&self, index: usize) -> usize {
        // A thread that is only kept for a worker to come has none.
        self.remotes.find(index).map_or(0, |r| r.inbox.len() + r.affine.len() + r.stealer.len())
    }

    /// Opens a passage to the injector; `None` once the pool is closed to work from outside.
    pub fn passage(&self) -> Option<Passage<'_>> {
        self.passages.fetch_add(1, Ordering::Relaxed); // ordered by the fence
        let passage = Passage { shared: self };
        fence(Ordering::SeqCst); // see `ends_now`
        (self.phase() == Phase::Open).then_some(passage)
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

    /// Whether no queue holds a task and nobody is on the way with one.
    fn is_drained(&self) -> bool {
        let inboxes_empty = self.remotes.values().all(|r| r.inbox.len() == 0);
        // In this order: tasks leave an inbox inside a passage, which ends when they are in the injector. Acquire
        // pairs with the Release at the passage's end.
        let nobody_between = self.passages.load(Ordering::Acquire) == 0;
        inboxes_empty
            && nobody_between
            && self.remotes.values().all(|r| r.affine.is_empty())
            && self.is_out_of_orders()
            && self.injector.is_empty()
            && self.ranks.are_empty()
            && self.remotes.values().all(|r| r.stealer.is_empty())
    }
}

/// Gives all that is in a deque to `sink`, the oldest first.
fn steal_all(deque: &Stealer<Task>, mut sink: impl FnMut(Task)) {
    loop {
        match deque.steal() {
            Steal::Success(task) => sink(task),
            // Somebody else got one, so this loop ends after at most as many rounds as there are tasks.
            Steal::Retry => std::hint::spin_loop(),
            Steal::Empty => return,
        }
    }
}

/// The right to put tasks into the injector. While one is open the pool does not end: its holder may have tasks in
/// hand that no queue shows.
#[derive(Debug)]
pub struct Passage<'a> {
    shared: &'a Shared,
}

impl Passage<'_> {
    /// Puts `batch` (not empty) into the injector.
    pub fn inject(&self, batch: TaskBatch) {
        debug_assert!(!batch.is_empty());
        self.shared.injector.push(batch);
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        // Release: who sees the passage closed sees what it put into the injector.
        self.shared.passages.fetch_sub(1, Ordering::Release);
        // A pool that was closed in the meantime may have found us here and gone to sleep instead of ending.
        fence(Ordering::SeqCst);
        if self.shared.phase() != Phase::Open {
            self.shared.idle.wake_all();
        }
    }
}
