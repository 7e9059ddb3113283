//! What a worker asks for its next task in its loop, in order. Waits and scopes restrict it
//! (`worker/wait.rs`, `push/scope.rs`).
//!
//! A worker asks its [`TaskSource`]s. Which ones, and in which order, depends on why it asks:
//!
//! | when | sources | function |
//! |---|---|---|
//! | the pool requests it | broadcasts, then priorities | [`WorkerLoop::maintain`] |
//! | one time in [`FAIRNESS_INTERVAL`] | one of [`FAIR_TURNS`], in turn | [`PushWorker::take_fair_turn`] |
//! | before each task | the own deque, newest task first | [`PushWorker::next_local`] |
//! | the deque is empty | mailbox, inbox, injector, in an order of [`REFILLS`] | [`PushWorker::refill`] |
//! | these are empty too | all sources, one after the other | [`WorkerLoop::find_task`] |
//! | it has searched long enough | the mailboxes of its peers | [`PushWorker::steal_from_mailboxes`] |
//!
//! Each task that is not from the own deque passes [`PushWorker::take_from`], except the tasks of maintenance
//! and of the last resort, the broadcast tasks that a wait runs, and the tasks that a wait for a scope takes
//! from peers ([`PushWorker::steal_one`]).
//!
//! Called by the thread that acts as the worker. Guarded by `tests/it/behaviour/fairness.rs`,
//! `tests/it/stealing.rs` and the model `parking`.

use crossbeam_deque::Steal;
use longshore_trace::record::Place;

use crate::policy::victim;
use crate::push::scope_state;
use crate::push::shared::TaskBatch;
use crate::push::worker::PushWorker;
use crate::queue::batch::BATCH_CAPACITY;
use crate::queue::inbox::Taken;
use crate::runtime::priority::place_of;
use crate::runtime::worker_loop::{WorkerLoop, read_usage};
use crate::task::erased::Task;

/// Before one task in so many, a worker asks a source first that it would otherwise ask last. So neither
/// tasks from outside nor the oldest own tasks wait forever behind tasks that spawn tasks. tokio and Go use
/// 61; this look is cheap.
pub const FAIRNESS_INTERVAL: u32 = 31;

/// The most tasks that a worker takes out of its own inbox at once. They fit into its deque, which has 64
/// places at first.
const OWNER_TAKE: usize = 32;

/// The most tasks that a thief takes from a victim at once. Of an inbox it takes at most half.
const THIEF_TAKE: usize = 32;

/// A recording has a sample of a busy worker's processor time at most so often, in microseconds.
const CPU_SAMPLE_MICROS: u64 = 10_000;

const _: () =
    assert!(OWNER_TAKE <= BATCH_CAPACITY && THIEF_TAKE <= BATCH_CAPACITY, "each is moved as one batch");

/// Where a worker finds a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSource {
    /// The oldest task of the own deque.
    OwnOldest,
    /// Broadcast tasks for this worker.
    Broadcast,
    /// The own mailbox, one task. (The rest stays there, because thieves could take it from the deque.)
    Mailbox,
    /// The own inbox, one task.
    InboxOne,
    /// The own inbox, a batch: one task is returned, the other tasks are moved to the deque.
    InboxBatch,
    /// The injector, a batch.
    Injector,
    /// Forks, inboxes and deques of the peers.
    Peers,
    /// The own fork slot. It holds a fork if the worker asks in a nested run, in the first half of a join.
    OwnFork,
    /// Tasks of high and low priority.
    Priorities,
}

/// One of these, in turn, is asked first before one task in [`FAIRNESS_INTERVAL`].
const FAIR_TURNS: [TaskSource; 4] =
    [TaskSource::Injector, TaskSource::InboxOne, TaskSource::Mailbox, TaskSource::OwnOldest];

/// One of these orders, in turn, is used when the deque is empty, so that no source starves another.
const REFILLS: [[TaskSource; 3]; 4] = [
    [TaskSource::InboxBatch, TaskSource::Injector, TaskSource::Mailbox],
    [TaskSource::Mailbox, TaskSource::InboxBatch, TaskSource::Injector],
    [TaskSource::Injector, TaskSource::InboxBatch, TaskSource::Mailbox],
    [TaskSource::Mailbox, TaskSource::Injector, TaskSource::InboxBatch],
];

impl PushWorker {
    /// The newest task of the own deque.
    #[inline(always)]
    pub(super) fn next_local(&self) -> Option<Task> {
        self.deque.pop()
    }

    /// Takes a task from one source.
    #[inline(always)]
    fn take_from(&self, source: TaskSource) -> Option<Task> {
        match source {
            TaskSource::OwnOldest => self.take_own_oldest(),
            TaskSource::Broadcast => self.shared.take_broadcast(self.index()),
            TaskSource::Mailbox => {
                let task = self.remote().mailbox.take()?;
                self.note(|track| track.got(Place::Mailbox, self.index(), 1));
                Some(task)
            }
            TaskSource::InboxOne => self.take_from_inbox(1),
            TaskSource::InboxBatch => self.take_from_inbox(OWNER_TAKE),
            TaskSource::Injector => self.unload(&mut self.shared.take_injected()?),
            TaskSource::Peers => self.first_of_peers(|peer| self.steal_from(peer)),
            TaskSource::OwnFork => self.take_own_fork(),
            TaskSource::Priorities => {
                let (priority, task) = self.shared.priorities.take_any()?;
                self.note(|track| track.got(place_of(priority), 0, 1));
                Some(task)
            }
        }
    }

    /// Asks all sources except the last resort, one after the other. The own deque is asked, because a thread
    /// that leased this worker may have left tasks there. The own fork slot is asked, because `has_work` sees
    /// it too: without it a worker would see work forever and never find it.
    pub(super) fn take_from_any(&self) -> Option<Task> {
        self.next_local()
            .or_else(|| self.take_from(TaskSource::Broadcast))
            .or_else(|| self.take_from(TaskSource::Mailbox))
            .or_else(|| self.take_from(TaskSource::InboxBatch))
            .or_else(|| self.take_from(TaskSource::Injector))
            .or_else(|| self.take_from(TaskSource::Peers))
            .or_else(|| self.take_from(TaskSource::OwnFork))
            .or_else(|| self.take_from(TaskSource::Priorities))
    }

    /// Whether the next task is one of [`FAIR_TURNS`].
    #[inline]
    pub(super) fn is_fair_turn(&self) -> bool {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        tick % FAIRNESS_INTERVAL == 0
    }

    /// Runs a task from a source that is otherwise asked late.
    #[cold]
    pub(super) fn take_fair_turn(&self) {
        let turn = self.tick.get() / FAIRNESS_INTERVAL % FAIR_TURNS.len() as u32;
        let source = FAIR_TURNS[turn as usize];
        if source == TaskSource::OwnOldest && self.follows_rayon() {
            return; // the own tasks start in an exact order
        }
        if let Some(task) = self.take_from(source) {
            self.run_task(task);
        }
    }

    /// Takes a task when the deque is empty.
    #[inline(never)]
    pub(super) fn refill(&self) -> Option<Task> {
        self.flush(); // the deque holds no more tasks of the scope
        let order = &REFILLS[(self.tick.get() % REFILLS.len() as u32) as usize];
        order.iter().find_map(|&source| self.take_from(source))
    }

    fn take_own_oldest(&self) -> Option<Task> {
        match self.remote().stealer.steal() {
            Steal::Success(task) => {
                self.note(|track| track.stole(self.index(), 1));
                Some(task)
            }
            Steal::Empty | Steal::Retry => None,
        }
    }

    fn take_from_inbox(&self, limit: usize) -> Option<Task> {
        let (mut batch, mut first) = (self.batch.borrow_mut(), 0);
        loop {
            match self.remote().inbox.take_noting(limit, &mut *batch, |position| first = position) {
                Taken::Some => {
                    self.note(|track| {
                        track.samples_cpu(CPU_SAMPLE_MICROS, read_usage);
                        track.depth(self.deque.len(), self.remote().inbox.len());
                        track.took(self.index(), first, batch.len());
                    });
                    return self.unload(&mut batch);
                }
                Taken::Nothing => return None,
                // A thief took tasks, so at most as many rounds are left as there are tasks.
                Taken::Contended => {}
            }
        }
    }

    /// Moves a batch (the oldest task first) to the deque, except for the oldest task, which is returned. The
    /// deque will return the other tasks in the order of arrival.
    #[inline]
    fn unload(&self, batch: &mut TaskBatch) -> Option<Task> {
        if batch.len() > 1 {
            while batch.len() > 1 {
                batch.pop().into_iter().for_each(|task| self.deque.push(task));
            }
            // While these tasks were moved no queue showed them, and a worker may have parked because of
            // that. So this is a push like any other.
            self.shared.idle.notify();
        }
        batch.pop()
    }

    /// Takes a task that was sent to a peer. Asked last, after a search that found nothing: the peer may be
    /// blocked. (To let a task wait a little for the worker that has its data is "delay scheduling": Zaharia
    /// et al., EuroSys 2010. To queue tasks with an affinity in mailboxes is due to Acar, Blelloch and
    /// Blumofe, SPAA 2000.)
    #[cold]
    pub(super) fn steal_from_mailboxes(&self) -> Option<Task> {
        let (peer, task) = self.shared.members.read(|members| {
            let mut peers = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
            peers.find_map(|peer| Some((peer, self.shared.remote(peer).mailbox.take()?)))
        })?;
        self.note(|track| track.got(Place::Mailbox, peer, 1));
        self.count_stolen(1);
        Some(task)
    }

    /// Takes the oldest task of a peer's deque, if `wanted` returns true for it; else gives the task to its
    /// scope or to the injector.
    pub fn steal_one(&self, wanted: impl Fn(&Task) -> bool) -> Option<Task> {
        self.first_of_peers(|peer| {
            let Steal::Success(task) = self.shared.remote(peer).stealer.steal() else { return None };
            self.note(|track| track.stole(peer, 1));
            if wanted(&task) {
                self.count_stolen(1);
                return Some(task);
            }
            self.note(|track| track.forgets_take());
            scope_state::hand_back(&self.shared, task);
            None
        })
    }

    /// Calls `look` for each peer once, near peers first, until it returns a task.
    fn first_of_peers(&self, mut look: impl FnMut(usize) -> Option<Task>) -> Option<Task> {
        let max = self.shared.config.limits.max;
        match &self.shared.neighbours {
            Some(neighbours) if self.index() < max => {
                let known = |&peer: &usize| self.shared.is_known(peer);
                let near = neighbours.of(self.index(), &self.rng).filter(known).find_map(&mut look);
                // Stand-ins are not in the table of neighbours.
                let stand_ins = |members: &[usize]| {
                    members.iter().copied().filter(|&peer| peer >= max).find_map(&mut look)
                };
                near.or_else(|| self.shared.members.read(stand_ins))
            }
            _ => self.shared.members.read(|members| {
                let peers = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
                peers.filter(|&peer| peer != self.index()).find_map(look)
            }),
        }
    }

    /// Steals from one victim. It does not retry if another thread takes from the victim at the same time.
    fn steal_from(&self, victim: usize) -> Option<Task> {
        let (fork, task) = (|| self.take_offered_fork(victim), || self.steal_task(victim));
        // Forks and tasks are asked for in turn, because tasks would wait forever behind an endless tree of
        // forks.
        if self.tick.get() % 2 == 0 { fork().or_else(task) } else { task().or_else(fork) }
    }

    fn steal_task(&self, number: usize) -> Option<Task> {
        let victim = self.shared.remote(number);
        let half = (victim.inbox.len() / 2).clamp(1, THIEF_TAKE);
        let (mut batch, mut first) = (self.batch.borrow_mut(), 0);
        if victim.inbox.take_noting(half, &mut *batch, |position| first = position) == Taken::Some {
            self.note(|track| track.took(number, first, batch.len()));
            self.count_stolen(batch.len());
            return self.unload(&mut batch);
        }
        match victim.stealer.steal_batch_with_limit_and_pop(&self.deque, THIEF_TAKE) {
            Steal::Success(task) => {
                // The deque was empty, because a worker steals only then.
                self.note(|track| track.stole(number, 1 + self.deque.len()));
                self.count_stolen(1 + self.deque.len());
                Some(task)
            }
            Steal::Empty | Steal::Retry => None,
        }
    }

    fn count_stolen(&self, tasks: usize) {
        self.metrics().stolen.add(tasks as u64);
    }
}
