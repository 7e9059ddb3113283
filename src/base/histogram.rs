//! Distributions of times in constant memory: a [`HistogramRecorder`], which one thread writes, and its
//! snapshot, a [`Histogram`].
//!
//! Buckets grow with the times that they count: each power of two of nanoseconds is split into eight buckets.
//! So a value is known to within an eighth of itself, whatever the range, and 488 counters cover one
//! nanosecond to five centuries.
//!
//! A worker's record owns its recorders (`runtime/metrics.rs`); any thread may read them. Guarded by the unit
//! tests here and by `tests/it/behaviour/histograms.rs`.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::base::counter::{self, AtomicU64, Counter};

/// A power of two is split into `1 << CUTS` buckets.
const CUTS: u32 = 3;

/// Each value below this has a bucket of its own.
const EXACT: u64 = 1 << CUTS;

/// Number of buckets: the exact ones, then one series for each power of two from there to `2^63`.
const BUCKETS: usize = ((64 - CUTS as usize) + 1) << CUTS;

/// The bucket that counts `nanos`.
#[inline]
fn bucket_of(nanos: u64) -> usize {
    if nanos < EXACT {
        return nanos as usize;
    }
    let shift = 63 - nanos.leading_zeros() - CUTS;
    // The three bits below the highest select one of the eight buckets; the highest bit adds one to the
    // series.
    (((shift as usize) << CUTS) + (nanos >> shift) as usize).min(BUCKETS - 1)
}

/// The largest value that bucket `index` counts.
fn upper_end(index: usize) -> u64 {
    if index < EXACT as usize {
        return index as u64;
    }
    let shift = (index >> CUTS) as u32 - 1;
    let first = (EXACT + (index as u64 & (EXACT - 1))) << shift;
    first + ((1 << shift) - 1)
}

/// Counts times. One thread at a time records; any thread may read.
pub struct HistogramRecorder {
    buckets: Box<[Counter]>,
    /// Sum of all times, in nanoseconds.
    sum: Counter,
    /// Longest time, in nanoseconds.
    max: AtomicU64,
}

impl HistogramRecorder {
    /// Counts one time.
    pub fn record(&self, time: Duration) {
        let nanos = counter::nanos(time);
        self.buckets[bucket_of(nanos)].add(1);
        self.sum.add(nanos);
        // Relaxed, because it orders nothing. A load and a store, because there is one writer.
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.store(nanos, Ordering::Relaxed);
        }
    }

    /// The times recorded so far.
    pub fn snapshot(&self) -> Histogram {
        let counts: Vec<u64> = self.buckets.iter().map(Counter::get).collect();
        let used = counts.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1);
        Histogram {
            count: counts.iter().sum(),
            sum: self.sum.get(),
            max: self.max.load(Ordering::Relaxed), // a statistic: a reader may see it late
            counts: counts[..used].to_vec(),
        }
    }
}

impl Default for HistogramRecorder {
    /// A recorder without times.
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| Counter::default()).collect();
        HistogramRecorder { buckets, sum: Counter::default(), max: AtomicU64::new(0) }
    }
}

impl fmt::Debug for HistogramRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// A distribution of times, for example how long tasks waited or ran. Each time is known to within an eighth.
///
/// ```
/// use longshore::Histogram;
/// use std::time::Duration;
///
/// let mut times: Histogram = [1, 2, 3, 1_000].map(Duration::from_micros).into_iter().collect();
/// times.merge(&[Duration::from_micros(4)].into_iter().collect());
/// assert_eq!((times.count(), times.max()), (5, Duration::from_millis(1)));
/// let half = times.percentile(50.0).expect("not empty");
/// assert!(half >= Duration::from_micros(3) && half < Duration::from_micros(4));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Histogram {
    /// Without the zeros at the end.
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// The number of times counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether no time was counted.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The longest time, exactly; zero if there is none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The average, exactly; `None` if nothing was counted.
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count).map(Duration::from_nanos)
    }

    /// The time that `percent` of all times do not exceed: 50.0 gives the median. The result is at most an
    /// eighth too long and never too short; `None` if nothing was counted. `percent` is clamped to the range
    /// from 0 to 100, and NaN counts as 100.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let share = if percent.is_nan() { 1.0 } else { percent.clamp(0.0, 100.0) / 100.0 };
        // At least 1, so that 0 percent gives the shortest time.
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_nanos(upper_end(index).min(self.max)))
    }

    /// Adds the times that `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, more)| *mine += more);
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// The buckets that are not empty, the shortest first: the longest time that a bucket counts, and its
    /// count.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let used = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        used.map(|(index, count)| (Duration::from_nanos(upper_end(index)), *count))
    }
}

impl FromIterator<Duration> for Histogram {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let recorder = HistogramRecorder::default();
        times.into_iter().for_each(|time| recorder.record(time));
        recorder.snapshot()
    }
}

/// Shows percentiles instead of the buckets.
impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |percent| self.percentile(percent).unwrap_or_default();
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("p50", &at(50.0))
            .field("p90", &at(90.0))
            .field("p99", &at(99.0))
            .field("max", &self.max())
            .finish()
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_adjacent_and_an_eighth_wide() {
        let mut first = 0u64;
        for index in 0..BUCKETS {
            let last = upper_end(index);
            assert_eq!((bucket_of(first), bucket_of(last)), (index, index));
            assert!(last - first <= first / EXACT, "{first}..={last}");
            if last == u64::MAX {
                assert_eq!(index, BUCKETS - 1);
                return;
            }
            first = last + 1;
        }
        panic!("the last bucket ends before the largest value: {first}");
    }

    #[test]
    fn percentiles_are_an_eighth_too_long_at_most() {
        let times: Histogram = (1..=10_000).map(Duration::from_micros).collect();
        for percent in [1.0, 25.0, 50.0, 90.0, 99.0, 99.9] {
            let right = Duration::from_nanos((percent * 100_000.0) as u64);
            let found = times.percentile(percent).expect("not empty");
            assert!(found >= right && found <= right * 9 / 8, "{percent}: {found:?}");
        }
        assert_eq!(times.percentile(100.0), Some(Duration::from_millis(10)));
        assert_eq!(times.percentile(f64::NAN), Some(Duration::from_millis(10)));
        assert!(times.percentile(-1.0) < Some(Duration::from_nanos(1_130)));
        assert_eq!(times.mean(), Some(Duration::from_nanos(5_000_500)));
        assert_eq!(times.buckets().map(|(_, count)| count).sum::<u64>(), 10_000);
    }

    #[test]
    fn nothing_has_no_percentiles_and_the_extremes_are_counted() {
        let nothing = Histogram::default();
        assert!(nothing.is_empty());
        assert_eq!((nothing.percentile(50.0), nothing.mean(), nothing.max()), (None, None, Duration::ZERO));
        let extremes: Histogram = [Duration::ZERO, Duration::MAX].into_iter().collect();
        assert_eq!(extremes.percentile(0.0), Some(Duration::ZERO));
        assert_eq!(extremes.max(), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn merging_is_counting_together() {
        let short: Histogram = (1..100).map(Duration::from_nanos).collect();
        let long: Histogram = (1..100).map(Duration::from_millis).collect();
        let both: Histogram =
            (1..100).map(Duration::from_nanos).chain((1..100).map(Duration::from_millis)).collect();
        let (mut one, mut other) = (short.clone(), long.clone());
        one.merge(&long);
        other.merge(&short);
        assert_eq!((&one, &other), (&both, &both));
    }
}
