//! A statistic with one writer and any number of readers: no read-modify-write, no contention.

// Statistics never order anything, so they stay out of the model façade.
use std::sync::atomic::{AtomicU64, Ordering};

/// A count that exactly one thread at a time increments and that everyone may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owner calls this; two concurrent writers would lose counts (never memory safety).
    #[inline(always)]
    pub fn add(&self, n: u64) {
        // Release pairs with the Acquire in `get`: a snapshot that reads counters in reverse causal order
        // (finished, started, submitted) then never sees an effect without its cause. The load is our own last
        // store, so Relaxed.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Release);
    }

    /// Adds `n` from any thread, at the price of an atomic read-modify-write, and returns the count before. Never
    /// mixed with [`Counter::add`].
    pub fn add_shared(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Release) // as in `add`
    }

    /// The present count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire) // pairs with the Release in `add`
    }
}
