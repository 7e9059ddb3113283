//! `scan`: running sums in place.

use crate::api::join::Context;
use crate::api::loops::part::{pace_for, splits};
use crate::api::pool::Pool;
use crate::policy::pace::Pace;
use crate::sys::clock;

/// Scans `items`, of which the first `done` are scanned already. The worker scans from the left; another
/// worker that takes the rest scans it by itself, and afterwards both add what precedes the rest.
fn scan_part<T, F>(cx: Context<'_>, items: &mut [T], mut done: usize, mut pace: Pace, combine: &F)
where
    T: Send + Sync,
    F: Fn(&T, &T) -> T + Sync,
{
    let mut begun = clock::now();
    while done < items.len() {
        let left = items.len() - done;
        if splits(cx, &pace, left) {
            let (first, rest) = items.split_at_mut(done + left / 2);
            cx.join(
                |cx| scan_part(cx, first, done, pace, combine),
                |cx| scan_part(cx, rest, 0, pace, combine),
            );
            if let Some(before) = first.last() {
                cx.for_each(rest, |item| *item = combine(before, item));
            }
            return;
        }
        let len = pace.next_block().min(left);
        let mut block = items[done.saturating_sub(1)..done + len].iter_mut();
        if let Some(before) = block.next() {
            let mut before = &*before;
            for item in block {
                *item = combine(before, item);
                before = item;
            }
        }
        done += len;
        let now = clock::now();
        pace.record(len, now.saturating_sub(begun));
        begun = now;
    }
}

impl Context<'_> {
    /// Replaces each item by the combination of all items up to it (an inclusive scan; a prefix sum if
    /// `combine` adds). `combine` gets neighbouring results in their order, and must be associative.
    ///
    /// Where another worker takes a part, each of its items is combined twice. So two workers are at best a
    /// third faster than one, and a scan pays for operations that take longer than a few additions.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut numbers = [1, 2, 3, 4];
    /// pool.enter(|cx| cx.scan(&mut numbers, |sum, n| sum + n));
    /// assert_eq!(numbers, [1, 3, 6, 10]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `combine`, after all parts have ended. Some items may have been replaced, some not.
    pub fn scan<T, F>(self, items: &mut [T], combine: F)
    where
        T: Send + Sync,
        F: Fn(&T, &T) -> T + Sync,
    {
        let pace = pace_for(self, items.len());
        scan_part(self, items, 0, pace, &combine);
    }
}

impl Pool {
    /// Replaces each item by the combination of all items up to it: [`Context::scan`] inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut highest_so_far = [3, 1, 4, 1, 5];
    /// pool.scan(&mut highest_so_far, |a, b| *a.max(b));
    /// assert_eq!(highest_so_far, [3, 3, 4, 4, 5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `combine`, after all parts have ended. Some items may have been replaced, some not.
    #[doc(alias = "prefix_sum")]
    pub fn scan<T, F>(&self, items: &mut [T], combine: F)
    where
        T: Send + Sync,
        F: Fn(&T, &T) -> T + Sync + Send,
    {
        self.enter(|cx| cx.scan(items, combine));
    }
}
