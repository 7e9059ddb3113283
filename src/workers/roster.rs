//! Who is a worker of the pool: which numbers are taken, how many workers there are and should be, who is to leave.
//!
//! Each number goes round this circle. The threads of the pool and whoever resizes it move it on, under one lock that only
//! they take:
//!
//! ```text
//!          take                 resign                 leave
//!  VACANT ───────► MEMBER ──────────────► LEAVING ──────────────► VACANT, or SPARE: its thread sleeps,
//!                                                     take again: SPARE ───► MEMBER       and may come back
//! ```
//!
//! How many there should be is a range, `floor..=ceiling`. A worker whose task blocks (`longshore::blocking`) does not
//! count: the range is above those. If there are more than the ceiling allows the difference is *ordered* to leave; who
//! comes first goes, between two tasks. What a worker must know for each task (whether there is anything to see to at all)
//! is a bit beside the phase of the pool; the orders themselves are one word, which it reads only then.

use std::time::{Duration, Instant};

use crate::base::facade::thread::{self, Thread};
use crate::base::facade::{AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// What a number is to the pool.
#[derive(Debug, Default)]
pub enum Standing {
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
pub enum Reason {
    /// There are orders.
    Orders,
    /// It has been idle for as long as workers above the floor are kept.
    Idle,
    /// It cannot work: its start hook has panicked.
    Unfit,
}

/// For what a worker is taken on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
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
pub struct Vacancy {
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
pub struct Limits {
    /// Workers that are there from the beginning.
    pub min: usize,
    /// The most that there ever are, apart from those that stand in.
    pub max: usize,
    /// How many of those there may be.
    pub stand_ins: usize,
    /// Threads kept for growth.
    pub warm: usize,
    /// How long a spare thread that is not one of those is kept.
    pub linger: Duration,
}

impl Limits {
    /// Numbers are below this.
    pub fn capacity(&self) -> usize {
        self.max + self.stand_ins
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Roster {
    limits: Limits,
    state: Mutex<State>,
    /// `State::live`, for those who do not need the lock.
    live: AtomicU64,
    /// Workers at which one that is idle may leave for that reason; `u64::MAX` if it may not.
    leave_above: AtomicU64,
    orders: AtomicU64,
}

/// Orders to leave, packed: in the upper half for stand-ins alone, in the lower for anybody.
#[derive(Debug, Clone, Copy)]
struct Orders(u64);

impl Orders {
    fn new(anybody: usize, stand_ins: usize) -> Self {
        Orders((stand_ins as u64) << 32 | anybody as u64)
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
pub struct State {
    /// By number; those beyond its end are vacant.
    standings: Vec<Standing>,
    /// Members.
    live: usize,
    /// Those of them that stand in: their numbers are not below `Limits::max`.
    stand_ins: usize,
    floor: usize,
    ceiling: usize,
    /// Members whose task blocks.
    blocked: usize,
    /// Members that the pool can spare just now, by the reaper's decision.
    released: usize,
    spares: usize,
    hiring: Hiring,
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
pub enum Hiring {
    /// Anybody there is room for.
    Open,
    /// Only those who stand in: it closes.
    StandIns,
    /// Nobody: it is over.
    Nobody,
}

impl Roster {
    /// For a pool that has no worker yet.
    pub fn new(limits: Limits) -> Self {
        let state = State {
            standings: Vec::new(),
            live: 0,
            stand_ins: 0,
            floor: limits.min,
            ceiling: limits.max,
            blocked: 0,
            released: 0,
            spares: 0,
            hiring: Hiring::Open,
            supervision: Supervision::Absent,
        };
        Roster {
            limits,
            state: Mutex::new(state),
            live: AtomicU64::new(0),
            leave_above: AtomicU64::new(u64::MAX),
            orders: AtomicU64::new(0),
        }
    }

    /// What it was built with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Workers of the pool.
    #[inline]
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed) as usize // a number that may be old when it is read, whatever the ordering
    }

    /// To look at the state, or change it; [`Roster::publish`] then tells those who do not take the lock.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether worker `number` is among those who are to leave.
    pub fn is_to_leave(&self, number: usize) -> bool {
        // Relaxed: decided under the lock. Who lies down looks after it has taken the lock of the list of the parked, and
        // who gives orders takes that after this was written.
        Orders(self.orders.load(Ordering::Relaxed)).concern(number, self.limits.max)
    }

    /// Whether an idle worker may ask to leave: a guess, decided under the lock.
    pub fn has_too_many(&self) -> bool {
        self.live() as u64 > self.leave_above.load(Ordering::Relaxed)
    }

    /// Tells the others what `state` says. Returns how many workers are ordered to leave.
    pub fn publish(&self, state: &State) -> usize {
        self.live.store(state.live as u64, Ordering::Relaxed); // see `live`
        let may_leave = state.hiring == Hiring::Open;
        let leave_above = if may_leave { (state.floor + state.blocked) as u64 } else { u64::MAX };
        self.leave_above.store(leave_above, Ordering::Relaxed); // see `has_too_many`
        let orders = state.orders();
        self.orders.store(orders.0, Ordering::Relaxed); // see `is_to_leave`
        orders.anybody() + orders.stand_ins()
    }

    /// What is to become of a spare thread, which calls it; sleeps as long as it is not needed.
    pub fn wait_as_spare(&self, number: usize) -> Next {
        let since = Instant::now();
        loop {
            let linger = {
                let mut state = self.lock();
                match state.standings[number] {
                    Standing::Member => return Next::Serve,
                    Standing::Spare(_) => {}
                    Standing::Vacant | Standing::Leaving | Standing::Warming => return Next::End,
                }
                let surplus = state.spares > self.limits.warm;
                if surplus && since.elapsed() >= self.limits.linger {
                    state.vacate(number);
                    return Next::End;
                }
                surplus
            };
            if linger {
                thread::park_timeout(self.limits.linger.saturating_sub(since.elapsed()));
            } else {
                thread::park();
            }
        }
    }
}

impl State {
    /// A worker leaves, if it still has a reason to: it is no member any more from now on.
    pub fn resign(&mut self, limits: &Limits, number: usize, reason: Reason) -> bool {
        let orders = self.orders();
        let may_leave = match reason {
            Reason::Orders => orders.concern(number, limits.max),
            Reason::Idle => self.hiring == Hiring::Open && self.live > self.floor + self.blocked,
            Reason::Unfit => true,
        };
        if may_leave {
            if reason == Reason::Orders && self.excess() == 0 {
                self.released -= 1;
            }
            self.standings[number] = Standing::Leaving;
            self.live -= 1;
            self.stand_ins -= usize::from(number >= limits.max);
            self.released = self.released.min(self.spareable());
        }
        may_leave
    }

    /// The numbers of the workers.
    pub fn members(&self) -> Vec<usize> {
        let is_member = |&number: &usize| matches!(self.standings[number], Standing::Member);
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
    pub fn hiring(&self) -> Hiring {
        self.hiring
    }

    /// Workers that are missing.
    pub fn missing(&self) -> usize {
        (self.floor + self.blocked).saturating_sub(self.live)
    }

    /// Workers that there may be more.
    pub fn room(&self) -> usize {
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
    fn orders(&self) -> Orders {
        if self.hiring != Hiring::Open {
            return Orders(0);
        }
        let stand_ins = self.excess().min(self.stand_ins);
        Orders::new(self.excess() - stand_ins + self.released, stand_ins)
    }

    fn standing(&mut self, number: usize) -> &mut Standing {
        if self.standings.len() <= number {
            self.standings.resize_with(number + 1, Standing::default);
        }
        &mut self.standings[number]
    }

    /// Gives the lowest number that is free, if `purpose` allows one more: to a member, or to a spare thread that the
    /// caller starts and that says itself when it is there ([`State::keep`]).
    pub fn take(&mut self, limits: &Limits, purpose: Purpose) -> Option<Vacancy> {
        let (allowed, end) = match purpose {
            Purpose::Floor => (self.missing() > 0, limits.max),
            Purpose::Load => (self.room() > 0, limits.max),
            // Also in a pool that closes: what a task waits for may be queued behind it.
            Purpose::StandIn => (self.room() > 0, limits.capacity()),
            Purpose::Spare => (self.live + self.spares < limits.max && self.spares < limits.warm, limits.max),
        };
        let admits = match self.hiring {
            Hiring::Open => true,
            Hiring::StandIns => purpose == Purpose::StandIn,
            Hiring::Nobody => false,
        };
        if !allowed || !admits {
            return None;
        }
        let is_free = |standing: &Standing| match standing {
            Standing::Vacant => true,
            Standing::Spare(_) => purpose != Purpose::Spare,
            Standing::Member | Standing::Leaving | Standing::Warming => false,
        };
        // A spare thread is at hand at once; the first number that is free otherwise.
        let has_spare = |standing: &Standing| matches!(standing, Standing::Spare(_)) && is_free(standing);
        let known = &self.standings[..self.standings.len().min(end)];
        let spare = known.iter().position(has_spare);
        let number = spare.or_else(|| known.iter().position(is_free)).unwrap_or(known.len());
        if number >= end {
            return None;
        }
        let new = if purpose == Purpose::Spare { Standing::Warming } else { Standing::Member };
        let old = std::mem::replace(self.standing(number), new);
        let spare = match old {
            Standing::Spare(thread) => {
                self.spares -= 1;
                Some(thread)
            }
            _ => None,
        };
        if purpose == Purpose::Spare {
            self.spares += 1;
        } else {
            self.live += 1;
            self.stand_ins += usize::from(number >= limits.max);
        }
        Some(Vacancy { number, spare })
    }

    /// The number of a worker that has left is free; its thread is kept if `thread` is given and it may be needed soon. Whether
    /// it is: else the number may be another thread's by the next moment.
    pub fn leave(&mut self, limits: &Limits, number: usize, thread: Option<Thread>) -> bool {
        let is_wanted = number >= limits.max || self.spares < limits.warm;
        match thread.filter(|_| is_wanted && self.hiring == Hiring::Open) {
            Some(thread) => {
                self.spares += 1;
                *self.standing(number) = Standing::Spare(thread);
                true
            }
            None => {
                *self.standing(number) = Standing::Vacant;
                false
            }
        }
    }

    /// A thread that was started to be a spare one is there. Whether it is needed.
    pub fn keep(&mut self, number: usize, thread: Thread) -> bool {
        let is_open = self.hiring == Hiring::Open;
        if is_open {
            self.standings[number] = Standing::Spare(thread);
        } else {
            self.vacate(number);
        }
        is_open
    }

    /// A spare thread ends, or could not be started.
    pub fn vacate(&mut self, number: usize) {
        self.spares -= 1;
        self.standings[number] = Standing::Vacant;
    }

    /// Takes on fewer from now on.
    pub fn restrict(&mut self, hiring: Hiring) {
        if self.hiring != Hiring::Nobody {
            self.hiring = hiring;
        }
    }

    /// Sends the spare threads home. The caller unparks them.
    pub fn dismiss_spares(&mut self) -> Vec<Thread> {
        let spare = |standing: &mut Standing| match std::mem::take(standing) {
            Standing::Spare(thread) => Some(thread),
            other => {
                *standing = other;
                None
            }
        };
        let threads: Vec<_> = self.standings.iter_mut().filter_map(spare).collect();
        self.spares -= threads.len();
        threads
    }
}
