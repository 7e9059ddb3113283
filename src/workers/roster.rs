//! Who is a worker of the pool: which numbers are taken, how many workers there are and should be, who is to leave.
//!
//! Each number goes round this circle. The threads of the pool and whoever resizes it move it on, under one lock that only
//! they take:
//!
//! ```text
//!          take                 retire                 leave
//!  VACANT ───────► MEMBER ──────────────► LEAVING ──────────────► VACANT, or SPARE: its thread sleeps,
//!                                                     take again: SPARE ───► MEMBER       and may come back
//! ```
//!
//! How many there should be is a range, `floor..=ceiling`. A worker whose task blocks (`longshore::blocking`) does not
//! count: the range is above those. If there are more than the ceiling allows the difference is *ordered* to leave; who
//! comes first goes, between two tasks. What a worker must know for each task (whether there is anything to see to at all)
//! is a bit beside the phase of the pool; the retire_requests themselves are one word, which it reads only then.

use std::time::{Duration, Instant};

use crate::base::facade::thread::{self, Thread};
use crate::base::facade::{AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// What a number is to the pool.
#[derive(Debug, Default)]
pub enum NumberState {
    /// Nobody's.
    #[default]
    Vacant,
    /// A worker's, from before its thread runs.
    Member,
    /// Its worker takes no new task, and hands on what it has.
    Leaving,
    /// A thread has been started to be a spare one.
    Warming,
    /// This thread, which has left or never begun, sleeps and may become a worker at once.
    Spare(Thread),
}

/// Why a worker asks whether it may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetireReason {
    /// The pool has more workers than it should have.
    Requested,
    /// It has been idle for as long as workers above the floor are kept.
    Idle,
    /// It cannot work: its start hook has panicked.
    Unfit,
}

/// For what a worker is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnReason {
    /// The pool has fewer than it should have.
    Floor,
    /// There is more to do than the workers can, and the ceiling is not reached.
    Load,
    /// Another one blocks.
    StandIn,
    /// To have a thread at hand.
    Spare,
}

/// A number that was given.
#[derive(Debug)]
pub struct AssignedNumber {
    /// The number.
    pub number: usize,
    /// The thread that has been kept for it; otherwise one must be started.
    pub spare: Option<Thread>,
}

/// What becomes of the thread of a worker that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// It works again, under the same number.
    Serve,
    /// It ends.
    End,
}

/// The limits that a pool is built with.
#[derive(Debug, Clone, Copy)]
pub struct WorkerLimits {
    /// Workers that are there from the beginning.
    pub min: usize,
    /// The most that there ever are, apart from those that stand in.
    pub max: usize,
    /// How many of those there may be.
    pub stand_ins: usize,
    /// Threads kept for growth.
    pub spares: usize,
    /// How long a spare thread that is not one of those is kept.
    pub keep_alive: Duration,
}

impl WorkerLimits {
    /// Numbers are below this.
    pub fn capacity(&self) -> usize {
        self.max + self.stand_ins
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Roster {
    limits: WorkerLimits,
    state: Mutex<RosterState>,
    /// `RosterState::live`, for those who do not need the lock.
    live: AtomicU64,
    /// Workers at which one that is idle may leave for that reason; `u64::MAX` if it may not.
    leave_above: AtomicU64,
    retire_requests: AtomicU64,
}

/// Requests to leave, packed: in the upper half for stand-ins alone, in the lower for anybody.
#[derive(Debug, Clone, Copy)]
struct RetireRequests(u64);

impl RetireRequests {
    fn new(anybody: usize, stand_ins: usize) -> Self {
        RetireRequests((stand_ins as u64) << 32 | anybody as u64)
    }

    fn anybody(self) -> usize {
        self.0 as u32 as usize
    }

    fn stand_ins(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// Whether worker `number` of a pool whose stand-ins are those from `max` on is among those who are to leave.
    fn concern(self, number: usize, max: usize) -> bool {
        self.anybody() > 0 || (number >= max && self.stand_ins() > 0)
    }
}

/// What the lock is for.
#[derive(Debug)]
pub struct RosterState {
    /// By number; those beyond its end are vacant.
    standings: Vec<NumberState>,
    /// Members.
    live: usize,
    /// Those of them that stand in: their numbers are not below `WorkerLimits::max`.
    stand_ins: usize,
    floor: usize,
    ceiling: usize,
    /// Members whose task blocks.
    blocked: usize,
    /// Members that the pool can spare just now, by the reaper's decision.
    released: usize,
    spares: usize,
    policy: SpawnPolicy,
    supervision: Supervision,
}

/// Whether there is a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supervision {
    Absent,
    Present,
}

/// Whom the pool takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnPolicy {
    /// Anybody there is room for.
    Open,
    /// Only those who stand in: it closes.
    StandIns,
    /// Nobody: it is over.
    Nobody,
}

impl Roster {
    /// For a pool that has no worker yet.
    pub fn new(limits: WorkerLimits) -> Self {
        let state = RosterState {
            standings: Vec::new(),
            live: 0,
            stand_ins: 0,
            floor: limits.min,
            ceiling: limits.max,
            blocked: 0,
            released: 0,
            spares: 0,
            policy: SpawnPolicy::Open,
            supervision: Supervision::Absent,
        };
        Roster {
            limits,
            state: Mutex::new(state),
            live: AtomicU64::new(0),
            leave_above: AtomicU64::new(u64::MAX),
            retire_requests: AtomicU64::new(0),
        }
    }

    /// What it was built with.
    pub fn limits(&self) -> &WorkerLimits {
        &self.limits
    }

    /// Workers of the pool.
    #[inline]
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed) as usize // a number that may be old when it is read, whatever the ordering
    }

    /// To look at the state, or change it; [`Roster::publish`] then tells those who do not take the lock.
    pub fn lock(&self) -> MutexGuard<'_, RosterState> {
        lock(&self.state)
    }

    /// Whether worker `number` is among those who are to leave.
    pub fn must_retire(&self, number: usize) -> bool {
        // Relaxed: decided under the lock. Who lies down looks after it has taken the lock of the list of the parked, and
        // who gives retire_requests takes that after this was written.
        RetireRequests(self.retire_requests.load(Ordering::Relaxed)).concern(number, self.limits.max)
    }

    /// Whether an idle worker may ask to leave: a guess, decided under the lock.
    pub fn has_too_many(&self) -> bool {
        self.live() as u64 > self.leave_above.load(Ordering::Relaxed)
    }

    /// Tells the others what `state` says. Returns how many workers are ordered to leave.
    pub fn publish(&self, state: &RosterState) -> usize {
        self.live.store(state.live as u64, Ordering::Relaxed); // see `live`
        let may_leave = state.policy == SpawnPolicy::Open;
        let leave_above = if may_leave { (state.floor + state.blocked) as u64 } else { u64::MAX };
        self.leave_above.store(leave_above, Ordering::Relaxed); // see `has_too_many`
        let retire_requests = state.retire_requests();
        self.retire_requests.store(retire_requests.0, Ordering::Relaxed); // see `must_retire`
        retire_requests.anybody() + retire_requests.stand_ins()
    }

    /// What is to become of a spare thread, which calls it; sleeps as long as it is not needed.
    pub fn wait_as_spare(&self, number: usize) -> Next {
        let since = Instant::now();
        loop {
            let keep_alive = {
                let mut state = self.lock();
                match state.standings[number] {
                    NumberState::Member => return Next::Serve,
                    NumberState::Spare(_) => {}
                    NumberState::Vacant | NumberState::Leaving | NumberState::Warming => return Next::End,
                }
                let surplus = state.spares > self.limits.spares;
                if surplus && since.elapsed() >= self.limits.keep_alive {
                    state.vacate(number);
                    return Next::End;
                }
                surplus
            };
            if keep_alive {
                thread::park_timeout(self.limits.keep_alive.saturating_sub(since.elapsed()));
            } else {
                thread::park();
            }
        }
    }
}

impl RosterState {
    /// A worker leaves, if it still has a reason to: it is no member any more from now on.
    pub fn retire(&mut self, limits: &WorkerLimits, number: usize, reason: RetireReason) -> bool {
        let retire_requests = self.retire_requests();
        let may_leave = match reason {
            RetireReason::Requested => retire_requests.concern(number, limits.max),
            RetireReason::Idle => self.policy == SpawnPolicy::Open && self.live > self.floor + self.blocked,
            RetireReason::Unfit => true,
        };
        if may_leave {
            if reason == RetireReason::Requested && self.excess() == 0 {
                self.released -= 1;
            }
            self.standings[number] = NumberState::Leaving;
            self.live -= 1;
            self.stand_ins -= usize::from(number >= limits.max);
            self.released = self.released.min(self.spareable());
        }
        may_leave
    }

    /// The numbers of the workers.
    pub fn members(&self) -> Vec<usize> {
        let is_member = |&number: &usize| matches!(self.standings[number], NumberState::Member);
        (0..self.standings.len()).filter(is_member).collect()
    }

    /// Workers.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The least and the most workers that there should be, those aside that block.
    pub fn range(&self) -> (usize, usize) {
        (self.floor, self.ceiling)
    }

    /// Changes that.
    pub fn set_range(&mut self, floor: usize, ceiling: usize) {
        self.floor = floor;
        self.ceiling = ceiling;
        self.released = 0;
    }

    /// Workers whose task blocks.
    pub fn blocked(&self) -> usize {
        self.blocked
    }

    /// Counts one more.
    pub fn block(&mut self) {
        self.blocked += 1;
    }

    /// Counts one less.
    pub fn unblock(&mut self) {
        self.blocked -= 1;
    }

    /// Whether the pool has a supervisor.
    pub fn is_supervised(&self) -> bool {
        self.supervision == Supervision::Present
    }

    /// Notes that it has one.
    pub fn supervise(&mut self) {
        self.supervision = Supervision::Present;
    }

    /// Whom the pool takes on.
    pub fn spawn_policy(&self) -> SpawnPolicy {
        self.policy
    }

    /// Workers that are missing.
    pub fn missing(&self) -> usize {
        (self.floor + self.blocked).saturating_sub(self.live)
    }

    /// Workers that there may be more.
    pub fn vacancies(&self) -> usize {
        (self.ceiling + self.blocked).saturating_sub(self.live)
    }

    /// Lets up to `most` workers go, whoever comes first.
    pub fn release(&mut self, most: usize) {
        self.released = most.min(self.spareable());
    }

    /// Workers above the ceiling.
    fn excess(&self) -> usize {
        self.live.saturating_sub(self.ceiling + self.blocked)
    }

    /// Workers above the floor that are not above the ceiling.
    fn spareable(&self) -> usize {
        (self.live - self.excess()).saturating_sub(self.floor + self.blocked)
    }

    /// Those who stand in go first, so that the pool keeps the numbers that it was built with.
    fn retire_requests(&self) -> RetireRequests {
        if self.policy != SpawnPolicy::Open {
            return RetireRequests(0);
        }
        let stand_ins = self.excess().min(self.stand_ins);
        RetireRequests::new(self.excess() - stand_ins + self.released, stand_ins)
    }

    fn number_state(&mut self, number: usize) -> &mut NumberState {
        if self.standings.len() <= number {
            self.standings.resize_with(number + 1, NumberState::default);
        }
        &mut self.standings[number]
    }

    /// Gives the lowest number that is free, if `purpose` allows one more: to a member, or to a spare thread that the
    /// caller starts and that says itself when it is there ([`RosterState::keep`]).
    pub fn assign(&mut self, limits: &WorkerLimits, purpose: SpawnReason) -> Option<AssignedNumber> {
        let (allowed, end) = match purpose {
            SpawnReason::Floor => (self.missing() > 0, limits.max),
            SpawnReason::Load => (self.vacancies() > 0, limits.max),
            // Also in a pool that closes: what a task waits for may be queued behind it.
            SpawnReason::StandIn => (self.vacancies() > 0, limits.capacity()),
            SpawnReason::Spare => {
                (self.live + self.spares < limits.max && self.spares < limits.spares, limits.max)
            }
        };
        let admits = match self.policy {
            SpawnPolicy::Open => true,
            SpawnPolicy::StandIns => purpose == SpawnReason::StandIn,
            SpawnPolicy::Nobody => false,
        };
        if !allowed || !admits {
            return None;
        }
        let is_free = |number_state: &NumberState| match number_state {
            NumberState::Vacant => true,
            NumberState::Spare(_) => purpose != SpawnReason::Spare,
            NumberState::Member | NumberState::Leaving | NumberState::Warming => false,
        };
        // A spare thread is at hand at once; the first number that is free otherwise.
        let has_spare = |number_state: &NumberState| {
            matches!(number_state, NumberState::Spare(_)) && is_free(number_state)
        };
        let known = &self.standings[..self.standings.len().min(end)];
        let spare = known.iter().position(has_spare);
        let number = spare.or_else(|| known.iter().position(is_free)).unwrap_or(known.len());
        if number >= end {
            return None;
        }
        let new = if purpose == SpawnReason::Spare { NumberState::Warming } else { NumberState::Member };
        let old = std::mem::replace(self.number_state(number), new);
        let spare = match old {
            NumberState::Spare(thread) => {
                self.spares -= 1;
                Some(thread)
            }
            _ => None,
        };
        if purpose == SpawnReason::Spare {
            self.spares += 1;
        } else {
            self.live += 1;
            self.stand_ins += usize::from(number >= limits.max);
        }
        Some(AssignedNumber { number, spare })
    }

    /// The number of a worker that has left is free; its thread is kept if `thread` is given and it may be needed soon. Whether
    /// it is: else the number may be another thread's by the next moment.
    pub fn free_number(&mut self, limits: &WorkerLimits, number: usize, thread: Option<Thread>) -> bool {
        let is_wanted = number >= limits.max || self.spares < limits.spares;
        match thread.filter(|_| is_wanted && self.policy == SpawnPolicy::Open) {
            Some(thread) => {
                self.spares += 1;
                *self.number_state(number) = NumberState::Spare(thread);
                true
            }
            None => {
                *self.number_state(number) = NumberState::Vacant;
                false
            }
        }
    }

    /// A thread that was started to be a spare one is there. Whether it is needed.
    pub fn keep_spare(&mut self, number: usize, thread: Thread) -> bool {
        let is_open = self.policy == SpawnPolicy::Open;
        if is_open {
            self.standings[number] = NumberState::Spare(thread);
        } else {
            self.vacate(number);
        }
        is_open
    }

    /// A spare thread ends, or could not be started.
    pub fn vacate(&mut self, number: usize) {
        self.spares -= 1;
        self.standings[number] = NumberState::Vacant;
    }

    /// Takes on fewer from now on.
    pub fn restrict(&mut self, policy: SpawnPolicy) {
        if self.policy != SpawnPolicy::Nobody {
            self.policy = policy;
        }
    }

    /// Sends the spare threads home. The caller unparks them.
    pub fn dismiss_spares(&mut self) -> Vec<Thread> {
        let spare = |number_state: &mut NumberState| match std::mem::take(number_state) {
            NumberState::Spare(thread) => Some(thread),
            other => {
                *number_state = other;
                None
            }
        };
        let threads: Vec<_> = self.standings.iter_mut().filter_map(spare).collect();
        self.spares -= threads.len();
        threads
    }
}
