//! The workers of a pool: which numbers are taken, how many workers there are and should be, which are to
//! retire.
//!
//! Every pool owns one [`Roster`]. The threads of the pool, and threads that resize it, change it under one
//! lock that no push takes. Each number passes through these states:
//!
//! ```text
//!        assign               retire               free_number
//!  FREE ───────► MEMBER ───────────────► LEAVING ──────────────► FREE, or SPARE: its thread sleeps,
//!                                                  assign again: SPARE ───► MEMBER   ready to serve again
//! ```
//!
//! The wanted number of workers is a range, `floor..=ceiling`. A worker whose task blocks
//! (`longshore::blocking`) or waits for long is not counted in it: the range applies to the other workers. If
//! there are more workers than the ceiling allows, the difference is *requested* to retire, and the first
//! workers that see the request between two tasks retire. A bit beside the phase of the pool tells workers to
//! look; the requests are one word, which workers read only then.
//!
//! Models: `rosters`, `broadcasts` and `leaving` (`docs/MODELS.md`). Tests: `tests/elastic`,
//! `tests/process_growth.rs`.

use std::time::{Duration, Instant};

use crate::base::facade::thread::{self, Thread};
use crate::base::facade::{AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// What a worker number means.
#[derive(Debug, Default)]
pub enum NumberState {
    /// Nothing: the number may be assigned.
    #[default]
    Free,
    /// A worker of the pool, from before its thread runs.
    Member,
    /// A worker that takes no new task and hands on the tasks it has.
    Leaving,
    /// A thread that was started to be a spare thread, and does not wait yet.
    StartingSpare,
    /// A spare thread, which sleeps and may become a worker at once. It has retired, or was never a worker.
    Spare(Thread),
}

/// Why a worker asks whether it may retire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetireReason {
    /// The pool has more workers than it should have.
    Requested,
    /// The worker has been idle for as long as workers above the floor are kept.
    Idle,
    /// The worker cannot work: its start hook has panicked, or it got no thread.
    Unfit,
}

/// Why a worker, or a spare thread, is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpawnReason {
    /// The pool has fewer workers than it should have.
    Floor,
    /// The load is more than the workers can do, and the ceiling is not reached.
    Load,
    /// Another worker blocks.
    StandIn,
    /// A spare thread is wanted.
    Spare,
}

/// A number that was assigned.
#[derive(Debug)]
pub struct AssignedNumber {
    /// The number.
    pub number: usize,
    /// The spare thread that was kept under this number. If there is none, a thread must be started.
    pub spare: Option<Thread>,
}

/// Why no number was assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unassigned {
    /// There are as many workers as there should be.
    NotNeeded,
    /// All numbers are taken, or the pool adds no worker any more.
    NotAllowed,
}

/// What the thread of a worker that has retired does next.
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
    /// Workers at the start.
    pub min: usize,
    /// The most workers at any time, without stand-ins.
    pub max: usize,
    /// The most stand-ins at any time. Their numbers are `max` and above.
    pub stand_ins: usize,
    /// Spare threads that are kept for growth.
    pub spares: usize,
    /// How long a spare thread beyond these is kept.
    pub idle_timeout: Duration,
}

impl WorkerLimits {
    /// How many numbers there are, from 0.
    pub fn capacity(&self) -> usize {
        self.max + self.stand_ins
    }
}

/// The workers of a pool, and copies of a few counts for threads that do not take the lock.
#[derive(Debug)]
pub struct Roster {
    limits: WorkerLimits,
    state: Mutex<RosterState>,
    /// `RosterState::live`, readable without the lock.
    live: AtomicU64,
    /// An idle worker may retire while there are more workers than this; `u64::MAX` if it may not.
    retire_above: AtomicU64,
    retire_requests: AtomicU64,
}

/// How many workers are requested to retire: in the upper half of the word stand-ins, in the lower half any
/// workers.
#[derive(Debug, Clone, Copy)]
struct RetireRequests(u64);

impl RetireRequests {
    fn new(any: usize, stand_ins: usize) -> Self {
        RetireRequests((stand_ins as u64) << 32 | any as u64)
    }

    fn any(self) -> usize {
        self.0 as u32 as usize
    }

    fn stand_ins(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// Whether a request is for worker `number`, in a pool whose stand-ins have the numbers from `max` on.
    fn concern(self, number: usize, max: usize) -> bool {
        self.any() > 0 || (number >= max && self.stand_ins() > 0)
    }
}

/// What the lock protects.
#[derive(Debug, Default)]
pub struct RosterState {
    /// By number. Numbers beyond the end are free.
    numbers: Vec<NumberState>,
    /// Members.
    live: usize,
    /// Members whose number is not below `WorkerLimits::max`.
    stand_ins: usize,
    floor: usize,
    ceiling: usize,
    /// Members whose task blocks.
    blocked: usize,
    /// Members whose task waits for long (`runtime/long_wait.rs`).
    waiting: usize,
    /// Those of them whose task has polled a future that is not ready.
    pending_polls: usize,
    /// Members that the autoscaler has released: they may retire although the ceiling allows them.
    released: usize,
    /// Spare threads, those that start among them.
    spares: usize,
    policy: SpawnPolicy,
    /// Whether the pool has an autoscaler.
    pub has_autoscaler: bool,
}

/// How the task of a worker waits for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitKind {
    /// In a call of the library, which returns when the wait is over.
    Call,
    /// In a caller of `Future::poll` that may block the thread. The wait is over when a later poll is ready,
    /// or when the task has ended.
    PendingPoll,
}

/// Which workers may be added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SpawnPolicy {
    /// Any, within the limits.
    #[default]
    Open,
    /// Stand-ins only: the pool closes.
    StandIns,
    /// None: the pool has ended.
    Closed,
}

impl Roster {
    /// For a pool that has no worker yet.
    pub fn new(limits: WorkerLimits) -> Self {
        let state = RosterState { floor: limits.min, ceiling: limits.max, ..RosterState::default() };
        Roster {
            limits,
            state: Mutex::new(state),
            live: AtomicU64::new(0),
            retire_above: AtomicU64::new(u64::MAX),
            retire_requests: AtomicU64::new(0),
        }
    }

    /// The limits that the pool was built with.
    pub fn limits(&self) -> &WorkerLimits {
        &self.limits
    }

    /// The number of workers.
    #[inline]
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed) as usize // may be old when it is used, whatever the ordering
    }

    /// Locks the state, to read or change it. After a change, [`Roster::publish`] updates the copies.
    pub fn lock(&self) -> MutexGuard<'_, RosterState> {
        lock(&self.state)
    }

    /// Whether worker `number` is requested to retire. [`RosterState::retire`] decides.
    pub fn must_retire(&self, number: usize) -> bool {
        // Relaxed: decided under the lock. A worker that parks reads this after it has taken the lock of the
        // list of the parked. A thread that requests retirement takes that lock, to wake, after it has
        // written this.
        RetireRequests(self.retire_requests.load(Ordering::Relaxed)).concern(number, self.limits.max)
    }

    /// Whether an idle worker may ask to retire: a guess. [`RosterState::retire`] decides.
    pub fn has_too_many(&self) -> bool {
        self.live() as u64 > self.retire_above.load(Ordering::Relaxed)
    }

    /// Updates the copies of `state`. Returns how many workers are requested to retire.
    pub fn publish(&self, state: &RosterState) -> usize {
        self.live.store(state.live as u64, Ordering::Relaxed); // see `live`
        let may_retire = state.policy == SpawnPolicy::Open;
        let retire_above = if may_retire { (state.floor + state.away()) as u64 } else { u64::MAX };
        self.retire_above.store(retire_above, Ordering::Relaxed); // see `has_too_many`
        let retire_requests = state.retire_requests();
        self.retire_requests.store(retire_requests.0, Ordering::Relaxed); // see `must_retire`
        retire_requests.any() + retire_requests.stand_ins()
    }

    /// Called by spare thread `number`: sleeps until the thread is needed as a worker, or is to end.
    pub fn wait_as_spare(&self, number: usize) -> Next {
        let since = Instant::now();
        loop {
            let is_surplus = {
                let mut state = self.lock();
                match state.numbers[number] {
                    NumberState::Member => return Next::Serve,
                    NumberState::Spare(_) => {}
                    NumberState::Free | NumberState::Leaving | NumberState::StartingSpare => {
                        return Next::End;
                    }
                }
                let is_surplus = state.spares > self.limits.spares;
                if is_surplus && since.elapsed() >= self.limits.idle_timeout {
                    state.free_spare(number);
                    return Next::End;
                }
                is_surplus
            };
            if is_surplus {
                thread::park_timeout(self.limits.idle_timeout.saturating_sub(since.elapsed()));
            } else {
                thread::park();
            }
        }
    }
}

impl RosterState {
    /// Retires worker `number` if the reason still holds: it is no member any more from then on. Returns
    /// whether it did.
    pub fn retire(&mut self, limits: &WorkerLimits, number: usize, reason: RetireReason) -> bool {
        let may_retire = match reason {
            RetireReason::Requested => self.retire_requests().concern(number, limits.max),
            RetireReason::Idle => self.policy == SpawnPolicy::Open && self.live > self.floor + self.away(),
            RetireReason::Unfit => true,
        };
        if may_retire {
            if reason == RetireReason::Requested && self.excess() == 0 {
                self.released -= 1;
            }
            self.numbers[number] = NumberState::Leaving;
            self.live -= 1;
            self.stand_ins -= usize::from(number >= limits.max);
            self.released = self.released.min(self.releasable());
        }
        may_retire
    }

    /// The numbers of the workers.
    pub fn members(&self) -> Vec<usize> {
        let is_member = |&number: &usize| matches!(self.numbers[number], NumberState::Member);
        (0..self.numbers.len()).filter(is_member).collect()
    }

    /// The number of workers.
    pub fn live(&self) -> usize {
        self.live
    }

    /// The least and the most workers that there should be, besides the blocked workers.
    pub fn range(&self) -> (usize, usize) {
        (self.floor, self.ceiling)
    }

    /// Changes the range.
    pub fn set_range(&mut self, floor: usize, ceiling: usize) {
        self.floor = floor;
        self.ceiling = ceiling;
        self.released = 0;
    }

    /// Workers whose task blocks.
    pub fn blocked(&self) -> usize {
        self.blocked
    }

    /// Counts one more blocked worker.
    pub fn block(&mut self) {
        self.blocked += 1;
    }

    /// Counts one blocked worker less.
    pub fn unblock(&mut self) {
        self.blocked -= 1;
    }

    /// Counts one more worker whose task waits for long.
    pub fn begin_wait(&mut self, kind: WaitKind) {
        self.waiting += 1;
        self.pending_polls += usize::from(kind == WaitKind::PendingPoll);
    }

    /// Takes [`RosterState::begin_wait`] back.
    pub fn end_wait(&mut self, kind: WaitKind) {
        self.waiting -= 1;
        self.pending_polls -= usize::from(kind == WaitKind::PendingPoll);
    }

    /// Whether the task of some worker has polled a future that is not ready.
    pub fn has_pending_polls(&self) -> bool {
        self.pending_polls > 0
    }

    /// Workers that run no task now, because theirs blocks or waits for long.
    fn away(&self) -> usize {
        self.blocked + self.waiting
    }

    /// Which workers may be added.
    pub fn spawn_policy(&self) -> SpawnPolicy {
        self.policy
    }

    /// Workers that are missing below the floor.
    pub fn missing(&self) -> usize {
        (self.floor + self.blocked).saturating_sub(self.live)
    }

    /// Workers that may still be added below the ceiling.
    pub fn headroom(&self) -> usize {
        (self.ceiling + self.away()).saturating_sub(self.live)
    }

    /// Requests up to `most` workers above the floor to retire. The first workers that see the request do.
    pub fn release(&mut self, most: usize) {
        self.released = most.min(self.releasable());
    }

    /// Workers above the ceiling.
    fn excess(&self) -> usize {
        self.live.saturating_sub(self.ceiling + self.away())
    }

    /// Workers above the floor and not above the ceiling.
    fn releasable(&self) -> usize {
        (self.live - self.excess()).saturating_sub(self.floor + self.away())
    }

    /// Stand-ins retire first, so that the pool keeps the numbers that it was built with.
    fn retire_requests(&self) -> RetireRequests {
        if self.policy != SpawnPolicy::Open {
            return RetireRequests(0);
        }
        let stand_ins = self.excess().min(self.stand_ins);
        RetireRequests::new(self.excess() - stand_ins + self.released, stand_ins)
    }

    /// Assigns a number if `reason` allows one more: that of a spare thread, else the lowest free number. For
    /// [`SpawnReason::Spare`] it is the number of a spare thread, which the caller starts and which then
    /// calls [`RosterState::keep_spare`]; for other reasons it is that of a member.
    pub fn assign(
        &mut self,
        limits: &WorkerLimits,
        reason: SpawnReason,
    ) -> Result<AssignedNumber, Unassigned> {
        let for_spare = reason == SpawnReason::Spare;
        let (is_needed, end) = match reason {
            SpawnReason::Floor => (self.missing() > 0, limits.max),
            SpawnReason::Load => (self.headroom() > 0, limits.max),
            SpawnReason::StandIn => (self.headroom() > 0, limits.capacity()),
            SpawnReason::Spare => {
                (self.live + self.spares < limits.max && self.spares < limits.spares, limits.max)
            }
        };
        let is_allowed = match self.policy {
            SpawnPolicy::Open => true,
            // A blocked task of a pool that closes may wait for a task that is queued behind it.
            SpawnPolicy::StandIns => reason == SpawnReason::StandIn,
            SpawnPolicy::Closed => false,
        };
        if !is_needed {
            return Err(Unassigned::NotNeeded);
        }
        let known = &self.numbers[..self.numbers.len().min(end)];
        // A spare thread is ready at once.
        let spare = known.iter().position(|state| !for_spare && matches!(state, NumberState::Spare(_)));
        let free = || known.iter().position(|state| matches!(state, NumberState::Free));
        let number = spare.or_else(free).unwrap_or(known.len());
        if !is_allowed || number >= end {
            return Err(Unassigned::NotAllowed);
        }
        if number == self.numbers.len() {
            self.numbers.push(NumberState::Free);
        }
        if for_spare {
            self.spares += 1;
        } else {
            self.live += 1;
            self.stand_ins += usize::from(number >= limits.max);
        }
        let new = if for_spare { NumberState::StartingSpare } else { NumberState::Member };
        let spare = match std::mem::replace(&mut self.numbers[number], new) {
            NumberState::Spare(thread) => {
                self.spares -= 1;
                Some(thread)
            }
            _ => None,
        };
        Ok(AssignedNumber { number, spare })
    }

    /// Ends the use of its number by a worker that has retired. If `thread` is given and a spare thread is
    /// wanted, the thread keeps the number as a spare thread and this returns `true`. Else the number is
    /// free, and may be another thread's by the next moment.
    pub fn free_number(&mut self, limits: &WorkerLimits, number: usize, thread: Option<Thread>) -> bool {
        let is_wanted = number >= limits.max || self.spares < limits.spares;
        let thread = thread.filter(|_| is_wanted && self.policy == SpawnPolicy::Open);
        let is_kept = thread.is_some();
        self.spares += usize::from(is_kept);
        self.numbers[number] = thread.map_or(NumberState::Free, NumberState::Spare);
        is_kept
    }

    /// Called by a thread that was started as spare thread `number`. Returns whether it is still wanted.
    pub fn keep_spare(&mut self, number: usize, thread: Thread) -> bool {
        let is_open = self.policy == SpawnPolicy::Open;
        if is_open {
            self.numbers[number] = NumberState::Spare(thread);
        } else {
            self.free_spare(number);
        }
        is_open
    }

    /// Frees the number of a spare thread that ends, or that could not be started.
    pub fn free_spare(&mut self, number: usize) {
        self.spares -= 1;
        self.numbers[number] = NumberState::Free;
    }

    /// Restricts which workers may be added. `SpawnPolicy::Closed` is final.
    pub fn restrict(&mut self, policy: SpawnPolicy) {
        if self.policy != SpawnPolicy::Closed {
            self.policy = policy;
        }
    }

    /// Frees the numbers of all spare threads and returns the threads. The caller unparks them, and they end.
    pub fn dismiss_spares(&mut self) -> Vec<Thread> {
        let spare = |state: &mut NumberState| match std::mem::take(state) {
            NumberState::Spare(thread) => Some(thread),
            other => {
                *state = other;
                None
            }
        };
        let threads: Vec<_> = self.numbers.iter_mut().filter_map(spare).collect();
        self.spares -= threads.len();
        threads
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    const LIMITS: WorkerLimits =
        WorkerLimits { min: 1, max: 3, stand_ins: 1, spares: 1, idle_timeout: Duration::ZERO };

    fn number(state: &mut RosterState, reason: SpawnReason) -> Option<usize> {
        state.assign(&LIMITS, reason).ok().map(|assigned| assigned.number)
    }

    #[test]
    fn numbers_are_assigned_within_the_range() {
        let roster = Roster::new(LIMITS);
        let mut state = roster.lock();
        assert_eq!(number(&mut state, SpawnReason::StandIn), Some(0), "a stand-in takes any free number");
        assert_eq!(number(&mut state, SpawnReason::Floor), None, "the floor is reached");
        assert_eq!([1, 2].map(|_| number(&mut state, SpawnReason::Load)), [Some(1), Some(2)]);
        assert_eq!((number(&mut state, SpawnReason::Load), state.headroom(), state.missing()), (None, 0, 0));
        state.block();
        assert_eq!(number(&mut state, SpawnReason::Load), None, "no number below the maximum is free");
        assert_eq!(number(&mut state, SpawnReason::StandIn), Some(3));
        assert_eq!((state.members(), state.live(), state.headroom()), (vec![0, 1, 2, 3], 4, 0));
    }

    #[test]
    fn a_stand_in_that_is_not_needed_is_not_refused() {
        let roster = Roster::new(LIMITS);
        let mut state = roster.lock();
        for _ in 0..3 {
            state.assign(&LIMITS, SpawnReason::Load).expect("below the ceiling");
        }
        let unassigned = |state: &mut RosterState| state.assign(&LIMITS, SpawnReason::StandIn).err();
        assert_eq!(unassigned(&mut state), Some(Unassigned::NotNeeded));
        state.begin_wait(WaitKind::Call);
        assert_eq!(unassigned(&mut state), None);
        assert_eq!(unassigned(&mut state), Some(Unassigned::NotNeeded));
        state.begin_wait(WaitKind::Call);
        assert_eq!(unassigned(&mut state), Some(Unassigned::NotAllowed), "all numbers are taken");
    }

    #[test]
    fn stand_ins_retire_first_and_as_many_as_are_too_many() {
        let roster = Roster::new(LIMITS);
        let mut state = roster.lock();
        state.block();
        for (reason, number) in [(SpawnReason::Load, 0), (SpawnReason::Load, 1), (SpawnReason::Load, 2)] {
            assert_eq!(state.assign(&LIMITS, reason).ok().map(|assigned| assigned.number), Some(number));
        }
        assert_eq!(number(&mut state, SpawnReason::StandIn), Some(3));
        assert_eq!(roster.publish(&state), 0);
        state.unblock();
        assert_eq!(roster.publish(&state), 1);
        assert!(roster.must_retire(3) && !roster.must_retire(0));
        assert!(!state.retire(&LIMITS, 0, RetireReason::Requested));
        assert!(state.retire(&LIMITS, 3, RetireReason::Requested));
        state.set_range(1, 1);
        assert_eq!((roster.publish(&state), roster.must_retire(0)), (2, true));
        assert!(state.retire(&LIMITS, 0, RetireReason::Requested));
        assert!(state.retire(&LIMITS, 2, RetireReason::Requested));
        assert!(!state.retire(&LIMITS, 1, RetireReason::Requested), "one worker is left, and may stay");
        assert!(!state.retire(&LIMITS, 1, RetireReason::Idle), "the floor holds for idle workers");
        assert!(state.retire(&LIMITS, 1, RetireReason::Unfit), "a worker that cannot work always retires");
    }

    #[test]
    fn released_workers_retire_down_to_the_floor() {
        let roster = Roster::new(LIMITS);
        let mut state = roster.lock();
        assert_eq!([1, 2, 3].map(|_| number(&mut state, SpawnReason::Load)), [Some(0), Some(1), Some(2)]);
        state.release(5);
        assert_eq!(roster.publish(&state), 2);
        let retired = [0, 1, 2].map(|number| state.retire(&LIMITS, number, RetireReason::Requested));
        assert_eq!(retired, [true, true, false]);
        state.release(0);
        assert_eq!(roster.publish(&state), 0);
    }

    #[test]
    fn a_spare_thread_keeps_its_number_until_it_is_needed_or_dismissed() {
        let roster = Roster::new(LIMITS);
        let mut state = roster.lock();
        assert_eq!(number(&mut state, SpawnReason::Floor), Some(0));
        assert_eq!(number(&mut state, SpawnReason::Spare), Some(1));
        assert_eq!(number(&mut state, SpawnReason::Spare), None, "one spare thread is wanted");
        assert!(state.keep_spare(1, thread::current()));
        let assigned = state.assign(&LIMITS, SpawnReason::Load).expect("below the ceiling");
        assert_eq!((assigned.number, assigned.spare.is_some(), state.live()), (1, true, 2));
        assert!(state.retire(&LIMITS, 1, RetireReason::Idle));
        assert!(state.free_number(&LIMITS, 1, Some(thread::current())), "its thread is kept");
        assert_eq!(state.dismiss_spares().len(), 1);
        state.restrict(SpawnPolicy::StandIns);
        assert_eq!(number(&mut state, SpawnReason::Load), None, "the pool closes");
        state.block();
        assert_eq!(number(&mut state, SpawnReason::StandIn), Some(1), "a stand-in may still be needed");
        state.restrict(SpawnPolicy::Closed);
        state.restrict(SpawnPolicy::Open);
        assert_eq!(state.spawn_policy(), SpawnPolicy::Closed, "the end is final");
    }
}
