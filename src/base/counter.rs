//! A statistic with one writer and any number of readers: no read-modify-write, no contention.

// Statistics never order anything, so they stay out of the model façade.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// A time in nanoseconds; five centuries and more are as good as that.
pub fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Time spent in some state, of which one thread at a time enters and leaves it; in nanoseconds since a moment that its users
/// agree on.
#[derive(Debug, Default)]
pub struct StateTimer {
    /// Of the stretches that are over.
    total: AtomicU64,
    /// When the present one began, plus 1; 0 if there is none.
    since: AtomicU64,
}

impl StateTimer {
    /// Begins a stretch.
    pub fn begin(&self, now: u64) {
        self.since.store(now + 1, Ordering::Relaxed); // statistics: a view of a moment
    }

    /// Ends it, if one had begun.
    pub fn end(&self, now: u64) {
        let since = self.since.swap(0, Ordering::Relaxed);
        if since != 0 {
            self.add(now.saturating_sub(since - 1));
        }
    }

    /// Ends it by the word of whoever has measured it: `nanos` long.
    pub fn end_after(&self, nanos: u64) {
        self.since.store(0, Ordering::Relaxed);
        self.add(nanos);
    }

    /// Adds a stretch as a whole.
    pub fn add(&self, nanos: u64) {
        // A read-modify-write, for a worker that is on loan has two threads to write this; once a sleep.
        self.total.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Whether one has begun and not ended.
    pub fn is_under_way(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    /// All of them, the present one up to `now`.
    pub fn total(&self, now: u64) -> u64 {
        let since = self.since.load(Ordering::Relaxed);
        let present = if since == 0 { 0 } else { now.saturating_sub(since - 1) };
        self.total.load(Ordering::Relaxed) + present
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up() {
        let stretch = StateTimer::default();
        stretch.end(5);
        assert_eq!(stretch.total(9), 0, "none had begun");
        stretch.begin(0);
        assert_eq!(stretch.total(10), 10);
        stretch.end(20);
        stretch.add(5);
        stretch.begin(100);
        assert_eq!(stretch.total(101), 26);
        stretch.end_after(3);
        assert_eq!((stretch.total(200), stretch.is_under_way()), (28, false));
    }
}
