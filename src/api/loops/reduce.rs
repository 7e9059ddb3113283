//! `map_reduce`, `fold` and their kin: one result of all items.

use std::ops::ControlFlow;

use crate::api::join::Context;
use crate::api::loops::part::{self, Fold};
use crate::api::pool::Pool;
use crate::api::source::{IntoSource, Source};

/// Combines two results of which each may be missing.
fn both<T>(left: Option<T>, right: Option<T>, reduce: impl Fn(T, T) -> T) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(reduce(left, right)),
        (left, right) => left.or(right),
    }
}

/// [`Context::map_reduce`].
struct MapReduce<I, M, R> {
    identity: I,
    map: M,
    reduce: R,
}

impl<S, T, I, M, R> Fold<S> for MapReduce<I, M, R>
where
    S: Source,
    T: Send,
    I: Fn() -> T + Sync,
    M: Fn(S::Item) -> T + Sync,
    R: Fn(T, T) -> T + Sync,
{
    /// `None` before the first block.
    type State = Option<T>;

    fn begin(&self, _: &S) -> Option<T> {
        None
    }

    #[inline]
    fn run(&self, state: &mut Option<T>, block: S, _: usize) -> ControlFlow<()> {
        let before = state.take().unwrap_or_else(&self.identity);
        *state = Some(block.into_block().map(&self.map).fold(before, &self.reduce));
        ControlFlow::Continue(())
    }

    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        both(left, right, &self.reduce)
    }
}

/// [`Context::map_reduce_option`].
struct MapReduceOption<M, R> {
    map: M,
    reduce: R,
}

impl<S, T, M, R> Fold<S> for MapReduceOption<M, R>
where
    S: Source,
    T: Send,
    M: Fn(S::Item) -> T + Sync,
    R: Fn(T, T) -> T + Sync,
{
    type State = Option<T>;

    fn begin(&self, _: &S) -> Option<T> {
        None
    }

    #[inline]
    fn run(&self, state: &mut Option<T>, block: S, _: usize) -> ControlFlow<()> {
        let mut values = block.into_block().map(&self.map);
        if let Some(before) = state.take().or_else(|| values.next()) {
            *state = Some(values.fold(before, &self.reduce));
        }
        ControlFlow::Continue(())
    }

    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        both(left, right, &self.reduce)
    }
}

/// How many accumulators [`Context::map_reduce_unordered`] keeps. Enough for four vectors of four `f32` or of
/// four `f64`, so that an addition need not wait for the one before it.
const LANES: usize = 16;

/// How many values [`Context::map_reduce_unordered`] computes before it combines them. They stay in the
/// first-level cache.
const BUFFERED: usize = 16 * LANES;

/// [`Context::map_reduce_unordered`].
struct MapReduceUnordered<I, M, R> {
    identity: I,
    map: M,
    reduce: R,
}

impl<S, T, I, M, R> Fold<S> for MapReduceUnordered<I, M, R>
where
    S: Source,
    T: Copy + Send,
    I: Fn() -> T + Sync,
    M: Fn(S::Item) -> T + Sync,
    R: Fn(T, T) -> T + Sync,
{
    /// `None` before the first block.
    type State = Option<T>;

    fn begin(&self, _: &S) -> Option<T> {
        None
    }

    #[inline]
    fn run(&self, state: &mut Option<T>, mut block: S, mut len: usize) -> ControlFlow<()> {
        let identity = (self.identity)();
        let mut result = state.take().unwrap_or(identity);
        if len >= BUFFERED {
            let mut lanes = [identity; LANES];
            let mut values = [identity; BUFFERED];
            while len >= BUFFERED {
                let rest = block.split_off(BUFFERED);
                let filled = values.iter_mut().zip(block.into_block());
                filled.for_each(|(value, item)| *value = (self.map)(item));
                for row in values.chunks_exact(LANES) {
                    for (lane, value) in lanes.iter_mut().zip(row) {
                        *lane = (self.reduce)(*lane, *value);
                    }
                }
                block = rest;
                len -= BUFFERED;
            }
            result = lanes.into_iter().fold(result, &self.reduce);
        }
        *state = Some(block.into_block().map(&self.map).fold(result, &self.reduce));
        ControlFlow::Continue(())
    }

    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        both(left, right, &self.reduce)
    }
}

/// [`Context::fold_blocks`].
struct FoldBlocks<I, F, M> {
    init: I,
    fold: F,
    merge: M,
}

impl<S, A, I, F, M> Fold<S> for FoldBlocks<I, F, M>
where
    S: Source,
    A: Send,
    I: Fn() -> A + Sync,
    F: Fn(&mut A, S::Block) + Sync,
    M: Fn(A, A) -> A + Sync,
{
    type State = A;

    fn begin(&self, _: &S) -> A {
        (self.init)()
    }

    #[inline]
    fn run(&self, state: &mut A, block: S, _: usize) -> ControlFlow<()> {
        (self.fold)(state, block.into_block());
        ControlFlow::Continue(())
    }

    fn merge(&self, left: A, right: A) -> A {
        (self.merge)(left, right)
    }
}

/// Loops that combine all items.
impl Context<'_> {
    /// Calls `map` for each item and combines the results by `reduce`. Returns `identity()` if there are no
    /// items.
    ///
    /// `reduce` gets neighbouring results in their order. It must be associative, and need not be
    /// commutative. `identity` makes a value that changes nothing (0 for a sum); it is called once for each
    /// part at least. How results are grouped depends on how the loop was split. So a sum of floating-point
    /// numbers, which is not quite associative, may differ in its last digits from run to run.
    ///
    /// The loop vectorises where the same fold of an iterator does: sums, minima and counts of integers do.
    /// The compiler must not reorder a sum of floating-point numbers; if you allow it, use
    /// [`map_reduce_unordered`](Context::map_reduce_unordered).
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = ["push", "and", "steal"];
    /// let letters = pool.enter(|cx| cx.map_reduce(&words, || 0, |word| word.len(), |a, b| a + b));
    /// assert_eq!(letters, 12);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `identity`, `map` or `reduce`, after all parts have ended. Some items may not have
    /// run.
    pub fn map_reduce<I, T, D, M, R>(self, items: I, identity: D, map: M, reduce: R) -> T
    where
        I: IntoSource,
        T: Send,
        D: Fn() -> T + Sync,
        M: Fn(I::Item) -> T + Sync,
        R: Fn(T, T) -> T + Sync,
    {
        let f = MapReduce { identity, map, reduce };
        part::run(self, items.into_source(), &f).unwrap_or_else(f.identity)
    }

    /// Calls `map` for each item and combines the results by `reduce`, as [`Context::map_reduce`] does,
    /// without an identity. Returns `None` if there are no items. For operations that have no identity, such
    /// as a maximum by a key.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = ["push", "and", "steal"];
    /// let longest = pool.enter(|cx| cx.map_reduce_option(&words, |word| word.len(), usize::max));
    /// assert_eq!(longest, Some(5));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map` or `reduce`, after all parts have ended. Some items may not have run.
    pub fn map_reduce_option<I, T, M, R>(self, items: I, map: M, reduce: R) -> Option<T>
    where
        I: IntoSource,
        T: Send,
        M: Fn(I::Item) -> T + Sync,
        R: Fn(T, T) -> T + Sync,
    {
        part::run(self, items.into_source(), &MapReduceOption { map, reduce })
    }

    /// Calls `map` for each item and combines the results by `reduce` *in any order*. Returns `identity()` if
    /// there are no items.
    ///
    /// `reduce` must be associative and commutative, or it must not matter that it is not quite so, as for a
    /// sum of floating-point numbers. The items of a block are dealt out to sixteen accumulators, so that
    /// sums, products, minima and maxima of `f32` and `f64` vectorise. The digits of a sum differ from those
    /// of a loop in order, and are usually more exact.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let (a, b) = (vec![1.0; 10_000], vec![0.5; 10_000]);
    /// let dot = pool.enter(|cx| {
    ///     cx.map_reduce_unordered(longshore::zip(&a, &b), || 0.0, |(a, b)| a * b, |x, y| x + y)
    /// });
    /// assert_eq!(dot, 5_000.0);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `identity`, `map` or `reduce`, after all parts have ended. Some items may not have
    /// run.
    pub fn map_reduce_unordered<I, T, D, M, R>(self, items: I, identity: D, map: M, reduce: R) -> T
    where
        I: IntoSource,
        T: Copy + Send,
        D: Fn() -> T + Sync,
        M: Fn(I::Item) -> T + Sync,
        R: Fn(T, T) -> T + Sync,
    {
        let f = MapReduceUnordered { identity, map, reduce };
        part::run(self, items.into_source(), &f).unwrap_or_else(f.identity)
    }

    /// Folds the items of each part into a state of its own, in their order, and merges the states of
    /// neighbouring parts. Returns the last state, or `init()` if there are no items.
    ///
    /// `init` is called for each part, and there are few: one for each split that another worker asked for.
    /// So a state may be large, such as the counts of a histogram or a buffer.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let histogram = pool.enter(|cx| {
    ///     cx.fold(
    ///         b"push and steal",
    ///         || [0u32; 256],
    ///         |counts, byte| counts[usize::from(*byte)] += 1,
    ///         |mut left, right| {
    ///             left.iter_mut().zip(right).for_each(|(l, r)| *l += r);
    ///             left
    ///         },
    ///     )
    /// });
    /// assert_eq!(histogram[usize::from(b's')], 2);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of one of the closures, after all parts have ended. Some items may not have run.
    pub fn fold<I, A, N, F, M>(self, items: I, init: N, fold: F, merge: M) -> A
    where
        I: IntoSource,
        A: Send,
        N: Fn() -> A + Sync,
        F: Fn(&mut A, I::Item) + Sync,
        M: Fn(A, A) -> A + Sync,
    {
        self.fold_blocks(items, init, |state, block| block.for_each(|item| fold(state, item)), merge)
    }

    /// Folds the items block by block: as [`Context::fold`], but `fold` gets the items of some microseconds
    /// at a time, as an iterator. A block of a slice is a [`std::slice::Iter`], whose `as_slice` returns the
    /// items as a slice. For code that works on slices: vector instructions, checksums, parsers.
    ///
    /// How long a block is differs from block to block and from run to run. The first blocks of a loop are
    /// short.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let numbers: Vec<u64> = (0..10_000).collect();
    /// let sum = pool.enter(|cx| {
    ///     cx.fold_blocks(
    ///         &numbers,
    ///         || 0,
    ///         |sum, block| *sum += block.as_slice().iter().sum::<u64>(),
    ///         |left, right| left + right,
    ///     )
    /// });
    /// assert_eq!(sum, 49_995_000);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of one of the closures, after all parts have ended. Some items may not have run.
    pub fn fold_blocks<I, A, N, F, M>(self, items: I, init: N, fold: F, merge: M) -> A
    where
        I: IntoSource,
        A: Send,
        N: Fn() -> A + Sync,
        F: Fn(&mut A, <I::Source as Source>::Block) + Sync,
        M: Fn(A, A) -> A + Sync,
    {
        part::run(self, items.into_source(), &FoldBlocks { init, fold, merge })
    }
}

/// Loops on this pool that combine all items. Each method is the method of [`Context`] with the same name
/// inside [`Pool::enter`].
impl Pool {
    /// Calls `map` for each item and combines the results by `reduce`, which must be associative. Returns
    /// `identity()` if there are no items. [`Context::map_reduce`] has the details.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let sum = pool.map_reduce(1..101u64, || 0, |n| n, |a, b| a + b);
    /// assert_eq!(sum, 5050);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `identity`, `map` or `reduce`, after all parts have ended. Some items may not have
    /// run.
    pub fn map_reduce<I, T, D, M, R>(&self, items: I, identity: D, map: M, reduce: R) -> T
    where
        I: IntoSource,
        T: Send,
        D: Fn() -> T + Sync + Send,
        M: Fn(I::Item) -> T + Sync + Send,
        R: Fn(T, T) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map_reduce(source, identity, map, reduce))
    }

    /// Calls `map` for each item and combines the results by `reduce`, which must be associative. Returns
    /// `None` if there are no items.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let nearer = |a: i32, b: i32| if b.abs() < a.abs() { b } else { a };
    /// let nearest = pool.map_reduce_option(&[7, -2, 5], |n| *n, nearer);
    /// assert_eq!(nearest, Some(-2));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map` or `reduce`, after all parts have ended. Some items may not have run.
    pub fn map_reduce_option<I, T, M, R>(&self, items: I, map: M, reduce: R) -> Option<T>
    where
        I: IntoSource,
        T: Send,
        M: Fn(I::Item) -> T + Sync + Send,
        R: Fn(T, T) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map_reduce_option(source, map, reduce))
    }

    /// Calls `map` for each item and combines the results by `reduce` *in any order*, so that sums, minima
    /// and maxima of floating-point numbers vectorise. Returns `identity()` if there are no items.
    /// [`Context::map_reduce_unordered`] has the details.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let heights = vec![1.5f32, 4.25, 2.0];
    /// let highest = pool.map_reduce_unordered(&heights, || f32::NEG_INFINITY, |h| *h, f32::max);
    /// assert_eq!(highest, 4.25);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `identity`, `map` or `reduce`, after all parts have ended. Some items may not have
    /// run.
    pub fn map_reduce_unordered<I, T, D, M, R>(&self, items: I, identity: D, map: M, reduce: R) -> T
    where
        I: IntoSource,
        T: Copy + Send,
        D: Fn() -> T + Sync + Send,
        M: Fn(I::Item) -> T + Sync + Send,
        R: Fn(T, T) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map_reduce_unordered(source, identity, map, reduce))
    }

    /// Folds the items of each part into a state of its own, in their order, and merges the states of
    /// neighbouring parts. Returns `init()` if there are no items. [`Context::fold`] has the details.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let longest = pool.fold(
    ///     &["push", "and", "steal"],
    ///     String::new,
    ///     |longest, word| if word.len() > longest.len() { *longest = word.to_string() },
    ///     |left, right| if right.len() > left.len() { right } else { left },
    /// );
    /// assert_eq!(longest, "steal");
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of one of the closures, after all parts have ended. Some items may not have run.
    pub fn fold<I, A, N, F, M>(&self, items: I, init: N, fold: F, merge: M) -> A
    where
        I: IntoSource,
        A: Send,
        N: Fn() -> A + Sync + Send,
        F: Fn(&mut A, I::Item) + Sync + Send,
        M: Fn(A, A) -> A + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.fold(source, init, fold, merge))
    }

    /// Folds the items block by block: `fold` gets the items of some microseconds at a time, as an iterator.
    /// [`Context::fold_blocks`] has the details.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let text = "lines\nof\ntext\n".repeat(1000);
    /// let lines = pool.fold_blocks(
    ///     text.as_bytes(),
    ///     || 0,
    ///     |lines, block| *lines += block.filter(|byte| **byte == b'\n').count(),
    ///     |left, right| left + right,
    /// );
    /// assert_eq!(lines, 3000);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of one of the closures, after all parts have ended. Some items may not have run.
    pub fn fold_blocks<I, A, N, F, M>(&self, items: I, init: N, fold: F, merge: M) -> A
    where
        I: IntoSource,
        A: Send,
        N: Fn() -> A + Sync + Send,
        F: Fn(&mut A, <I::Source as Source>::Block) + Sync + Send,
        M: Fn(A, A) -> A + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.fold_blocks(source, init, fold, merge))
    }
}
