//! The rarer records of a track: forks that are offered and taken, waits, sleep, threads.

use super::{Clock, State, Track};
use crate::record::{Kind, Rest, TaskRef, WaitFor, Wake};

/// Forks and joins. A fork is known by the address of its frame: that is unique while it is on offer or
/// taken.
impl<C: Clock> Track<C> {
    /// The worker offers its oldest private fork. `number` is what [`Track::forked`] returned for it, if the
    /// fork has kept it: the reader estimates with it when the fork was made.
    pub fn offered(&self, fork: usize, number: Option<u32>) {
        self.count_forks();
        let age = number.map_or(u32::MAX, |number| self.forks.get().wrapping_sub(number));
        self.stamp_with(Kind::Offer, age, fork as u64);
    }

    /// The worker has taken a fork of another. The fork is run next, from
    /// [`Source::Fork`](crate::record::Source::Fork).
    pub fn stole_fork(&self, victim: usize, fork: usize) {
        self.stamp_with(Kind::StoleFork, (victim & 0x1fff) as u32, fork as u64);
    }

    /// The task at hand comes to the join of a fork that was taken. What follows until [`Track::resumed`] is
    /// a wait.
    pub fn waits_for_fork(&self, fork: usize) {
        self.count_forks();
        self.stamp_with(Kind::JoinFork, 0, fork as u64);
        self.state.set(State::Waiting);
    }
}

/// Waits.
impl<C: Clock> Track<C> {
    /// The task at hand (or the thread outside) waits until [`Track::resumed`], which is called too if it
    /// unwinds; tasks may run on top meanwhile.
    pub fn waits(&self, what: WaitFor) {
        self.count_forks();
        self.event(Kind::Wait, what as u32);
        self.state.set(State::Waiting);
    }

    /// The last wait that has not ended is over.
    pub fn resumed(&self) {
        self.event(Kind::Resume, 0);
        self.state.set(State::Running);
    }

    /// The wait that has just ended was for the end of this task. Costs no look at the clock.
    pub fn joined(&self, task: TaskRef) {
        self.make_room();
        self.put_here(super::Word::new(Kind::Joined, 0, 0));
        self.put_here(super::Word::extra(task.pack()));
        self.ring.publish(self.position.get());
    }

    /// The task at hand blocks, until [`Track::unblocked`].
    pub fn blocks(&self) {
        self.event(Kind::Block, 0);
    }

    /// It goes on.
    pub fn unblocked(&self) {
        self.event(Kind::Unblock, 0);
    }
}

/// Workers without a task, and threads.
impl<C: Clock> Track<C> {
    /// The worker begins to look for work, or has found nothing to run while its task waits.
    pub fn searches(&self) {
        self.event(Kind::Search, 0);
    }

    /// The worker falls asleep.
    pub fn parks(&self, why: Rest) {
        self.event(Kind::Park, why as u32);
    }

    /// The worker is awake again.
    pub fn unparked(&self, why: Wake) {
        self.event(Kind::Unpark, why as u32);
    }

    /// A thread begins to write this track: its name as a label's id, the core that it is pinned to.
    pub fn starts(&self, name: u16, core: Option<usize>) {
        let core = core.map_or(0, |core| (core + 1).min(0xffff) as u32);
        self.event(Kind::Start, u32::from(name) | core << 16);
    }

    /// It ends; `retired` if the pool goes on without it.
    pub fn exits(&self, retired: bool) {
        self.event(Kind::Exit, u32::from(retired));
    }

    /// Processor time that the thread has used since it began, and its context switches since the last call:
    /// those that it asked for by sleeping or blocking, and those that the kernel decided. Called before a
    /// sleep, after it, and now and then. On Linux from `getrusage(RUSAGE_THREAD)` and
    /// `CLOCK_THREAD_CPUTIME_ID`.
    pub fn cpu(&self, nanos: u64, voluntary: u64, involuntary: u64) {
        let arg = voluntary.min(0xffff) as u32 | (involuntary.min(0xffff) as u32) << 16;
        self.stamp_with(Kind::Cpu, arg, nanos);
    }
}
