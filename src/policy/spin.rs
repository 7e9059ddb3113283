//! How long a worker that finds nothing keeps looking before it parks.
//!
//! Spinning pays when the next task comes sooner than parking and waking take (a few microseconds), and is lost
//! otherwise; which of the two holds depends on the program and changes while it runs. So the time adapts, within a
//! limit that the user sets: it doubles when a spin was rewarded, or would have been had it lasted a little longer, and
//! halves when it was not.

use std::time::Duration;

/// The default limit: some times what it takes to put a thread to sleep and wake it up again.
pub const DEFAULT_LIMIT: Duration = Duration::from_micros(20);

/// The largest limit that makes sense: a thousand times what it saves. More is lowered to it.
pub const LARGEST_LIMIT: Duration = Duration::from_millis(10);

/// The shortest spin is this part of the limit. Never zero, else no spin could be rewarded again.
const SHORTEST: u32 = 16;

/// A sleep of less than so many limits was not worth it: as much again passes while a thread is put to sleep and woken.
const SHORT_SLEEP: u32 = 2;

/// One worker's spin time.
#[derive(Debug, Clone, Copy)]
pub struct SpinTime {
    limit: Duration,
    now: Duration,
}

impl SpinTime {
    /// Starts in the middle of what `limit` allows. A limit of zero never spins.
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

    /// The last spin found nothing, and the sleep after it lasted for `slept`.
    ///
    /// A short sleep speaks for a longer spin. Without this rule two threads that work in turn could settle in a state
    /// where each sleeps while the other is being woken, and never find out of it.
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
