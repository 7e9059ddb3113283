//! [`Workers`]: how many workers a pool should have, as users say it.

use std::ops::RangeInclusive;

/// How many workers a pool has: a number, or a range in which it follows its load. What
/// [`PoolBuilder::workers`](crate::PoolBuilder::workers) and [`Pool::set_workers`](crate::Pool::set_workers) take, made of
/// `8` or `2..=8`.
///
/// ```
/// use longshore::Workers;
///
/// assert_eq!(Workers::from(2..=8), Workers { min: 2, max: 8 });
/// assert_eq!(Workers::from(8), Workers { min: 8, max: 8 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// The least.
    pub min: usize,
    /// The most.
    pub max: usize,
}

impl From<usize> for Workers {
    fn from(workers: usize) -> Self {
        Workers { min: workers, max: workers }
    }
}

impl From<RangeInclusive<usize>> for Workers {
    fn from(range: RangeInclusive<usize>) -> Self {
        let (min, max) = range.into_inner();
        Workers { min, max }
    }
}
