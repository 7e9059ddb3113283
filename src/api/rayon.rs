//! Feature `rayon`: rayon's parallel iterators on a [`Pool`].
//!
//! The method `drive_unindexed` of the innermost iterator decides where a rayon iterator runs; adaptors such
//! as `map`, `filter` and `sum` only wrap it. So [`OnPool`] drives the innermost iterator: it splits its
//! producer by joins of the pool, through rayon's public plumbing. rayon's own threads are never started.
//! Guarded by `crates/together/tests/rayon.rs`.

use std::fmt;

use rayon::iter::plumbing::{Consumer, Folder, Producer, ProducerCallback, Reducer, UnindexedConsumer};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};

use crate::api::join::Context;
use crate::api::pool::Pool;

/// The number of parts for each worker into which an iterator is split. Large enough that a worker which ends
/// early finds another part, and small enough that splits cost little: a few nanoseconds each if no worker
/// takes the part.
const PARTS_PER_WORKER: usize = 32;

/// A parallel iterator that runs on a [`Pool`]. Made by [`OnPoolExt::on`]. Needs the feature `rayon`.
pub struct OnPool<'p, I> {
    pool: &'p Pool,
    base: I,
}

/// A parallel iterator that knows its length and can be split anywhere: rayon's indexed iterators.
#[diagnostic::on_unimplemented(
    message = "this parallel iterator cannot run on a pool, because it does not know its length",
    label = "`on` needs an indexed parallel iterator",
    note = "call `on` before `filter`, `flat_map` and the like: `items.par_iter().on(&pool).filter(..)`",
    note = "collect a map, a set or a range of `u64` first: \
            `map.iter().collect::<Vec<_>>().into_par_iter().on(&pool)`",
    note = "all of rayon runs on Longshore with the drop-in for rayon-core: docs/rayon.md of the repository"
)]
pub trait RunsOnPool: IndexedParallelIterator {}

#[diagnostic::do_not_recommend]
impl<I: IndexedParallelIterator> RunsOnPool for I {}

/// Adds [`OnPoolExt::on`] to rayon's parallel iterators. Needs the feature `rayon`.
pub trait OnPoolExt: ParallelIterator {
    /// Runs the iterator, and all adaptors that follow, on `pool`.
    ///
    /// Adaptors that need positions (`zip`, `enumerate`, `chunks` and so on) are called before `on`, all
    /// other adaptors after it. The iterators of maps, sets and ranges of 64-bit integers do not know their
    /// lengths: collect their items first. Loops without an adaptor need no rayon, see
    /// [`Pool::for_each`].
    ///
    /// rayon's sorts (`par_sort`) and other functions that are no iterators run on rayon's own threads, also
    /// inside of [`Pool::install`]. The drop-in for rayon-core, a package in the repository of Longshore,
    /// runs all of them on Longshore.
    ///
    /// ```
    /// use longshore::{OnPoolExt, Pool};
    /// use rayon::prelude::*;
    ///
    /// let pool = Pool::new()?;
    /// let numbers: Vec<u64> = (0..1000).collect();
    /// let even = numbers.par_iter().enumerate().on(&pool).filter(|(i, _)| i % 2 == 0);
    /// let sum: u64 = even.map(|(_, n)| n * n).sum();
    /// assert_eq!(sum, (0..1000u64).step_by(2).map(|n| n * n).sum());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    fn on(self, pool: &Pool) -> OnPool<'_, Self>
    where
        Self: RunsOnPool,
    {
        OnPool { pool, base: self }
    }
}

impl<I: ParallelIterator> OnPoolExt for I {}

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

/// Receives the producer of an iterator and splits it.
struct Drive<'w, C> {
    cx: Context<'w>,
    len: usize,
    grain: usize,
    consumer: C,
}

impl<T, C: Consumer<T>> ProducerCallback<T> for Drive<'_, C> {
    type Output = C::Result;

    fn callback<P: Producer<Item = T>>(self, producer: P) -> C::Result {
        // The iterator may limit the size of parts (`with_min_len`, `with_max_len`).
        let grain = self.grain.min(producer.max_len()).max(producer.min_len()).max(1);
        split(self.cx, self.len, grain, producer, self.consumer)
    }
}

/// Runs a part of `len` items. Splits it by a join unless it is shorter than two grains.
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
