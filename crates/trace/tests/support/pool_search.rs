//! How a worker of the simulated pool looks for work.

use super::*;

impl Pool {
    /// A worker without a task looks for one.
    pub(super) fn look(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if let Some(child) = worker.deque.pop_back() {
            return self.begin(index, child, Source::Deque);
        }
        if worker.state == State::Awake {
            worker.track().depth(0, worker.inbox.len());
        }
        if self.take_inbox(index, index, 32) || self.steal(index) {
            return;
        }
        let worker = &mut self.workers[index];
        match worker.state {
            State::Searching(since) if worker.time - since >= self.costs.spin => {
                worker.track().parks(Rest::Idle);
                worker.state = State::Parked;
            }
            State::Searching(_) => worker.time += self.costs.steal,
            _ => {
                worker.track().searches();
                worker.state = State::Searching(worker.time);
                worker.time += self.costs.steal;
            }
        }
    }

    fn take_inbox(&mut self, index: usize, victim: usize, most: usize) -> bool {
        let count = self.workers[victim].inbox.len().min(most);
        if count == 0 {
            return false;
        }
        let taken: Vec<_> = self.workers[victim].inbox.drain(..count).collect();
        let worker = &mut self.workers[index];
        worker.track().took(victim, taken[0].0, count);
        worker.deque.extend(taken[1..].iter().rev().map(|(_, task)| *task));
        self.begin(index, taken[0].1, Source::Batch);
        true
    }

    fn steal(&mut self, index: usize) -> bool {
        let count = self.workers.len();
        let first = self.random.below(count as u64) as usize;
        for victim in (0..count).map(|i| (first + i) % count).filter(|victim| *victim != index) {
            let offered = |fork: &&usize| self.forks[**fork].state == ForkState::Offered;
            if let Some(fork) = self.workers[victim].forks.iter().find(offered).copied() {
                self.steal_fork(index, victim, fork);
                return true;
            }
            let half = self.workers[victim].inbox.len().div_ceil(2);
            if self.take_inbox(index, victim, half.min(32)) {
                return true;
            }
            let half = self.workers[victim].deque.len().div_ceil(2).min(32);
            if half > 0 {
                let taken: Vec<usize> = self.workers[victim].deque.drain(..half).collect();
                let worker = &mut self.workers[index];
                worker.time += self.costs.steal;
                worker.track().stole(victim, half);
                worker.deque.extend(&taken[..half - 1]);
                self.begin(index, taken[half - 1], Source::Batch);
                return true;
            }
        }
        false
    }

    fn steal_fork(&mut self, index: usize, victim: usize, fork: usize) {
        self.forks[fork].state = ForkState::Taken;
        let instance = self.instance(&Rc::new(Script::default()), None);
        self.alive -= 1; // a fork is no task
        let worker = &mut self.workers[index];
        worker.time += self.costs.steal;
        worker.track().stole_fork(victim, 0x1000 + fork * 64);
        let begun = worker.track().begin(Source::Fork);
        let level = Level::Stolen(Some(begun), fork);
        let script = self.forks[fork].script.clone();
        worker.frames.push(Frame { script, at: 0, level, instance, join: None, is_waiting: false });
        worker.state = State::Awake;
    }
}
