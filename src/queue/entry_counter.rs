//! A striped counter of the tasks that enter a queue, which can be closed although the queue cannot.
//!
//! A producer counts its tasks here before it pushes them, and is refused once the counter is closed. So the
//! count tells whether every task that has entered was taken out, also while a producer is between counter
//! and queue. One counter would do, at the price of a second place where all producers meet. So there are
//! several stripes, each on a cache line of its own, and a producer uses one of them. A close closes the
//! stripes one after the other; the count of a closed stripe is final.
//!
//! The queue of a pull pool owns it (`pull/queue.rs`); any thread may use it. Guarded by the model
//! `pull` and by the unit tests here.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::base::facade::{AtomicU64, Ordering};

/// Set in a closed stripe; the count is in the bits below it.
const CLOSED: u64 = 1 << 63;

/// A striped counter that can be closed; see the module's text.
pub struct EntryCounter<const N: usize> {
    counts: [CachePadded<AtomicU64>; N],
}

impl<const N: usize> EntryCounter<N> {
    /// An open counter.
    pub fn new() -> Self {
        EntryCounter { counts: std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0))) }
    }

    /// Counts `tasks` tasks at stripe number `stripe`. Returns `false`, and counts nothing, if the stripe is
    /// closed.
    #[inline]
    pub fn enter(&self, stripe: usize, tasks: u64) -> bool {
        let stripe = &self.counts[stripe];
        let mut count = stripe.load(Ordering::Relaxed); // only a guess for the CAS
        while count & CLOSED == 0 {
            // Relaxed: a read-modify-write sees the last value whatever its ordering, so no task is counted
            // after the close. The queue through which the task passes makes the count visible to the thread
            // that takes it.
            match stripe.compare_exchange_weak(count, count + tasks, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(current) => count = current,
            }
        }
        false
    }

    /// The number of tasks counted so far. Final if the counter is closed.
    pub fn entered(&self) -> u64 {
        // Relaxed: a thread that knows of the close, or of a task that was taken, reads no older count.
        self.counts.iter().map(|stripe| stripe.load(Ordering::Relaxed) & !CLOSED).sum()
    }

    /// Refuses all later tasks.
    pub fn close(&self) {
        for stripe in &self.counts {
            // Relaxed: the change of the pool's phase, which follows, publishes it.
            stripe.fetch_or(CLOSED, Ordering::Relaxed);
        }
    }
}

impl<const N: usize> fmt::Debug for EntryCounter<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryCounter").field("entered", &self.entered()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn tasks_are_counted_until_the_close() {
        let entries = EntryCounter::<3>::new();
        assert!(entries.enter(0, 1) && entries.enter(2, 10) && entries.enter(0, 5));
        assert_eq!(entries.entered(), 16);
        entries.close();
        assert!((0..3).all(|stripe| !entries.enter(stripe, 1)));
        entries.close();
        assert_eq!(entries.entered(), 16);
    }

    #[test]
    fn the_count_is_final_after_the_close() {
        let entries = EntryCounter::<2>::new();
        thread::scope(|scope| {
            let enter = |stripe| (0..100_000).filter(|_| entries.enter(stripe, 1)).count() as u64;
            let entering: Vec<_> = (0..4).map(|n| scope.spawn(move || enter(n % 2))).collect();
            thread::yield_now();
            entries.close();
            let counted = entries.entered();
            let entered: u64 = entering.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            assert_eq!((counted, entries.entered()), (entered, entered));
        });
    }
}
