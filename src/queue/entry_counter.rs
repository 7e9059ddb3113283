//! EntryCounter of a queue that cannot be closed itself: whoever wants to put something in is counted at one of them first, and
//! turned away once they are closed.
//!
//! The count answers whether everything that was let in has been taken out, also while somebody is between stripe and queue
//! with it in hand. One counter for all would do, at the price of a second place where all producers meet. So there are
//! several, each on a cache line of its own, and a producer keeps to one. Closing shuts them one after the other; what
//! each has counted by then is final.

use std::fmt;

use crossbeam_utils::CachePadded;

use crate::base::facade::{AtomicU64, Ordering};

/// Set in a stripe that is closed; the count is in the bits below it.
const CLOSED: u64 = 1 << 63;

/// See the module's text.
pub struct EntryCounter<const N: usize> {
    counts: [CachePadded<AtomicU64>; N],
}

impl<const N: usize> EntryCounter<N> {
    /// All open.
    pub fn new() -> Self {
        EntryCounter { counts: std::array::from_fn(|_| CachePadded::new(AtomicU64::new(0))) }
    }

    /// Lets `tasks` tasks in through stripe number `stripe`; `false` if it is closed.
    #[inline]
    pub fn enter(&self, stripe: usize, tasks: u64) -> bool {
        let stripe = &self.counts[stripe];
        let mut count = stripe.load(Ordering::Relaxed); // only a guess for the CAS
        while count & CLOSED == 0 {
            // Relaxed: a read-modify-write sees the last value whatever its ordering, so nobody is counted after the close.
            // That whoever takes the task sees it counted is the queue's business, through which it goes.
            match stripe.compare_exchange_weak(count, count + tasks, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(current) => count = current,
            }
        }
        false
    }

    /// Tasks let in so far; final once the entries have been closed before.
    pub fn entered(&self) -> u64 {
        // Relaxed: who knows of the close, or of a task that was taken, reads no older count.
        self.counts.iter().map(|stripe| stripe.load(Ordering::Relaxed) & !CLOSED).sum()
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        for stripe in &self.counts {
            // Relaxed: the phase that is entered next tells of it.
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
    fn what_is_let_in_is_counted_until_the_close() {
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
