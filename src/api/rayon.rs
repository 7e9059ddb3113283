//! rayon's parallel iterators on a pool of ours (feature `rayon`).
//!
//! An iterator of rayon's is driven by whoever implements `drive_unindexed`; all that `map`, `filter`, `sum` or `collect` do
//! is to wrap what comes before them. So it is enough to drive the innermost one: [`OnPool`] splits its producer by our
//! join, through rayon's public plumbing. rayon's own threads are never started.

use std::fmt;

use rayon::iter::plumbing::{Consumer, Folder, Producer, ProducerCallback, Reducer, UnindexedConsumer};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};

use crate::api::join::Context;
use crate::api::pool::Pool;

/// Parts for each worker into which an iterator is split: so many that a worker which is done early finds another part, so
/// few that what is lost by splitting is little. Splitting costs some nanoseconds where nobody takes the parts.
const PARTS_PER_WORKER: usize = 32;

/// A parallel iterator that runs on a [`Pool`]. Made by [`OnPoolExt::on`].
pub struct OnPool<'p, I> {
    pool: &'p Pool,
    base: I,
}

/// Adds [`OnPoolExt::on`] to rayon's indexed parallel iterators.
pub trait OnPoolExt: IndexedParallelIterator {
    /// Runs the iterator, and all that is chained to the result, on `pool`.
    ///
    /// Adaptors that need positions (`zip`, `enumerate`, `chunks`, ...) come before it, all others after it: what comes
    /// after is driven by the pool.
    ///
    /// ```
    /// use longshore::{OnPoolExt, Pool};
    /// use rayon::prelude::*;
    ///
    /// let pool = Pool::new()?;
    /// let numbers: Vec<u64> = (0..1000).collect();
    /// let sum: u64 = numbers.par_iter().enumerate().on(&pool).filter(|(i, _)| i % 2 == 0).map(|(_, n)| n * n).sum();
    /// assert_eq!(sum, (0..1000u64).step_by(2).map(|n| n * n).sum());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    fn on(self, pool: &Pool) -> OnPool<'_, Self> {
        OnPool { pool, base: self }
    }
}

impl<I: IndexedParallelIterator> OnPoolExt for I {}

impl<I: IndexedParallelIterator> ParallelIterator for OnPool<'_, I> {
    type Item = I::Item;

    fn drive_unindexed<C>(self, consumer: C) -> C::Result
    where
        C: UnindexedConsumer<Self::Item>,
    {
        let len = self.base.len();
        let grain = (len / (PARTS_PER_WORKER * self.pool.workers())).max(1);
        let base = self.base;
        self.pool.enter(move |cx| base.with_producer(Drive { cx, len, grain, consumer }))
    }

    fn opt_len(&self) -> Option<usize> {
        Some(self.base.len())
    }
}

impl<I> fmt::Debug for OnPool<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnPool").finish_non_exhaustive()
    }
}

/// Takes the producer out of an iterator.
struct Drive<'w, C> {
    cx: Context<'w>,
    len: usize,
    grain: usize,
    consumer: C,
}

impl<T, C: Consumer<T>> ProducerCallback<T> for Drive<'_, C> {
    type Output = C::Result;

    fn callback<P: Producer<Item = T>>(self, producer: P) -> C::Result {
        // The iterator may say how small and how large a part should be (`with_min_len`, `with_max_len`).
        let grain = self.grain.min(producer.max_len()).max(producer.min_len()).max(1);
        split(self.cx, self.len, grain, producer, self.consumer)
    }
}

fn split<P, C>(cx: Context<'_>, len: usize, grain: usize, producer: P, consumer: C) -> C::Result
where
    P: Producer,
    C: Consumer<P::Item>,
{
    if consumer.full() {
        return consumer.into_folder().complete();
    }
    if len < 2 * grain {
        return producer.fold_with(consumer.into_folder()).complete();
    }
    let middle = len / 2;
    let (left, right) = producer.split_at(middle);
    let (left_consumer, right_consumer, reducer) = consumer.split_at(middle);
    let (left, right) = cx.join(
        move |cx| split(cx, middle, grain, left, left_consumer),
        move |cx| split(cx, len - middle, grain, right, right_consumer),
    );
    reducer.reduce(left, right)
}
