//! The room in a bounded pool: as many permits as tasks may wait, given out and taken back by many threads that hardly ever
//! meet, and counted exactly all the same.
//!
//! A task from outside needs a permit before it is queued, and the worker that begins it gives the permit back.
//! - **Doors.** A producer keeps to one door, an atomic count on a cache line of its own, and takes its permits there. When the
//!   door is empty it fetches a small lot from the *ledger*, behind a lock; and when the ledger has none either it first sweeps
//!   together what lies at the other doors. Only then is the room full.
//! - **Exits.** A worker gives a permit back by adding one to a count that only this worker writes: no read-modify-write.
//!   Nobody is told; whoever holds the ledger's lock adds all exits up when it wants to know.
//! - **The line.** Who finds the room full may wait, in the order of arrival. Then `wanted` is set, which workers look at when
//!   they have given a permit back; the one that sees it hands permits to those who wait, each to one of them, by name.
//! - **Overdrafts.** What cannot be refused (structured work) is let in without a permit and counted as if it had one, so that
//!   room is found again only when as many tasks have begun. These counts have one writer each, too.
//!
//! # No permit is lost, none is given twice
//! A permit is in exactly one place: in the ledger (what `free` computes), at a door, with a task or in the hands of somebody
//! who is about to queue one. Under the lock it moves between ledger, doors and those who wait; without it, from a door to a
//! task (a compare-and-swap) and from a task to an exit (which counts up only). `free` reads the exits before the overdrafts: a
//! task that was let in without a permit and has begun already is then never counted as begun only.
//!
//! # "Full" is true
//! When the sweep has ended all doors are empty, and stay so: only the holder of the lock fills them. Every exit is read after
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
use crate::limits::wait_queue::{Joined, Lines, Manner, Office, Ticket};
use crate::sync::grow_table::Numbered;
use crate::sync::waiter::Waiter;

/// The most permits that a door fetches in advance. Enough to make the way to the ledger rare; small beside any capacity at
/// which it matters, and what is left at other doors can be swept together.
const LOT: u64 = 64;

/// A lot is at most this part of what is free: while that is little, permits stay where all find them.
const PART: u64 = 8;

/// How often the exits are added up anew because an overdraft was made meanwhile, before the room counts as full.
const RECOUNTS: usize = 8;

/// See the module's text. Shared by all threads.
#[derive(Debug)]
pub struct Room {
    /// Permits that producers have fetched.
    doors: Box<[CachePadded<AtomicU64>]>,
    /// By the number of the worker.
    exits: Numbered<CachePadded<Exit>>,
    /// The exit of all who are no workers.
    others: CachePadded<Exit>,
    /// Not 0 while somebody waits.
    wanted: CachePadded<AtomicU32>,
    ledger: Mutex<Ledger>,
    barrier: Barrier,
}

/// What a worker has given back, and taken without asking.
#[derive(Debug)]
struct Exit {
    returned: AtomicU64,
    overdrawn: AtomicU64,
}

impl Exit {
    /// Unused; on cache lines of its own, for each has another writer.
    fn new() -> CachePadded<Self> {
        CachePadded::new(Exit { returned: AtomicU64::new(0), overdrawn: AtomicU64::new(0) })
    }
}

#[derive(Debug)]
struct Ledger {
    limit: u64,
    /// Permits that have left the ledger, less those that came back without having been with a task. Not less what the
    /// exits have counted.
    out: u64,
    lines: Lines,
}

impl Room {
    /// Room for `limit` tasks (at most `i64::MAX`), with so many doors. The first `workers` workers have their exits at once,
    /// others below the number `most` can get theirs later.
    pub fn new(limit: u64, doors: usize, workers: usize, most: usize, barrier: Barrier) -> Self {
        Room {
            doors: (0..doors).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            exits: Numbered::new((0..workers).map(|_| Exit::new()).collect(), most),
            others: Exit::new(),
            wanted: CachePadded::new(AtomicU32::new(0)),
            ledger: Mutex::new(Ledger { limit, out: 0, lines: Lines::default() }),
            barrier,
        }
    }

    /// Makes sure that worker `worker` has its exit: before it gives a permit back, and before its thread begins. Whoever adds
    /// the exits up misses a new one only as long as nothing was counted there, for an exit is found by who has passed the
    /// barrier after it was used, and anybody else counts too few free permits, not too many.
    pub fn make_exit(&self, worker: usize) {
        self.exits.get_or_make(worker, Exit::new);
    }

    /// Takes up to `wanted` (not 0) permits at `door`; how many it got. 0 means that the room is full.
    #[inline]
    pub fn take(&self, door: usize, wanted: u64) -> u64 {
        let here = &self.doors[door];
        let mut left = here.load(Ordering::Relaxed); // only a guess for the CAS
        while left > 0 {
            let got = left.min(wanted);
            // Acquire pairs with the Release in `lease`: the exits that these permits came from were read before. Without it
            // a task could begin, and be counted at an exit, "before" its permit left the ledger.
            match here.compare_exchange_weak(left, left - got, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return got,
                Err(current) => left = current,
            }
        }
        self.take_from_ledger(door, wanted)
    }

    #[cold]
    fn take_from_ledger(&self, door: usize, wanted: u64) -> u64 {
        let mut ledger = lock(&self.ledger);
        // What is free belongs to those who wait.
        if ledger.lines.is_free() { self.lease(&mut ledger, door, wanted) } else { 0 }
    }

    /// Takes up to `wanted` permits out of the ledger, and some more for the door.
    fn lease(&self, ledger: &mut Ledger, door: usize, wanted: u64) -> u64 {
        let (got, left) = self.draw(ledger, wanted);
        let lot = (left / PART).min(LOT);
        if lot > 0 {
            ledger.out += lot;
            // A read-modify-write, for others take here; Release pairs with the Acquire in `take`.
            self.doors[door].fetch_add(lot, Ordering::Release);
        }
        got
    }

    /// Takes up to `wanted` permits out of the ledger, or else the doors; how many, and how many are left.
    fn draw(&self, ledger: &mut Ledger, wanted: u64) -> (u64, u64) {
        let mut free = self.free(ledger);
        if free == 0 {
            // The doors first, then the exits: see "Full" above.
            ledger.out -= self.sweep_doors();
            free = self.free(ledger);
        }
        let got = free.min(wanted);
        ledger.out += got;
        (got, free - got)
    }

    fn sweep_doors(&self) -> u64 {
        // Acquire as in `take`. A read-modify-write, for a producer may take at the same time.
        self.doors.iter().map(|door| door.swap(0, Ordering::Acquire)).sum()
    }

    /// What the ledger has to give.
    fn free(&self, ledger: &Ledger) -> u64 {
        let mut overdrawn = None;
        for _ in 0..RECOUNTS {
            let returned = self.sum(|exit| &exit.returned);
            let overdrawn_now = self.sum(|exit| &exit.overdrawn);
            let free =
                ledger.limit.wrapping_add(returned).wrapping_sub(ledger.out).wrapping_sub(overdrawn_now);
            let free = (free as i64).max(0) as u64; // below zero while there are overdrafts
            // An overdraft between the two readings may have begun already without having been counted as that.
            if free > 0 || overdrawn.replace(overdrawn_now) == Some(overdrawn_now) {
                return free;
            }
        }
        0
    }

    fn sum(&self, count: fn(&Exit) -> &AtomicU64) -> u64 {
        // Acquire pairs with the Release in `give_back` and `overdraw`: whoever sees that a task has begun sees the overdraft
        // by which it came in, and the exit where that was counted.
        let exits = self.exits.values().chain([&self.others]);
        exits.map(|exit| count(exit).load(Ordering::Acquire)).fold(0, u64::wrapping_add)
    }

    /// Gives a permit back. Only for the thread that acts as worker `worker`.
    #[inline]
    pub fn give_back(&self, worker: usize) {
        count_alone(&self.exits.get(worker).returned);
        self.look_who_waits();
    }

    /// Gives `permits` back, from any thread.
    pub fn give_back_from_outside(&self, permits: u64) {
        self.others.returned.fetch_add(permits, Ordering::Release); // see `sum`
        self.look_who_waits();
    }

    /// Counts a task as if it had a permit. Only for the thread that acts as worker `worker`, before the task is queued.
    #[inline]
    pub fn overdraw(&self, worker: usize) {
        count_alone(&self.exits.get(worker).overdrawn);
    }

    /// The same for `tasks` tasks, from any thread.
    pub fn overdraw_from_outside(&self, tasks: u64) {
        self.others.overdrawn.fetch_add(tasks, Ordering::Release); // see `sum`
    }

    #[inline]
    fn look_who_waits(&self) {
        self.barrier.light(); // pairs with `heavy` in `join`: else both sides could miss each other
        // Relaxed: ordered by that barrier.
        if self.wanted.load(Ordering::Relaxed) != 0 {
            self.serve();
        }
    }

    #[cold]
    fn serve(&self) {
        let woken = self.hand_out(&mut lock(&self.ledger));
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Gives what is free to those who wait; the caller wakes them when it has let go of the lock.
    fn hand_out(&self, ledger: &mut Ledger) -> Vec<Waiter> {
        let (given, woken) = ledger.lines.hand_out(self.free(ledger));
        ledger.out += given;
        if ledger.lines.are_empty() {
            // Relaxed: only a hint that there is nothing to do any more. Who sets it again does so under the lock.
            self.wanted.store(0, Ordering::Relaxed);
        }
        woken
    }

    /// Sends all away who wait; nobody waits from now on. What is free can still be taken.
    pub fn close(&self) {
        let mut ledger = lock(&self.ledger);
        let woken = ledger.lines.close();
        self.wanted.store(0, Ordering::Relaxed); // as in `hand_out`
        drop(ledger);
        woken.into_iter().for_each(Waiter::wake);
    }
}

impl Office for Room {
    fn with_lines<R>(&self, f: impl FnOnce(&mut Lines) -> R) -> R {
        f(&mut lock(&self.ledger).lines)
    }

    fn join(&self, weight: u64, manner: Manner, waiter: Waiter) -> Joined {
        debug_assert_eq!(weight, 1, "a task has one permit");
        let mut ledger = lock(&self.ledger);
        if ledger.lines.is_free() && self.draw(&mut ledger, 1).0 == 1 {
            drop(ledger);
            unwind::drop_silently(waiter);
            return Joined::Taken;
        }
        let (joined, unused) = ledger.lines.join(1, manner, waiter);
        let mut woken = Vec::new();
        if let Joined::Waits(_) = joined {
            // Relaxed: written under the lock. While it is set, whoever came before has passed the barrier for all.
            if self.wanted.load(Ordering::Relaxed) == 0 {
                self.wanted.store(1, Ordering::Relaxed); // ordered by the barrier
                self.barrier.heavy(); // pairs with `light` in `look_who_waits`
            }
            woken = self.hand_out(&mut ledger);
        }
        drop(ledger);
        woken.into_iter().for_each(Waiter::wake);
        unwind::drop_silently(unused);
        joined
    }

    fn leave(&self, ticket: Ticket) {
        let mut ledger = lock(&self.ledger);
        let (had, unused) = ledger.lines.leave(&ticket);
        ledger.out -= had;
        let woken = self.hand_out(&mut ledger); // also when it had nothing: perhaps nobody waits any more
        drop(ledger);
        woken.into_iter().for_each(Waiter::wake);
        unwind::drop_silently(unused);
    }
}

/// Adds one to a count that only the calling thread writes.
#[inline(always)]
fn count_alone(count: &AtomicU64) {
    // The load is our own last store. Release: see `Room::sum`.
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
}
