//! The order in which a worker looks for its next task. All of it is here.
//!
//! A worker asks its [`TaskSource`]s. Which ones, and in which order, depends on why it asks:
//!
//! | when | sources | function |
//! |---|---|---|
//! | the pool asks for it | broadcasts, then priorities | [`WorkerLoop::maintain`] |
//! | before one task in [`FAIRNESS_INTERVAL`] | in turn one that is otherwise late: [`FAIR_TURNS`] | [`PushWorker::take_fair_turn`] |
//! | before each task | the own deque, the newest task first | [`PushWorker::next_local`] |
//! | its deque is empty | mailbox, inbox, injector, in turn one or the other first: [`REFILLS`] | [`PushWorker::refill`] |
//! | there is nothing in those either | everything, one after the other | [`WorkerLoop::find_task`] |
//! | searching did not pay | the mailboxes of its peers | [`WorkerLoop::steal_last_resort`] |
//!
//! Every task that does not come from the own deque passes [`PushWorker::take_from`], where it is counted as stolen if it was.

use crossbeam_deque::Steal;

use crate::policy::victim;
use crate::push::scope_state;
use crate::push::shared::{Remote, TaskBatch};
use crate::push::worker::PushWorker;
use crate::queue::batch::BATCH_CAPACITY;
use crate::queue::inbox::Taken;
use crate::task::erased::Task;

#[cfg(doc)]
use crate::runtime::worker_loop::WorkerLoop;

/// Every so many tasks a worker looks first where it would otherwise look last, so that neither work from outside nor
/// the oldest of its own waits for ever behind tasks that spawn tasks. tokio and Go use 61; this look is cheap.
pub const FAIRNESS_INTERVAL: u32 = 31;

/// The most tasks that a worker takes out of its own inbox at once. Its deque, of 64 places at first, does not grow because
/// of them.
const OWNER_TAKE: usize = 32;

/// The most tasks that a thief takes from a victim at once; of an inbox it takes at most half.
const THIEF_TAKE: usize = 32;

const _: () =
    assert!(OWNER_TAKE <= BATCH_CAPACITY && THIEF_TAKE <= BATCH_CAPACITY, "they travel as one batch");

/// Where a worker finds a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskSource {
    /// The far end of the own deque: the oldest of the tasks that tasks on this worker have submitted.
    OwnOldest,
    /// A broadcast.
    Broadcast,
    /// The own mailbox. Only one task at a time, because in the deque thieves could take what was sent to this worker.
    Mailbox,
    /// The own inbox, one task.
    InboxOne,
    /// The own inbox, a batch: one task is returned, the others go to the deque.
    InboxBatch,
    /// The injector, a batch.
    Injector,
    /// Forks, inboxes and deques of the peers.
    Peers,
    /// The own fork slot: while the worker waits for another pool in the first half of a join.
    OwnFork,
    /// Tasks of high and low priority.
    Priorities,
    /// The mailboxes of the peers.
    PeersMailboxes,
}

/// One of these is looked at first, in turn, before one task in [`FAIRNESS_INTERVAL`].
const FAIR_TURNS: [TaskSource; 4] =
    [TaskSource::Injector, TaskSource::InboxOne, TaskSource::Mailbox, TaskSource::OwnOldest];

/// One of these orders, in turn, when the deque is empty: none of the three may starve the others.
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
            TaskSource::Mailbox => self.remote().mailbox.take(),
            TaskSource::InboxOne => self.take_from_inbox(1),
            TaskSource::InboxBatch => self.take_from_inbox(OWNER_TAKE),
            TaskSource::Injector => self.unload(&mut self.shared.take_injected()?),
            TaskSource::Peers => self.first_of_peers(|peer| self.steal_from(peer)),
            TaskSource::OwnFork => self.take_own_fork(),
            TaskSource::Priorities => self.shared.priorities.take_any(),
            TaskSource::PeersMailboxes => self.steal_from_mailboxes(),
        }
    }

    /// Everything but the last resort, one source after the other. The own deque is among them, because a thread that had
    /// leased this worker may have left something there; and the own fork slot, because `has_work` sees it too.
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
        tick.is_multiple_of(FAIRNESS_INTERVAL)
    }

    /// Runs a task from a source that is otherwise looked at late.
    #[cold]
    pub(super) fn take_fair_turn(&self) {
        let turn = self.tick.get() / FAIRNESS_INTERVAL % FAIR_TURNS.len() as u32;
        if let Some(task) = self.take_from(FAIR_TURNS[turn as usize]) {
            self.run_task(task);
        }
    }

    /// Takes a task when the deque is empty.
    #[inline(never)]
    pub(super) fn refill(&self) -> Option<Task> {
        self.flush(); // there is nothing more in the deque, of a scope or otherwise
        let order = &REFILLS[(self.tick.get() % REFILLS.len() as u32) as usize];
        order.iter().find_map(|&source| self.take_from(source))
    }

    /// A task that was sent to a peer. Taken when there is nothing else and it did not pay to wait: the peer may be blocked.
    /// (To let a task wait a little for the worker that has its data is "delay scheduling": Zaharia et al., EuroSys 2010. Two
    /// queues for a task that has an affinity are the mailboxes of Acar, Blelloch and Blumofe, 2000.)
    #[cold]
    pub(super) fn take_last_resort(&self) -> Option<Task> {
        self.take_from(TaskSource::PeersMailboxes)
    }

    fn take_own_oldest(&self) -> Option<Task> {
        match self.remote().stealer.steal() {
            Steal::Success(task) => Some(task),
            Steal::Empty | Steal::Retry => None,
        }
    }

    fn take_from_inbox(&self, limit: usize) -> Option<Task> {
        let mut batch = self.batch.borrow_mut();
        loop {
            match self.remote().inbox.take(limit, &mut *batch) {
                Taken::Some => return self.unload(&mut batch),
                Taken::Nothing => return None,
                Taken::Contended => {} // a thief got some: that many fewer rounds are left
            }
        }
    }

    /// Moves a batch (the oldest first) to the deque, except for the oldest task, which is returned: the deque will give the
    /// others in order of arrival.
    #[inline]
    fn unload(&self, batch: &mut TaskBatch) -> Option<Task> {
        if batch.len() > 1 {
            while batch.len() > 1 {
                batch.pop().into_iter().for_each(|task| self.deque.push(task));
            }
            // On their way no queue showed these tasks, and a worker that took its last look around meanwhile has parked
            // without them. So they count as pushed anew.
            self.shared.idle.notify();
        }
        batch.pop()
    }

    fn steal_from_mailboxes(&self) -> Option<Task> {
        let task = self.shared.members.read(|members| {
            let mut peers = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
            peers.find_map(|peer| self.shared.remote(peer).mailbox.take())
        })?;
        self.count_stolen(1);
        Some(task)
    }

    /// Takes the oldest task of some peer's deque, if `wanted` holds for it; else hands it back.
    pub fn steal_one(&self, wanted: impl Fn(&Task) -> bool) -> Option<Task> {
        self.first_of_peers(|peer| {
            let Steal::Success(task) = self.shared.remote(peer).stealer.steal() else { return None };
            if wanted(&task) {
                self.count_stolen(1);
                return Some(task);
            }
            scope_state::hand_back(&self.shared, task);
            None
        })
    }

    /// What `look` finds with the first peer that has something. Each peer is visited once, the near ones first.
    fn first_of_peers(&self, mut look: impl FnMut(usize) -> Option<Task>) -> Option<Task> {
        let max = self.shared.config.limits.max;
        match &self.shared.neighbours {
            Some(neighbours) if self.index() < max => {
                let known = |&peer: &usize| self.shared.is_known(peer);
                let near = neighbours.of(self.index(), &self.rng).filter(known).find_map(&mut look);
                // Workers that stand in for blocked ones are neighbours of none.
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

    /// A contended victim is left alone: another thread is taking from it just now.
    fn steal_from(&self, victim: usize) -> Option<Task> {
        let victim = self.shared.remote(victim);
        let (fork, task) = (|| self.take_offered_fork(&victim.fork_slot), || self.steal_task(victim));
        // In turn the one or the other first: behind an endless tree of forks tasks would wait for ever.
        if self.tick.get().is_multiple_of(2) { fork().or_else(task) } else { task().or_else(fork) }
    }

    fn steal_task(&self, victim: &Remote) -> Option<Task> {
        let half = (victim.inbox.len() / 2).clamp(1, THIEF_TAKE);
        let mut batch = self.batch.borrow_mut();
        if victim.inbox.take(half, &mut *batch) == Taken::Some {
            self.count_stolen(batch.len());
            return self.unload(&mut batch);
        }
        match victim.stealer.steal_batch_with_limit_and_pop(&self.deque, THIEF_TAKE) {
            Steal::Success(task) => {
                // The deque was empty: a worker steals only then.
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
