//! The room in a bounded pool: as many permits as tasks may wait, given out and taken back by many threads that hardly ever
//! meet, and counted exactly all the same.
//!
//! A task from outside needs a permit before it is queued, and the worker that begins it gives the permit back.
//! - **Doors.** A producer keeps to one stripe, an atomic count on a cache line of its own, and takes its permits there. When the
//!   stripe is empty it fetches a small refill from the *state*, behind a lock; and when the state has none either it first sweeps
//!   together what lies at the other stripes. Only then is the room full.
//! - **Exits.** A worker gives a permit back by adding one to a count that only this worker writes: no read-modify-write.
//!   Nobody is told; whoever holds the state's lock adds all counters up when it wants to know.
//! - **The line.** Who finds the room full may wait, in the order of arrival. Then `wanted` is set, which workers look at when
//!   they have given a permit back; the one that sees it hands permits to those who wait, each to one of them, by name.
//! - **Overdrafts.** What cannot be refused (structured work) is let in without a permit and counted as if it had one, so that
//!   room is found again only when as many tasks have begun. These counts have one writer each, too.
//!
//! # No permit is lost, none is given twice
//! A permit is in exactly one place: in the state (what `free` computes), at a stripe, with a task or in the hands of somebody
//! who is about to queue one. Under the lock it moves between state, stripes and those who wait; without it, from a stripe to a
//! task (a compare-and-swap) and from a task to an counter (which counts up only). `free` reads the counters before the overdrafts: a
//! task that was let in without a permit and has begun already is then never counted as begun only.
//!
//! # "Full" is true
//! When the sweep has ended all stripes are empty, and stay so: only the holder of the lock fills them. Every counter is read after
//! that and only grows. So if nothing is found, there was no free permit at the moment at which the reading began.
//!
//! # Nobody sleeps beside a free permit
//! Who waits sets `wanted`, passes the heavy barrier, and counts once more. A worker counts, passes the light barrier, and
//! looks at `wanted`. One of the two sees the other (see `base::barrier`). While others wait already, `wanted` is set and stays
//! so until, under the lock, nobody waits.

use crossbeam_utils::CachePadded;

use crate::base::barrier::Barrier;
use crate::base::facade::{AtomicU32, AtomicU64, Mutex, Ordering, lock};
use crate::base::unwind;
use crate::limits::wait_queue::{Acquire, Semaphore, WaitMode, WaitNode, WaitQueue};
use crate::sync::grow_table::GrowTable;
use crate::sync::waiter::Waiter;

/// The most permits that a stripe fetches in advance. Enough to make the way to the state rare; small beside any capacity at
/// which it matters, and what is left at other stripes can be swept together.
const REFILL: u64 = 64;

/// A refill is at most this part of what is free: while that is little, permits stay where all find them.
const PART: u64 = 8;

/// How often the counters are added up anew because an overdraft was made meanwhile, before the room counts as full.
const RECOUNTS: usize = 8;

/// See the module's text. Shared by all threads.
#[derive(Debug)]
pub struct Permits {
    /// Permits that producers have fetched.
    stripes: Box<[CachePadded<AtomicU64>]>,
    /// By the number of the worker.
    counters: GrowTable<CachePadded<ReleaseCounter>>,
    /// The counter of all who are no workers.
    others: CachePadded<ReleaseCounter>,
    /// Not 0 while somebody waits.
    wanted: CachePadded<AtomicU32>,
    state: Mutex<PermitsState>,
    barrier: Barrier,
}

/// What a worker has given back, and taken without asking.
#[derive(Debug)]
struct ReleaseCounter {
    returned: AtomicU64,
    overdrawn: AtomicU64,
}

impl ReleaseCounter {
    /// Unused; on cache lines of its own, for each has another writer.
    fn new() -> CachePadded<Self> {
        CachePadded::new(ReleaseCounter { returned: AtomicU64::new(0), overdrawn: AtomicU64::new(0) })
    }
}

#[derive(Debug)]
struct PermitsState {
    limit: u64,
    /// Permits that have left the state, less those that came back without having been with a task. Not less what the
    /// counters have counted.
    out: u64,
    queue: WaitQueue,
}

impl Permits {
    /// Permits for `limit` tasks (at most `i64::MAX`), with so many stripes. The first `workers` workers have their counters at once,
    /// others below the number `most` can get theirs later.
    pub fn new(limit: u64, stripes: usize, workers: usize, most: usize, barrier: Barrier) -> Self {
        Permits {
            stripes: (0..stripes).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            counters: GrowTable::new((0..workers).map(|_| ReleaseCounter::new()).collect(), most),
            others: ReleaseCounter::new(),
            wanted: CachePadded::new(AtomicU32::new(0)),
            state: Mutex::new(PermitsState { limit, out: 0, queue: WaitQueue::default() }),
            barrier,
        }
    }

    /// Makes sure that worker `worker` has its counter: before it gives a permit back, and before its thread begins. Whoever adds
    /// the counters up misses a new one only as long as nothing was counted there, for an counter is found by who has passed the
    /// barrier after it was used, and anybody else counts too few free permits, not too many.
    pub fn make_release_counter(&self, worker: usize) {
        self.counters.get_or_make(worker, ReleaseCounter::new);
    }

    /// Takes up to `wanted` (not 0) permits at `stripe`; how many it got. 0 means that the room is full.
    #[inline]
    pub fn try_acquire(&self, stripe: usize, wanted: u64) -> u64 {
        let here = &self.stripes[stripe];
        let mut left = here.load(Ordering::Relaxed); // only a guess for the CAS
        while left > 0 {
            let got = left.min(wanted);
            // Acquire pairs with the Release in `refill`: the counters that these permits came from were read before. Without it
            // a task could begin, and be counted at an counter, "before" its permit left the state.
            match here.compare_exchange_weak(left, left - got, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return got,
                Err(current) => left = current,
            }
        }
        self.acquire_slow(stripe, wanted)
    }

    #[cold]
    fn acquire_slow(&self, stripe: usize, wanted: u64) -> u64 {
        let mut state = lock(&self.state);
        // What is free belongs to those who wait.
        if state.queue.has_no_handoff() { self.acquire_and_refill(&mut state, stripe, wanted) } else { 0 }
    }

    /// Takes up to `wanted` permits out of the state, and some more for the stripe.
    fn acquire_and_refill(&self, state: &mut PermitsState, stripe: usize, wanted: u64) -> u64 {
        let (got, left) = self.acquire_from_state(state, wanted);
        let refill = (left / PART).min(REFILL);
        if refill > 0 {
            state.out += refill;
            // A read-modify-write, for others take here; Release pairs with the Acquire in `try_acquire`.
            self.stripes[stripe].fetch_add(refill, Ordering::Release);
        }
        got
    }

    /// Takes up to `wanted` permits out of the state, or else the stripes; how many, and how many are left.
    fn acquire_from_state(&self, state: &mut PermitsState, wanted: u64) -> (u64, u64) {
        let mut free = self.free(state);
        if free == 0 {
            // The stripes first, then the counters: see "Full" above.
            state.out -= self.drain_stripes();
            free = self.free(state);
        }
        let got = free.min(wanted);
        state.out += got;
        (got, free - got)
    }

    fn drain_stripes(&self) -> u64 {
        // Acquire as in `try_acquire`. A read-modify-write, for a producer may take at the same time.
        self.stripes.iter().map(|stripe| stripe.swap(0, Ordering::Acquire)).sum()
    }

    /// What the state has to give.
    fn free(&self, state: &PermitsState) -> u64 {
        let mut overdrawn = None;
        for _ in 0..RECOUNTS {
            let returned = self.sum(|counter| &counter.returned);
            let overdrawn_now = self.sum(|counter| &counter.overdrawn);
            let free = state.limit.wrapping_add(returned).wrapping_sub(state.out).wrapping_sub(overdrawn_now);
            let free = (free as i64).max(0) as u64; // below zero while there are overdrafts
            // An overdraft between the two readings may have begun already without having been counted as that.
            if free > 0 || overdrawn.replace(overdrawn_now) == Some(overdrawn_now) {
                return free;
            }
        }
        0
    }

    fn sum(&self, count: fn(&ReleaseCounter) -> &AtomicU64) -> u64 {
        // Acquire pairs with the Release in `release` and `overdraw_by`: whoever sees that a task has begun sees the overdraft
        // by which it came in, and the counter where that was counted.
        let counters = self.counters.values().chain([&self.others]);
        counters.map(|counter| count(counter).load(Ordering::Acquire)).fold(0, u64::wrapping_add)
    }

    /// Gives a permit back. Only for the thread that acts as worker `worker`.
    #[inline]
    pub fn release(&self, worker: usize) {
        count_alone(&self.counters.get(worker).returned);
        self.serve_waiters();
    }

    /// Gives `permits` back, from any thread.
    pub fn release_from_outside(&self, permits: u64) {
        self.others.returned.fetch_add(permits, Ordering::Release); // see `sum`
        self.serve_waiters();
    }

    /// Counts a task as if it had a permit. Only for the thread that acts as worker `worker`, before the task is queued.
    #[inline]
    pub fn overdraw_by(&self, worker: usize) {
        count_alone(&self.counters.get(worker).overdrawn);
    }

    /// The same for `tasks` tasks, from any thread.
    pub fn overdraw_from_outside(&self, tasks: u64) {
        self.others.overdrawn.fetch_add(tasks, Ordering::Release); // see `sum`
    }

    #[inline]
    fn serve_waiters(&self) {
        self.barrier.light(); // pairs with `heavy` in `join`: else both sides could miss each other
        // Relaxed: ordered by that barrier.
        if self.wanted.load(Ordering::Relaxed) != 0 {
            self.grant_slow();
        }
    }

    #[cold]
    fn grant_slow(&self) {
        let woken = self.grant(&mut lock(&self.state));
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Gives what is free to those who wait; the caller wakes them when it has let go of the lock.
    fn grant(&self, state: &mut PermitsState) -> Vec<Waiter> {
        let (given, woken) = state.queue.grant(self.free(state));
        state.out += given;
        if state.queue.is_empty() {
            // Relaxed: only a hint that there is nothing to do any more. Who sets it again does so under the lock.
            self.wanted.store(0, Ordering::Relaxed);
        }
        woken
    }

    /// Sends all away who wait; nobody waits from now on. What is free can still be taken.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        let woken = state.queue.close();
        self.wanted.store(0, Ordering::Relaxed); // as in `grant`
        drop(state);
        woken.into_iter().for_each(Waiter::wake);
    }
}

impl Semaphore for Permits {
    fn with_queue<R>(&self, f: impl FnOnce(&mut WaitQueue) -> R) -> R {
        f(&mut lock(&self.state).queue)
    }

    fn enqueue(&self, weight: u64, mode: WaitMode, waiter: Waiter) -> Acquire {
        debug_assert_eq!(weight, 1, "a task has one permit");
        let mut state = lock(&self.state);
        if state.queue.has_no_handoff() && self.acquire_from_state(&mut state, 1).0 == 1 {
            drop(state);
            unwind::drop_silently(waiter);
            return Acquire::Ready;
        }
        let (joined, unused) = state.queue.enqueue(1, mode, waiter);
        let mut woken = Vec::new();
        if let Acquire::Queued(_) = joined {
            // Relaxed: written under the lock. While it is set, whoever came before has passed the barrier for all.
            if self.wanted.load(Ordering::Relaxed) == 0 {
                self.wanted.store(1, Ordering::Relaxed); // ordered by the barrier
                self.barrier.heavy(); // pairs with `light` in `serve_waiters`
            }
            woken = self.grant(&mut state);
        }
        drop(state);
        woken.into_iter().for_each(Waiter::wake);
        unwind::drop_silently(unused);
        joined
    }

    fn overdraw(&self, weight: u64) {
        self.overdraw_from_outside(weight);
    }

    fn cancel(&self, node: WaitNode) {
        let mut state = lock(&self.state);
        let (had, unused) = state.queue.cancel(&node);
        state.out -= had;
        let woken = self.grant(&mut state); // also when it had nothing: perhaps nobody waits any more
        drop(state);
        woken.into_iter().for_each(Waiter::wake);
        unwind::drop_silently(unused);
    }
}

/// Adds one to a count that only the calling thread writes.
#[inline(always)]
fn count_alone(count: &AtomicU64) {
    // The load is our own last store. Release: see `Permits::sum`.
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
}
