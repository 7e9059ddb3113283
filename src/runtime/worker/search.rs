//! The order in which a worker looks for work: its deque (in the loop itself), inbox and injector, then its peers.

use std::time::{Duration, Instant};

use crossbeam_deque::Steal;

use super::{FAIRNESS_INTERVAL, Goal, HINTS_PER_SWEEP, Seeker, Worker};
use crate::policy::victim;
use crate::primitives::batch::BATCH;
use crate::primitives::inbox::Taken;
use crate::primitives::task::Task;
use crate::runtime::scoped;
use crate::runtime::shared::{Phase, Remote, TaskBatch};

impl Worker {
    #[inline]
    pub(super) fn is_fair_turn(&self) -> bool {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        tick.is_multiple_of(FAIRNESS_INTERVAL)
    }

    /// Runs a task from where the others are looked for last: the injector, the inbox, the far end of the own deque
    /// in turn.
    #[cold]
    pub(super) fn take_fair_turn(&self) {
        let oldest_own = || match self.remote().stealer.steal() {
            Steal::Success(task) => Some(task),
            Steal::Empty | Steal::Retry => None,
        };
        let task = match self.tick.get() / FAIRNESS_INTERVAL % 3 {
            0 => self.take_from_injector(),
            1 => self.take_from_inbox(1),
            _ => oldest_own(),
        };
        if let Some(task) = task {
            self.run_task(task);
        }
    }

    /// Takes a batch from inbox or injector, in turn the one or the other first.
    #[inline(never)]
    pub(super) fn refill(&self) -> Option<Task> {
        self.settle(); // there is nothing more in the deque, of a scope or otherwise
        if self.tick.get().is_multiple_of(2) {
            self.take_from_inbox(BATCH).or_else(|| self.take_from_injector())
        } else {
            self.take_from_injector().or_else(|| self.take_from_inbox(BATCH))
        }
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
        self.shared.members.read(|members| {
            let mut victims = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
            victims.find_map(|victim| if victim == self.index { None } else { self.steal_from(victim) })
        })
    }

    /// Takes the oldest task of some peer's deque, if `wanted` holds for it; else hands it back.
    pub fn steal_one(&self, wanted: impl Fn(&Task) -> bool) -> Option<Task> {
        self.shared.members.read(|members| {
            let mut peers = victim::rotation(members.len(), &self.rng).map(|i| members[i]);
            peers.find_map(|peer| {
                if peer == self.index {
                    return None;
                }
                let Steal::Success(task) = self.shared.remote(peer).stealer.steal() else { return None };
                if wanted(&task) {
                    self.metrics().stolen.add(1);
                    return Some(task);
                }
                scoped::hand_back(&self.shared, task);
                None
            })
        })
    }

    fn steal_from(&self, victim: usize) -> Option<Task> {
        let victim = self.shared.remote(victim);
        let (fork, task) = (|| self.take_offered(&victim.offer), || self.steal_task(victim));
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

/// Looks everywhere, again and again for as long as spinning pays.
pub(super) fn search(seeker: &impl Seeker, goal: &Goal<'_>) -> Option<Task> {
    let mut spin = seeker.spin().get();
    let mut until = None;
    loop {
        if goal.must_attend(seeker.shared(), seeker.index()) {
            return None;
        }
        if let Some(task) = seeker.sweep() {
            if until.is_some() {
                spin.rewarded();
                seeker.spin().set(spin);
            }
            return Some(task);
        }
        // A pool that closes ends when all its workers rest.
        if goal.is_reached(seeker.shared())
            || spin.get() == Duration::ZERO
            || seeker.shared().phase() != Phase::Open
        {
            return None;
        }
        let now = Instant::now();
        if now >= *until.get_or_insert(now + spin.get()) {
            return None; // how long the sleep lasts will tell whether that was wise
        }
        (0..HINTS_PER_SWEEP).for_each(|_| std::hint::spin_loop());
    }
}
