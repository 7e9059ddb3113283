//! The order in which a worker looks for work: its deque (in the loop itself), inbox and injector, then its peers.

use crossbeam_deque::Steal;

use crate::policy::victim;
use crate::push::scope_state;
use crate::push::shared::{Remote, TaskBatch};
use crate::push::worker::{FAIRNESS_INTERVAL, PushWorker};
use crate::queue::batch::BATCH;
use crate::queue::inbox::Taken;
use crate::runtime::priority::Turn;
use crate::task::erased::Task;

impl PushWorker {
    #[inline]
    pub(super) fn is_fair_turn(&self) -> bool {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        tick.is_multiple_of(FAIRNESS_INTERVAL)
    }

    /// Runs a task from where the others are looked for last: the injector, the inbox, the mailbox, the far end of the
    /// own deque in turn.
    #[cold]
    pub(super) fn take_fair_turn(&self) {
        let oldest_own = || match self.remote().stealer.steal() {
            Steal::Success(task) => Some(task),
            Steal::Empty | Steal::Retry => None,
        };
        let task = match self.tick.get() / FAIRNESS_INTERVAL % 4 {
            0 => self.take_from_injector(),
            1 => self.take_from_inbox(1),
            2 => self.remote().mailbox.take(),
            _ => oldest_own(),
        };
        if let Some(task) = task {
            self.run_task(task);
        }
    }

    /// Whose turn it is, in a pool with priorities.
    pub(super) fn next_turn(&self) -> Turn {
        self.turn.set(self.turn.get().wrapping_add(1));
        Turn::of(self.turn.get())
    }

    /// Takes a task from the mailbox, a batch from inbox or injector, in turn the one or the other first. From the mailbox
    /// only one, for in the deque all could take what was sent to this worker.
    #[inline(never)]
    pub(super) fn refill(&self) -> Option<Task> {
        self.flush(); // there is nothing more in the deque, of a scope or otherwise
        let mailbox = || self.remote().mailbox.take();
        let (inbox, injector) = (|| self.take_from_inbox(BATCH), || self.take_from_injector());
        match self.tick.get() % 4 {
            0 => inbox().or_else(injector).or_else(mailbox),
            1 => mailbox().or_else(inbox).or_else(injector),
            2 => injector().or_else(inbox).or_else(mailbox),
            _ => mailbox().or_else(injector).or_else(inbox),
        }
    }

    /// Takes a task that was sent to somebody else. Called when there is nothing else and it did not pay to wait: that one
    /// may be blocked. (To let a task wait a little for the worker that has its data is "delay scheduling": Zaharia et al.,
    /// EuroSys 2010. Two queues for a task that has an affinity are the mailboxes of Acar, Blelloch and Blumofe, 2000.)
    #[cold]
    pub(super) fn steal_from_mailboxes(&self) -> Option<Task> {
        let task = self.shared.members.read(|members| {
            let mut peers = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
            peers.find_map(|peer| self.shared.remote(peer).mailbox.take())
        })?;
        self.metrics().stolen.add(1);
        Some(task)
    }

    pub(super) fn take_from_inbox(&self, limit: usize) -> Option<Task> {
        let mut batch = self.batch.borrow_mut();
        loop {
            match self.remote().inbox.take(limit, &mut *batch) {
                Taken::Some => return self.unload(&mut batch),
                Taken::Nothing => return None,
                Taken::Contended => {} // a thief got some: that many fewer rounds are left
            }
        }
    }

    pub(super) fn take_from_injector(&self) -> Option<Task> {
        self.unload(&mut self.shared.take_injected()?)
    }

    /// Moves a batch (the oldest first) to the deque, but for the oldest, which is returned: the deque will give the
    /// others in order of arrival.
    #[inline]
    fn unload(&self, batch: &mut TaskBatch) -> Option<Task> {
        if batch.len() > 1 {
            while batch.len() > 1 {
                batch.pop().into_iter().for_each(|task| self.deque.push(task));
            }
            // On their way no queue showed these tasks, and a worker that took its last look around meanwhile has gone to
            // sleep without them. So they count as pushed anew.
            self.shared.idle.notify();
        }
        batch.pop()
    }

    /// Visits every peer once. A contended victim is left alone: somebody else is taking from it just now.
    pub(super) fn steal(&self) -> Option<Task> {
        self.first_of_peers(|peer| self.steal_from(peer))
    }

    /// Takes the oldest task of some peer's deque, if `wanted` holds for it; else hands it back.
    pub fn steal_one(&self, wanted: impl Fn(&Task) -> bool) -> Option<Task> {
        self.first_of_peers(|peer| {
            let Steal::Success(task) = self.shared.remote(peer).stealer.steal() else { return None };
            if wanted(&task) {
                self.metrics().stolen.add(1);
                return Some(task);
            }
            scope_state::hand_back(&self.shared, task);
            None
        })
    }

    /// What `look` finds with the first peer that has something, the near ones first.
    fn first_of_peers(&self, mut look: impl FnMut(usize) -> Option<Task>) -> Option<Task> {
        let max = self.shared.config.limits.max;
        match &self.shared.neighbours {
            Some(neighbours) if self.index < max => {
                let known = |&peer: &usize| self.shared.is_known(peer);
                let near = neighbours.of(self.index, &self.rng).filter(known).find_map(&mut look);
                // Those that stand in for others are nobody's neighbours.
                let stands_in = |&peer: &usize| peer >= max;
                let strangers =
                    |members: &[usize]| members.iter().copied().filter(stands_in).find_map(&mut look);
                near.or_else(|| self.shared.members.read(strangers))
            }
            _ => self.shared.members.read(|members| {
                let mut peers = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
                peers.find_map(|peer| if peer == self.index { None } else { look(peer) })
            }),
        }
    }

    fn steal_from(&self, victim: usize) -> Option<Task> {
        let victim = self.shared.remote(victim);
        let (fork, task) = (|| self.take_offered_fork(&victim.fork_slot), || self.steal_task(victim));
        // In turn the one or the other first: behind an endless tree of forks tasks would wait for ever.
        if self.tick.get().is_multiple_of(2) { fork().or_else(task) } else { task().or_else(fork) }
    }

    fn steal_task(&self, victim: &Remote) -> Option<Task> {
        let half = (victim.inbox.len() / 2).clamp(1, BATCH);
        let mut batch = self.batch.borrow_mut();
        if victim.inbox.take(half, &mut *batch) == Taken::Some {
            self.metrics().stolen.add(batch.len() as u64);
            return self.unload(&mut batch);
        }
        match victim.stealer.steal_batch_with_limit_and_pop(&self.deque, BATCH) {
            Steal::Success(task) => {
                // The deque was empty: a worker steals only then.
                self.metrics().stolen.add(1 + self.deque.len() as u64);
                Some(task)
            }
            Steal::Empty | Steal::Retry => None,
        }
    }
}
