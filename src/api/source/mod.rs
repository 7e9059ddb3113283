//! [`Source`]: what loops run over, items that can be split in two and handed out in blocks.
//!
//! A source is owned by the part of a loop that runs its items. Only the elements of a vector, [`Elements`],
//! share memory between parts. This file has the traits; the sources are in `ranges.rs`, `slices.rs`,
//! `elements.rs` and `collections.rs`, those made of other sources in `adaptors.rs`. Guarded by
//! `source/tests.rs` and `tests/loops`.
//!
//! [`Elements`]: crate::Elements

pub mod adaptors;
pub mod collections;
pub mod elements;
pub mod ranges;
pub mod slices;

/// Items that a loop can split in two for another worker, and run in blocks.
///
/// Implemented by ranges of integers, by slices (the items are references), by the elements of a vector, by
/// [`chunks`](crate::chunks()) and [`windows`](crate::windows()) of a slice, and by what
/// [`zip`](crate::zip()), [`chain`](crate::chain()), [`enumerate`](crate::enumerate()) and
/// [`rev`](crate::rev()) make of sources. The loops (`for_each`, `map` and so on) take every type that
/// implements it.
///
/// A loop cuts one block after another from the front of its source, and runs each block as an ordinary
/// iterator: a block of a slice is a [`std::slice::Iter`]. So the compiler sees the same inner loop as
/// without a pool, and can vectorise it.
///
/// A source of one's own announces its length, says how to split, and is often its own iterator:
///
/// ```
/// use longshore::{Pool, Source};
///
/// /// The pixels of a picture, by column and row.
/// struct Pixels {
///     width: usize,
///     left: std::ops::Range<usize>,
/// }
///
/// impl Iterator for Pixels {
///     type Item = (usize, usize);
///
///     fn next(&mut self) -> Option<(usize, usize)> {
///         self.left.next().map(|i| (i % self.width, i / self.width))
///     }
/// }
///
/// impl Source for Pixels {
///     type Item = (usize, usize);
///     type Block = Self;
///
///     fn remaining(&self) -> usize {
///         self.left.len()
///     }
///
///     fn split_off(&mut self, at: usize) -> Self {
///         let middle = self.left.start + at;
///         let rest = middle..self.left.end;
///         self.left.end = middle;
///         Pixels { width: self.width, left: rest }
///     }
///
///     fn into_block(self) -> Self {
///         self
///     }
/// }
///
/// let pool = Pool::new()?;
/// let pixels = pool.map(Pixels { width: 3, left: 0..6 }, |pixel| pixel);
/// assert_eq!(pixels, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a loop cannot split `{Self}` between workers",
    label = "does not implement `Source`",
    note = "implement `Source` for it, or collect the items into a `Vec`"
)]
pub trait Source: Sized + Send {
    /// What the body of the loop receives.
    type Item;

    /// The items of a block, as an ordinary iterator. It stays on the thread that has made it.
    type Block: Iterator<Item = Self::Item>;

    /// Returns how many items are left. The number must be exact; otherwise a loop may skip items, and
    /// [`Pool::map`](crate::Pool::map) may panic.
    fn remaining(&self) -> usize;

    /// Returns whether no item is left.
    ///
    /// ```
    /// use longshore::Source;
    ///
    /// assert!(!(0..3u32).is_done());
    /// assert!((3..3u32).is_done());
    /// ```
    fn is_done(&self) -> bool {
        self.remaining() == 0
    }

    /// Keeps the first `at` items and returns the rest. `at` is at most [`Source::remaining`]. A loop calls
    /// this for each block, every few microseconds, so it should take nanoseconds.
    ///
    /// ```
    /// use longshore::Source;
    ///
    /// let mut left = 0..10u32;
    /// let right = left.split_off(4);
    /// assert_eq!((left, right), (0..4, 4..10));
    /// ```
    ///
    /// # Panics
    /// Sources of this library may panic if `at` is more than [`Source::remaining`].
    fn split_off(&mut self, at: usize) -> Self;

    /// Returns an iterator over the items that are left, in their order.
    ///
    /// ```
    /// use longshore::Source;
    ///
    /// assert!((0..3u32).into_block().eq([0, 1, 2]));
    /// ```
    fn into_block(self) -> Self::Block;

    /// Returns the smallest number of items that is worth a part. 1, unless
    /// [`with_grain`](Source::with_grain) sets more.
    fn grain(&self) -> usize {
        1
    }

    /// Returns a source of the same items, whose parts and blocks have at least `grain` items, except for the
    /// last. 0 means 1.
    ///
    /// Loops split by demand and rarely need this. It pays if the split itself is expensive for the body, for
    /// example because the body reuses data from one item to the next.
    ///
    /// ```
    /// use longshore::{Pool, Source};
    ///
    /// let pool = Pool::new()?;
    /// let squares = pool.map((0..1_000u64).with_grain(100), |n| n * n);
    /// assert_eq!(squares.len(), 1_000);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[doc(alias = "with_min_len")]
    fn with_grain(self, grain: usize) -> Grained<Self> {
        Grained { source: self, grain: grain.max(1) }
    }
}

/// A source whose parts have a smallest length. Made by [`Source::with_grain`].
#[derive(Debug, Clone)]
pub struct Grained<S> {
    source: S,
    grain: usize,
}

impl<S: Source> Source for Grained<S> {
    type Item = S::Item;
    type Block = S::Block;

    #[inline]
    fn remaining(&self) -> usize {
        self.source.remaining()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        Grained { source: self.source.split_off(at), grain: self.grain }
    }

    #[inline]
    fn into_block(self) -> S::Block {
        self.source.into_block()
    }

    #[inline]
    fn grain(&self) -> usize {
        self.grain
    }
}

/// A [`Source`], or a value that can be turned into one: a collection of the standard library, or a reference
/// to one. The loops take any `IntoSource`, as a `for` loop takes any `IntoIterator`.
///
/// | value | items | costs before the loop |
/// |---|---|---|
/// | ranges, `a..b` and `a..=b`, of any integer type | integers | nothing |
/// | `&[T]`, `&mut [T]` | `&T`, `&mut T` | nothing |
/// | `Vec<T>`, `Box<[T]>` | `T` | one small allocation |
/// | `[T; N]`, `VecDeque<T>` | `T` | an allocation, and a move of the elements |
/// | `&Vec<T>`, `&[T; N]`, `&Box<[T]>`, `&Arc<[T]>`, `&VecDeque<T>` | `&T` | nothing |
/// | `&mut Vec<T>`, `&mut [T; N]`, `&mut Box<[T]>`, `&mut VecDeque<T>` | `&mut T` | nothing |
/// | maps, sets and heaps, and references to them | as in a `for` loop | a vector of the items |
///
/// ```
/// use longshore::{IntoSource, Source};
///
/// let mut numbers = vec![1, 2, 3].into_source();
/// let rest = numbers.split_off(1);
/// assert_eq!((numbers.remaining(), rest.remaining()), (1, 2));
/// assert!(rest.into_block().eq([2, 3]));
/// ```
#[diagnostic::on_unimplemented(
    message = "a loop cannot run over `{Self}`",
    label = "not a range of integers, a slice, a collection of the standard library, or a `Source`",
    note = "iterators: collect the items first, `iterator.collect::<Vec<_>>()`, or stream them through the \
            pool, `pool.map_unordered(iterator, f)`",
    note = "adaptors: `longshore::zip(a, b)`, `enumerate(a)`, `rev(a)`, `chain(a, b)`, `chunks(&slice, n)`",
    note = "other numbers: loop over `0..n` and compute them in the body, `i as f64 / n as f64`",
    note = "the items of `Vec<T>` and `&mut Vec<T>` must be `Send`, those of `&Vec<T>` and `&[T]` `Sync`"
)]
pub trait IntoSource {
    /// What the body of the loop receives.
    type Item;
    /// The type of the source.
    type Source: Source<Item = Self::Item>;

    /// Turns the value into a source.
    fn into_source(self) -> Self::Source;
}

#[diagnostic::do_not_recommend]
impl<S: Source> IntoSource for S {
    type Item = S::Item;
    type Source = S;

    #[inline]
    fn into_source(self) -> S {
        self
    }
}

#[cfg(test)]
mod tests;
