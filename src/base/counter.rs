//! Statistics that one thread writes and any thread reads: a count without read-modify-write, and the time
//! spent in a state.
//!
//! Each belongs to one worker's record (`runtime/metrics.rs`, `task/counts.rs`). Guarded by the unit tests
//! here and by `tests/it/behaviour/statistics.rs`.

// Statistics order nothing, so they use these atomics also under the model checker.
#[cfg(not(target_has_atomic = "64"))]
pub use portable_atomic::AtomicU64;
#[cfg(target_has_atomic = "64")]
pub use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A count that one thread at a time increments and that any thread may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owner may call this; two concurrent writers would lose counts (never memory
    /// safety).
    #[inline(always)]
    pub fn add(&self, n: u64) {
        // Release pairs with the Acquire in `get`: a snapshot that reads counters in reverse causal order
        // (finished, started, submitted) then never sees an effect without its cause. Relaxed: the load
        // returns this thread's own last store.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Release);
    }

    /// Adds `n` from any thread with an atomic read-modify-write, and returns the count before. A counter is
    /// written either with this or with [`Counter::add`], never with both.
    pub fn add_shared(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Release) // pairs with the Acquire in `get`, as the store in `add` does
    }

    /// The current count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire) // pairs with the Release in `add`
    }
}

/// `time` in nanoseconds; more than five centuries saturate.
pub fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

/// Time spent in one state. One thread at a time enters and leaves the state; two threads may do so in turn,
/// and add their intervals at the same time. All times are nanoseconds since a moment on which the callers
/// agree.
#[derive(Debug, Default)]
pub struct StateTimer {
    /// Sum of the intervals that have ended.
    total: AtomicU64,
    /// Start of the current interval plus 1; 0 outside of an interval.
    since: AtomicU64,
}

impl StateTimer {
    /// Starts an interval.
    pub fn begin(&self, now: u64) {
        self.since.store(now + 1, Ordering::Relaxed); // a statistic: a reader may see it late
    }

    /// Ends the current interval, if there is one.
    pub fn end(&self, now: u64) {
        let since = self.since.swap(0, Ordering::Relaxed);
        if since != 0 {
            self.add(now.saturating_sub(since - 1));
        }
    }

    /// Ends the current interval, whose length the caller has measured as `nanos`.
    pub fn end_after(&self, nanos: u64) {
        self.since.store(0, Ordering::Relaxed);
        self.add(nanos);
    }

    /// Adds an interval of `nanos`.
    pub fn add(&self, nanos: u64) {
        // A read-modify-write because two threads write this for a leased worker; it runs once per sleep.
        self.total.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Whether an interval has started and not ended.
    pub fn is_under_way(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }

    /// The sum of all intervals, the current one up to `now`.
    pub fn total(&self, now: u64) -> u64 {
        let since = self.since.load(Ordering::Relaxed);
        let current = if since == 0 { 0 } else { now.saturating_sub(since - 1) };
        self.total.load(Ordering::Relaxed) + current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_add_up() {
        let timer = StateTimer::default();
        timer.end(5);
        assert_eq!(timer.total(9), 0, "none had started");
        timer.begin(0);
        assert_eq!(timer.total(10), 10);
        timer.end(20);
        timer.add(5);
        timer.begin(100);
        assert_eq!(timer.total(101), 26);
        timer.end_after(3);
        assert_eq!((timer.total(200), timer.is_under_way()), (28, false));
    }
}
