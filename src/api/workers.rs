//! [`Workers`]: how many workers a pool should have, as users say it. Plain data. Guarded by
//! `tests/it/behaviour/builder.rs` and `tests/it/behaviour/bad_input.rs`.

use std::ops::RangeInclusive;

/// How many workers a pool has: a number, or a range in which the number follows the load.
///
/// [`PoolBuilder::workers`](crate::PoolBuilder::workers) and [`Pool::set_workers`](crate::Pool::set_workers)
/// take a `usize` (`8`) or an inclusive range (`2..=8`), which convert into this. They also check the
/// numbers.
///
/// ```
/// use longshore::Workers;
///
/// assert_eq!(Workers::from(2..=8), Workers { min: 2, max: 8 });
/// assert_eq!(Workers::from(8), Workers { min: 8, max: 8 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// The smallest number of workers.
    pub min: usize,
    /// The largest number of workers.
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
