//! How long a worker that finds nothing keeps searching before it parks.
//!
//! Spinning pays if the next task arrives sooner than a worker can park and wake up (a few microseconds);
//! otherwise it is a loss. Which of the two holds depends on the program and changes while it runs. So the
//! spin time adapts, within a limit that the user sets. It doubles after a spin that found work, or that
//! would have found work if it had lasted a little longer, and halves otherwise.
//!
//! A plain value of each worker, used by its thread only. Guarded by the unit tests here.

use std::time::Duration;

/// The default limit: a few times as long as it takes to park a thread and wake it up.
pub const DEFAULT_LIMIT: Duration = Duration::from_micros(20);

/// The largest useful limit: a thousand times what it saves. A larger one is lowered to it.
pub const LARGEST_LIMIT: Duration = Duration::from_millis(10);

/// The shortest spin is this part of the limit. It is not zero, because then no spin could be rewarded again.
const SHORTEST: u32 = 16;

/// A sleep shorter than this many limits was not worth it: as much time again passes while the thread parks
/// and wakes.
const SHORT_SLEEP: u32 = 2;

/// One worker's spin time.
#[derive(Debug, Clone, Copy)]
pub struct SpinTime {
    limit: Duration,
    now: Duration,
}

impl SpinTime {
    /// Starts at a quarter of `limit`. A limit of zero never spins.
    pub fn new(limit: Duration) -> Self {
        let limit = limit.min(LARGEST_LIMIT);
        SpinTime { limit, now: limit / 4 }
    }

    /// How long to spin this time.
    pub fn get(self) -> Duration {
        self.now
    }

    /// The last spin found work.
    pub fn rewarded(&mut self) {
        self.now = (self.now * 2).min(self.limit);
    }

    /// The last spin found nothing, and the sleep after it lasted for `slept`. A short sleep is a reason for
    /// a longer spin. Without this rule two threads that work in turn could settle in a state in which each
    /// sleeps while the other is being woken, and never leave it.
    pub fn slept(&mut self, slept: Duration) {
        if slept < self.limit * SHORT_SLEEP {
            self.rewarded();
        } else {
            self.now = (self.now / 2).max(self.limit / SHORTEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_between_a_sixteenth_of_the_limit_and_the_limit() {
        let mut spin = SpinTime::new(DEFAULT_LIMIT);
        (0..10).for_each(|_| spin.slept(Duration::from_millis(1)));
        assert_eq!(spin.get(), DEFAULT_LIMIT / 16);
        (0..10).for_each(|_| spin.rewarded());
        assert_eq!(spin.get(), DEFAULT_LIMIT);
        spin.slept(Duration::from_millis(1));
        spin.slept(DEFAULT_LIMIT);
        assert_eq!(spin.get(), DEFAULT_LIMIT, "a short sleep counts as a reward missed");
    }

    #[test]
    fn no_limit_no_spin() {
        let mut spin = SpinTime::new(Duration::ZERO);
        spin.rewarded();
        assert_eq!(spin.get(), Duration::ZERO);
    }
}
