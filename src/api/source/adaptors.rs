//! Sources made of sources: [`zip`], [`chain`], [`enumerate`] and [`rev`].
//!
//! A small, closed set: what changes *which items* a loop sees and in what order. What a loop *does* with its
//! items is said by the loop. Each block is the adaptor of the standard library over the blocks of the
//! sources, so the compiler vectorises it as it does the loop without a pool. Guarded by `source/tests.rs`.

use std::iter;
use std::ops::Range;

use crate::api::source::{IntoSource, Source};

/// Pairs the items of two sources. The shorter source decides the length; items of the longer one that have
/// no partner are dropped.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let (x, mut y) = (vec![1.0, 2.0, 3.0], vec![10.0, 20.0, 30.0]);
/// pool.for_each(longshore::zip(&mut y, &x), |(y, x)| *y += 2.0 * x);
/// assert_eq!(y, [12.0, 24.0, 36.0]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
pub fn zip<A: IntoSource, B: IntoSource>(a: A, b: B) -> Zip<A::Source, B::Source> {
    Zip { a: a.into_source(), b: b.into_source() }
}

/// Pairs of the items of two sources. Made by [`zip`].
#[derive(Debug, Clone)]
pub struct Zip<A, B> {
    a: A,
    b: B,
}

impl<A: Source, B: Source> Source for Zip<A, B> {
    type Item = (A::Item, B::Item);
    type Block = iter::Zip<A::Block, B::Block>;

    #[inline]
    fn remaining(&self) -> usize {
        self.a.remaining().min(self.b.remaining())
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        Zip { a: self.a.split_off(at), b: self.b.split_off(at) }
    }

    #[inline]
    fn into_block(self) -> Self::Block {
        iter::zip(self.a.into_block(), self.b.into_block())
    }

    #[inline]
    fn grain(&self) -> usize {
        self.a.grain().max(self.b.grain())
    }
}

/// The items of `a`, and then those of `b`.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// assert_eq!(pool.map(longshore::chain(0..2, 7..9), |n| n * 10), [0, 10, 70, 80]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
pub fn chain<A, B>(a: A, b: B) -> Chain<A::Source, B::Source>
where
    A: IntoSource,
    B: IntoSource<Item = A::Item>,
{
    Chain::of(a.into_source(), b.into_source())
}

/// The items of two sources, one after the other. Made by [`chain`].
#[derive(Debug, Clone)]
pub struct Chain<A, B> {
    a: A,
    b: B,
}

impl<A, B> Chain<A, B> {
    /// The items of `a`, and then those of `b`.
    pub(super) fn of(a: A, b: B) -> Self {
        Chain { a, b }
    }
}

impl<A: Source, B: Source<Item = A::Item>> Source for Chain<A, B> {
    type Item = A::Item;
    type Block = iter::Chain<A::Block, B::Block>;

    #[inline]
    fn remaining(&self) -> usize {
        let both = self.a.remaining().checked_add(self.b.remaining());
        both.expect("no more items than memory has bytes")
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let first = self.a.remaining();
        let rest_of_a = self.a.split_off(at.min(first));
        Chain { a: rest_of_a, b: self.b.split_off(at - at.min(first)) }
    }

    #[inline]
    fn into_block(self) -> Self::Block {
        self.a.into_block().chain(self.b.into_block())
    }

    #[inline]
    fn grain(&self) -> usize {
        self.a.grain().max(self.b.grain())
    }
}

/// The items of a source with their numbers, from 0.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let mut squares = vec![0; 4];
/// pool.for_each(longshore::enumerate(&mut squares), |(i, square)| *square = i * i);
/// assert_eq!(squares, [0, 1, 4, 9]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
pub fn enumerate<I: IntoSource>(items: I) -> Enumerate<I::Source> {
    let source = items.into_source();
    Enumerate { numbers: 0..source.remaining(), source }
}

/// The items of a source with their numbers. Made by [`enumerate`].
#[derive(Debug, Clone)]
pub struct Enumerate<S> {
    source: S,
    /// The numbers of this part. Each number is handed out once at most, whatever the source does.
    numbers: Range<usize>,
}

impl<S> Enumerate<S> {
    /// The number of the first item that is left.
    #[inline]
    pub(in crate::api) fn first(&self) -> usize {
        self.numbers.start
    }
}

impl<S: Source> Source for Enumerate<S> {
    type Item = (usize, S::Item);
    type Block = iter::Zip<Range<usize>, S::Block>;

    #[inline]
    fn remaining(&self) -> usize {
        self.numbers.len()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        assert!(at <= self.numbers.len(), "a split beyond the last item");
        Enumerate { source: self.source.split_off(at), numbers: Source::split_off(&mut self.numbers, at) }
    }

    #[inline]
    fn into_block(self) -> Self::Block {
        iter::zip(self.numbers, self.source.into_block())
    }

    #[inline]
    fn grain(&self) -> usize {
        self.source.grain()
    }
}

/// The items of a source from the last to the first.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// assert_eq!(pool.map(longshore::rev(0..4), |n| n), [3, 2, 1, 0]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
pub fn rev<I>(items: I) -> Rev<I::Source>
where
    I: IntoSource,
    <I::Source as Source>::Block: DoubleEndedIterator,
{
    Rev { source: items.into_source() }
}

/// The items of a source in reverse. Made by [`rev`].
#[derive(Debug, Clone)]
pub struct Rev<S> {
    source: S,
}

impl<S: Source> Source for Rev<S>
where
    S::Block: DoubleEndedIterator,
{
    type Item = S::Item;
    type Block = iter::Rev<S::Block>;

    #[inline]
    fn remaining(&self) -> usize {
        self.source.remaining()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let last = self.source.remaining().saturating_sub(at);
        let kept = self.source.split_off(last);
        Rev { source: std::mem::replace(&mut self.source, kept) }
    }

    #[inline]
    fn into_block(self) -> Self::Block {
        self.source.into_block().rev()
    }

    #[inline]
    fn grain(&self) -> usize {
        self.source.grain()
    }
}
