//! The permits of a bounded pool: a counting semaphore for many threads that hardly ever meet, which still
//! counts exactly.
//!
//! A task from outside needs a permit before it is queued. The worker that starts the task returns the
//! permit.
//! - **Stripes.** A producer uses one stripe, an atomic count on a cache line of its own, and takes its
//!   permits there. If the stripe is empty, the producer fetches a small refill from the *state*, which is
//!   behind a mutex. If the state has none either, it first drains all other stripes into the state. Only
//!   then is the pool full.
//! - **Release counters.** A worker returns a permit by incrementing a count that only this worker writes: no
//!   read-modify-write. It notifies no thread. The holder of the mutex adds all counters up when it needs the
//!   sum.
//! - **Wait queue.** A producer that finds the pool full may wait, in the order of arrival. It sets `wanted`,
//!   which workers read after they have returned a permit. A worker that finds it set grants what is free to
//!   the waiters, each permit to one waiter.
//! - **Overdrafts.** Work that cannot be refused (structured work) enters without a permit and is counted as
//!   if it had one, so that permits become free again only after as many tasks have started. These counts,
//!   too, have one writer each.
//!
//! # No permit is lost, and none is given twice
//! A permit is in exactly one place: in the state (which `free` computes), in a stripe, with a task, or with
//! a producer that is about to queue a task. Under the mutex it moves between state, stripes and waiters.
//! Without the mutex it moves from a stripe to a task (a compare-and-swap) and from a task to a counter
//! (which only grows). `free` reads the returned permits before the overdrafts. So a task that entered
//! without a permit and has already started is never counted as started only.
//!
//! # "Full" is true
//! After `drain_stripes` all stripes are empty, and they stay empty, because only the holder of the mutex
//! fills them. The counters are read after that, and they only grow. So if no permit is found, there was no
//! free permit at the moment at which the reading started.
//!
//! # No waiter sleeps beside a free permit
//! A waiter sets `wanted`, executes the heavy barrier, and counts once more. A worker counts its permit,
//! executes the light barrier, and reads `wanted`. At least one of the two sees the other (see
//! `base/barrier.rs`). While other waiters are queued, `wanted` is set already. It stays set until, under the
//! mutex, the queue is empty.
//!
//! `runtime/capacity.rs` owns one per bounded pool. Guarded by the model `permits`,
//! `tests/it/behaviour/bounded.rs`, `tests/it/behaviour/waiting_for_permits.rs` and
//! `tests/stress/bounded.rs`.

use crossbeam_utils::CachePadded;

use crate::base::barrier::Barrier;
use crate::base::facade::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::base::unwind;
use crate::limits::wait_queue::{Acquired, Semaphore, WaitNode, WaitQueue};
use crate::sync::grow_table::GrowTable;
use crate::sync::waiter::Waiter;

/// The most permits that a stripe fetches in advance. Enough to make the way to the state rare. Small
/// compared with any capacity at which it matters, and the rest in other stripes can be drained.
const REFILL: u64 = 64;

/// A refill is at most this part of what is free. While little is free, permits stay in the state, where all
/// producers find them.
const PART: u64 = 8;

/// How often the counters are added up again because an overdraft was made meanwhile, before the pool counts
/// as full.
const RECOUNTS: usize = 8;

/// A striped counting semaphore; see the module's text. Shared by all threads.
#[derive(Debug)]
pub struct Permits {
    /// Permits that producers have fetched.
    stripes: Box<[CachePadded<AtomicU64>]>,
    /// One for each worker, by its number.
    counters: GrowTable<CachePadded<ReleaseCounter>>,
    /// The counter that all threads outside of the pool share.
    outside: CachePadded<ReleaseCounter>,
    /// Not 0 while a waiter is queued.
    wanted: CachePadded<AtomicU32>,
    state: Mutex<PermitsState>,
    barrier: Barrier,
}

/// The permits that a worker has returned, and those that it took without asking.
#[derive(Debug)]
struct ReleaseCounter {
    returned: AtomicU64,
    overdrawn: AtomicU64,
}

impl ReleaseCounter {
    /// An unused counter, on cache lines of its own because each counter has another writer.
    fn new() -> CachePadded<Self> {
        CachePadded::new(ReleaseCounter { returned: AtomicU64::new(0), overdrawn: AtomicU64::new(0) })
    }
}

#[derive(Debug)]
struct PermitsState {
    limit: u64,
    /// Permits that have left the state, minus those that came back without having been with a task. Permits
    /// in the release counters are not subtracted.
    out: u64,
    queue: WaitQueue,
}

impl Permits {
    /// Permits for `limit` tasks (at most `i64::MAX`), with `stripes` stripes. The release counters of the
    /// first `workers` workers are made at once; those of other workers below the number `most` can be made
    /// later.
    pub fn new(limit: u64, stripes: usize, workers: usize, most: usize, barrier: Barrier) -> Self {
        Permits {
            stripes: (0..stripes).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            counters: GrowTable::new((0..workers).map(|_| ReleaseCounter::new()).collect(), most),
            outside: ReleaseCounter::new(),
            wanted: CachePadded::new(AtomicU32::new(0)),
            state: Mutex::new(PermitsState { limit, out: 0, queue: WaitQueue::default() }),
            barrier,
        }
    }

    /// Makes the release counter of worker `worker`, if it does not exist. Called before the worker's thread
    /// starts.
    ///
    /// A thread that adds the counters up may miss a new counter, but only before the counter was used: a
    /// thread that has executed the barrier after the use finds the counter. Any other thread counts too few
    /// free permits, never too many.
    pub fn make_release_counter(&self, worker: usize) {
        self.counters.get_or_make(worker, ReleaseCounter::new);
    }

    /// Takes up to `most` (not 0) permits at `stripe`. Returns how many it took; 0 means that the pool is
    /// full.
    #[inline]
    pub fn try_acquire(&self, stripe: usize, most: u64) -> u64 {
        let here = &self.stripes[stripe];
        let mut left = here.load(Ordering::Relaxed); // only a guess for the CAS
        while left > 0 {
            let got = left.min(most);
            // Acquire pairs with the Release of the refill in `acquire_slow`: the counters that these permits
            // were computed from were read before. Without it a task could start, and be counted in a
            // counter, "before" its permit left the state.
            match here.compare_exchange_weak(left, left - got, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return got,
                Err(current) => left = current,
            }
        }
        self.acquire_slow(stripe, most)
    }

    /// Takes up to `most` permits out of the state, and a refill for the stripe.
    #[cold]
    fn acquire_slow(&self, stripe: usize, most: u64) -> u64 {
        let mut state = lock(&self.state);
        if !state.queue.is_empty() {
            return 0; // what is free belongs to the waiters
        }
        let (got, left) = self.acquire_from_state(&mut state, most);
        let refill = (left / PART).min(REFILL);
        if refill > 0 {
            state.out += refill;
            // A read-modify-write, because other producers take here. Release pairs with the Acquire in
            // `try_acquire`.
            self.stripes[stripe].fetch_add(refill, Ordering::Release);
        }
        got
    }

    /// Takes up to `most` permits out of the state, and drains the stripes if it has none. Returns how many
    /// it took, and how many are left.
    fn acquire_from_state(&self, state: &mut PermitsState, most: u64) -> (u64, u64) {
        let mut free = self.free(state);
        if free == 0 {
            // The stripes first, then the counters: see the section on "full".
            state.out -= self.drain_stripes();
            free = self.free(state);
        }
        let got = free.min(most);
        state.out += got;
        (got, free - got)
    }

    fn drain_stripes(&self) -> u64 {
        // Acquire pairs with the Release of the refill in `acquire_slow`. A read-modify-write, because a
        // producer may take at the same time.
        self.stripes.iter().map(|stripe| stripe.swap(0, Ordering::Acquire)).sum()
    }

    /// The permits that the state has to give.
    fn free(&self, state: &PermitsState) -> u64 {
        let mut overdrawn = None;
        for _ in 0..RECOUNTS {
            let returned = self.sum(|counter| &counter.returned);
            let overdrawn_now = self.sum(|counter| &counter.overdrawn);
            let free = state.limit.wrapping_add(returned).wrapping_sub(state.out).wrapping_sub(overdrawn_now);
            let free = (free as i64).max(0) as u64; // below zero while there are overdrafts
            // A task that was overdrawn between the two sums is in the second one only, though it may have
            // started.
            if free > 0 || overdrawn.replace(overdrawn_now) == Some(overdrawn_now) {
                return free;
            }
        }
        0
    }

    fn sum(&self, count: fn(&ReleaseCounter) -> &AtomicU64) -> u64 {
        // Acquire pairs with the Release in `count_alone`, `release_from_outside` and
        // `overdraw_from_outside`: a thread that sees the start of a task also sees the overdraft by which
        // the task entered, and the counter of it.
        let counters = self.counters.values().chain([&self.outside]);
        counters.map(|counter| count(counter).load(Ordering::Acquire)).fold(0, u64::wrapping_add)
    }

    /// Returns a permit. Only the thread that acts as worker `worker` may call this.
    #[inline]
    pub fn release(&self, worker: usize) {
        count_alone(&self.counters.get(worker).returned);
        self.serve_waiters();
    }

    /// Returns `permits` permits; any thread may call this.
    pub fn release_from_outside(&self, permits: u64) {
        self.outside.returned.fetch_add(permits, Ordering::Release); // pairs with the Acquire in `sum`
        self.serve_waiters();
    }

    /// Counts a task as if it had a permit, before the task is queued. Only the thread that acts as worker
    /// `worker` may call this.
    #[inline]
    pub fn overdraw_by(&self, worker: usize) {
        count_alone(&self.counters.get(worker).overdrawn);
    }

    /// Counts `tasks` tasks as if they had permits, before they are queued; any thread may call this.
    pub fn overdraw_from_outside(&self, tasks: u64) {
        self.outside.overdrawn.fetch_add(tasks, Ordering::Release); // pairs with the Acquire in `sum`
    }

    #[inline]
    fn serve_waiters(&self) {
        self.barrier.light(); // pairs with `heavy` in `acquire_or_enqueue`; else both could miss each other
        // Relaxed: ordered by the barrier.
        if self.wanted.load(Ordering::Relaxed) != 0 {
            self.grant_slow();
        }
    }

    #[cold]
    fn grant_slow(&self) {
        self.grant(lock(&self.state));
    }

    /// Grants what is free to the waiters, and wakes them after the mutex is released.
    fn grant(&self, mut state: MutexGuard<'_, PermitsState>) {
        let free = self.free(&state);
        let (given, woken) = state.queue.grant(free);
        state.out += given;
        if state.queue.is_empty() {
            // Relaxed: a hint that there are no waiters. It is set again under the same mutex.
            self.wanted.store(0, Ordering::Relaxed);
        }
        drop(state);
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Wakes all waiters with nothing; from now on no waiter is enqueued. Free permits can still be taken.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        let woken = state.queue.close();
        self.wanted.store(0, Ordering::Relaxed); // a hint that there are no waiters
        drop(state);
        woken.into_iter().for_each(Waiter::wake);
    }
}

impl Semaphore for Permits {
    fn with_queue<R>(&self, f: impl FnOnce(&mut WaitQueue) -> R) -> R {
        f(&mut lock(&self.state).queue)
    }

    fn acquire_or_enqueue(&self, weight: u64, waiter: Waiter) -> Acquired {
        debug_assert_eq!(weight, 1, "a task has one permit");
        let mut state = lock(&self.state);
        if state.queue.is_empty() && self.acquire_from_state(&mut state, 1).0 == 1 {
            drop(state);
            unwind::drop_silently(waiter);
            return Acquired::Ready;
        }
        let (acquired, unused) = state.queue.enqueue(1, waiter);
        if let Acquired::Queued(_) = acquired {
            // Relaxed: written under the mutex. If it is set, an earlier waiter has executed the barrier for
            // all.
            if self.wanted.load(Ordering::Relaxed) == 0 {
                self.wanted.store(1, Ordering::Relaxed); // ordered by the barrier
                self.barrier.heavy(); // pairs with `light` in `serve_waiters`
            }
            self.grant(state);
        } else {
            drop(state);
        }
        unwind::drop_silently(unused);
        acquired
    }

    fn overdraw(&self, weight: u64) {
        self.overdraw_from_outside(weight);
    }

    fn cancel(&self, node: WaitNode) {
        let mut state = lock(&self.state);
        let (had, unused) = state.queue.cancel(&node);
        state.out -= had;
        self.grant(state); // also if `had` is 0, because the queue may be empty now
        unwind::drop_silently(unused);
    }
}

/// Adds one to a count that only the calling thread writes.
#[inline(always)]
fn count_alone(count: &AtomicU64) {
    // Relaxed: the load returns this thread's own last store. Release pairs with the Acquire in
    // `Permits::sum`.
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
}
