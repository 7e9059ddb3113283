//! The ledger: what tells every row that each task ran exactly once, and when the last one did.
//!
//! A task must leave a trace, and the trace must cost the same for every competitor and little enough not to
//! hide the fastest. One shared counter would be a contended read-modify-write per task, which costs more
//! than the dispatch that we measure and would flatter the slow. Hence a page of slots, one per thread: a
//! task adds 1 and a hash of its own value to the slot of the thread it runs on, with plain loads and stores,
//! because no other thread writes that slot. The measuring thread compares the sums with what it expects: a
//! lost or doubled task changes the count, one lost and another doubled changes the sum of the hashes.
//!
//! The end of a run is seen by a thread that looks at the sums, sleeping in between ([`Mark::wait`]): a
//! waiter that spins would take a core from the workers, and a last task that wakes the waiter would have to
//! know that it is the last, which costs a shared counter. The pause is 1/256 of the time that has passed, so
//! the end is seen at most about half a percent late, by every competitor alike.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::outcome::Failure;

/// Threads that may run tasks at the same time: one for each task of a thread of its own, and room.
const SLOTS: usize = 1 << 15;

/// What a waiter lets pass without any progress before it says that tasks were lost.
///
/// Below the parent's default deadline, so that the child itself can say how far it came.
const STALLED: Duration = Duration::from_secs(20);

/// The most that counts of the time between two looks, which are a millisecond apart: after a longer one the
/// process had been stopped, and its tasks with it.
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// How long after the end of a run a doubled task still has to show up. Not part of any figure.
const AFTERMATH: Duration = Duration::from_millis(1);

/// Two cache lines apart, because the prefetcher fetches pairs.
#[repr(align(128))]
struct Slot {
    /// Tasks that ran on this slot's thread. Written by that thread only.
    count: AtomicU64,
    /// Wrapping sum of the hashes of their values. Written by that thread only.
    hashes: AtomicU64,
}

static PAGE: [Slot; SLOTS] = [const { Slot { count: AtomicU64::new(0), hashes: AtomicU64::new(0) } }; SLOTS];

/// Slots handed out so far; those of threads that have ended are in [`FREE`] and used again.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// The slots of threads that have ended.
static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

thread_local! {
    /// The slot of this thread; `usize::MAX` until its first task. No destructor, hence a plain load per use.
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };

    /// Gives the slot back when the thread ends. Touched once per thread.
    static RETURN: Return = const { Return };
}

/// Hands the ending thread's slot to the next one, with its sums.
struct Return;

impl Drop for Return {
    fn drop(&mut self) {
        // A task that runs in a later destructor of this thread takes a slot anew, which is then lost to
        // others.
        let index = MINE.replace(usize::MAX);
        FREE.lock().expect("no thread panics while it holds the lock").push(index);
    }
}

/// Enters that the task with this value ran on the calling thread.
#[inline]
pub fn enter(value: u64) {
    let mut index = MINE.get();
    if index == usize::MAX {
        index = take_slot();
    }
    let slot = &PAGE[index];
    // Relaxed: the slot has one writer, this thread, so load and store need not be one operation.
    slot.hashes.store(slot.hashes.load(Ordering::Relaxed).wrapping_add(hash(value)), Ordering::Relaxed);
    // Release, partner: the Acquire in `totals`. Who sees this count also sees the hash entered above.
    slot.count.store(slot.count.load(Ordering::Relaxed) + 1, Ordering::Release);
}

#[cold]
fn take_slot() -> usize {
    // The lock passes the sums from the thread that ended to this one.
    let free = FREE.lock().expect("no thread panics while it holds the lock").pop();
    // Relaxed: handing out distinct numbers needs atomicity only.
    let index = free.unwrap_or_else(|| TAKEN.fetch_add(1, Ordering::Relaxed));
    assert!(index < SLOTS, "more than {SLOTS} threads ran tasks");
    MINE.set(index);
    // Fails where the thread is past its destructors.
    let _ = RETURN.try_with(|_| ());
    index
}

/// Spreads a value so that sums of hashes agree only if the values do.
#[inline]
#[must_use]
pub fn hash(value: u64) -> u64 {
    // One round of splitmix64's finaliser.
    let x = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 27)
}

/// What a run is expected to enter: how many tasks, and the sum of the hashes of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    count: u64,
    hashes: u64,
}

impl Expected {
    /// One task for each value.
    pub fn of(values: impl Iterator<Item = u64>) -> Self {
        values.fold(Self { count: 0, hashes: 0 }, |sum, value| Self {
            count: sum.count + 1,
            hashes: sum.hashes.wrapping_add(hash(value)),
        })
    }
}

/// The sums over all slots at one moment at which no task ran: where a run starts.
#[derive(Clone, Copy, Debug)]
pub struct Mark(Expected);

/// Notes where the ledger stands. Call it while no task runs.
pub fn mark() -> Mark {
    Mark(totals())
}

impl Mark {
    /// How many tasks were entered since the mark.
    pub fn count(self) -> u64 {
        totals().count - self.0.count
    }

    /// Waits until as many tasks as expected were entered since the mark, and checks which.
    /// Returns the moment at which the last one was seen.
    pub fn wait(self, expected: Expected, start: Instant) -> Result<Instant, Failure> {
        let mut last_look = start;
        let (mut seen, mut stalled) = (0, Duration::ZERO);
        loop {
            let count = self.count();
            let now = Instant::now();
            if count >= expected.count {
                self.check(expected)?;
                // A task that runs a second time may do so after the last of the first times.
                nap(AFTERMATH * 256);
                self.check(expected)?;
                return Ok(now);
            }
            stalled += now.duration_since(last_look).min(LONGEST_LOOK);
            last_look = now;
            if count > seen {
                (seen, stalled) = (count, Duration::ZERO);
            } else if stalled > STALLED {
                return Err(Failure::Wrong(format!(
                    "{count} of {} tasks had run and none more did for {} s",
                    expected.count,
                    STALLED.as_secs()
                )));
            }
            nap(now.duration_since(start));
        }
    }

    /// Compares what was entered since the mark with what is expected. Call it while no task runs.
    pub fn check(self, expected: Expected) -> Result<(), Failure> {
        let now = totals();
        let got =
            Expected { count: now.count - self.0.count, hashes: now.hashes.wrapping_sub(self.0.hashes) };
        if got == expected {
            return Ok(());
        }
        let what =
            if got.count == expected.count { "the right number, but not of the right tasks" } else { "" };
        Err(Failure::Wrong(format!("{} tasks entered, {} expected {what}", got.count, expected.count)))
    }
}

fn totals() -> Expected {
    // Relaxed: a slot taken after this load holds nothing that a caller at rest waits for, and one that a
    // waiting caller misses is seen by its next look.
    let taken = TAKEN.load(Ordering::Relaxed).min(SLOTS);
    PAGE[..taken].iter().fold(Expected { count: 0, hashes: 0 }, |sum, slot| {
        // Acquire, partner: the Release in `enter`; without it a sum of hashes could lag behind its count.
        let count = slot.count.load(Ordering::Acquire);
        let hashes = slot.hashes.load(Ordering::Relaxed);
        Expected { count: sum.count + count, hashes: sum.hashes.wrapping_add(hashes) }
    })
}

#[allow(clippy::disallowed_methods, reason = "the pause between two looks must not depend on the pool")]
fn nap(elapsed: Duration) {
    std::thread::sleep((elapsed / 256).clamp(Duration::from_micros(20), Duration::from_millis(1)));
}

/// Held by each test that enters something: the ledger is shared by the whole process.
#[cfg(test)]
pub static TESTED: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_a_lost_and_a_doubled_task() {
        let ran = |values: &[u64]| {
            let start = mark();
            values.iter().for_each(|&v| enter(v));
            start
        };
        let expected = Expected::of(0..4);
        let _alone = TESTED.lock().expect("the other tests have passed");
        assert!(ran(&[3, 1, 0, 2]).check(expected).is_ok());
        assert!(ran(&[0, 1, 2]).check(expected).is_err(), "lost");
        assert!(ran(&[0, 1, 2, 3, 3]).check(expected).is_err(), "doubled");
        assert!(ran(&[0, 1, 2, 2]).check(expected).is_err(), "one lost, one doubled");
    }
}
