//! [`Source`]: what loops run over, items that can be split in two.
//!
//! A source is owned by the part of a loop that hands out its items. Only the elements of a vector,
//! [`Elements`], share memory between parts. Guarded by the unit tests here and `tests/it/loops.rs`.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::sync::Arc;

/// Items that a loop hands out one by one, and that can be split in two for another worker.
///
/// Implemented by ranges of integers (`u32`, `u64`, `usize`, `i32`, `i64`), by slices (the items are
/// references), by the elements of a vector, and by [`chunks`] and [`chunks_mut`] of a slice. The loops
/// (`for_each`, `map` and so on) take every type that implements it.
///
/// A source of one's own announces its length and says how to split:
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
/// impl Source for Pixels {
///     type Item = (usize, usize);
///
///     fn remaining(&self) -> usize {
///         self.left.len()
///     }
///
///     fn next_item(&mut self) -> Option<(usize, usize)> {
///         self.left.next().map(|i| (i % self.width, i / self.width))
///     }
///
///     fn split_off(&mut self, at: usize) -> Self {
///         Pixels { width: self.width, left: self.left.split_off(at) }
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

    /// Takes the first item, or returns `None` if no item is left.
    fn next_item(&mut self) -> Option<Self::Item>;

    /// Keeps the first `at` items and returns the rest. `at` is at most [`Source::remaining`].
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

    /// Returns the smallest number of items that is worth a part. 1, unless
    /// [`with_grain`](Source::with_grain) sets more.
    fn grain(&self) -> usize {
        1
    }

    /// Returns a source of the same items, whose parts have at least `grain` items. 0 means 1.
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

macro_rules! ranges {
    ($($integer:ty),*) => {$(
        impl Source for Range<$integer> {
            type Item = $integer;

            fn remaining(&self) -> usize {
                let len = self.end as i128 - self.start as i128;
                usize::try_from(len.max(0)).expect("a range of no more items than memory has bytes")
            }

            #[inline]
            fn next_item(&mut self) -> Option<$integer> {
                self.next()
            }

            fn split_off(&mut self, at: usize) -> Self {
                // `at` is at most the length, so the middle is between start and end.
                let middle = (self.start as i128 + at as i128) as $integer;
                let rest = middle..self.end;
                self.end = middle;
                rest
            }
        }
    )*};
}

ranges!(usize, u32, u64, i32, i64);

impl<'a, T: Sync> Source for &'a [T] {
    type Item = &'a T;

    fn remaining(&self) -> usize {
        (**self).len()
    }

    #[inline]
    fn next_item(&mut self) -> Option<&'a T> {
        self.split_off_first()
    }

    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = self.split_at(at);
        *self = left;
        right
    }
}

impl<'a, T: Send> Source for &'a mut [T] {
    type Item = &'a mut T;

    fn remaining(&self) -> usize {
        (**self).len()
    }

    #[inline]
    fn next_item(&mut self) -> Option<&'a mut T> {
        self.split_off_first_mut()
    }

    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = mem::take(self).split_at_mut(at);
        *self = left;
        right
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

    fn remaining(&self) -> usize {
        self.source.remaining()
    }

    #[inline]
    fn next_item(&mut self) -> Option<S::Item> {
        self.source.next_item()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Grained { source: self.source.split_off(at), grain: self.grain }
    }

    fn grain(&self) -> usize {
        self.grain
    }
}

/// Splits a slice into chunks of `size` items for a loop. The last chunk may be shorter.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let sums = pool.map(longshore::chunks(&[1, 2, 3, 4, 5], 2), |chunk| chunk.iter().sum::<i32>());
/// assert_eq!(sums, [3, 7, 5]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
///
/// # Panics
/// If `size` is 0.
#[doc(alias = "par_chunks")]
pub fn chunks<T: Sync>(slice: &[T], size: usize) -> Chunks<'_, T> {
    assert!(size > 0, "chunks of size 0");
    Chunks { slice, size }
}

/// Splits a slice into mutable chunks of `size` items for a loop. The last chunk may be shorter.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let mut pixels = vec![0u8; 1000];
/// pool.for_each(longshore::chunks_mut(&mut pixels, 100), |row| row.fill(255));
/// assert!(pixels.iter().all(|&pixel| pixel == 255));
/// # Ok::<(), longshore::BuildError>(())
/// ```
///
/// # Panics
/// If `size` is 0.
#[doc(alias = "par_chunks_mut")]
pub fn chunks_mut<T: Send>(slice: &mut [T], size: usize) -> ChunksMut<'_, T> {
    assert!(size > 0, "chunks of size 0");
    ChunksMut { slice, size }
}

/// Chunks of a slice, a [`Source`]. Made by [`chunks`].
#[derive(Debug, Clone)]
pub struct Chunks<'a, T> {
    slice: &'a [T],
    size: usize,
}

/// Mutable chunks of a slice, a [`Source`]. Made by [`chunks_mut`].
#[derive(Debug)]
pub struct ChunksMut<'a, T> {
    slice: &'a mut [T],
    size: usize,
}

impl<'a, T: Sync> Source for Chunks<'a, T> {
    type Item = &'a [T];

    fn remaining(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    #[inline]
    fn next_item(&mut self) -> Option<&'a [T]> {
        let size = self.size.min(self.slice.len());
        let (first, rest) = self.slice.split_at(size);
        self.slice = rest;
        (size > 0).then_some(first)
    }

    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = self.slice.split_at((at * self.size).min(self.slice.len()));
        self.slice = left;
        Chunks { slice: right, size: self.size }
    }
}

impl<'a, T: Send> Source for ChunksMut<'a, T> {
    type Item = &'a mut [T];

    fn remaining(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    #[inline]
    fn next_item(&mut self) -> Option<&'a mut [T]> {
        let size = self.size.min(self.slice.len());
        let (first, rest) = mem::take(&mut self.slice).split_at_mut(size);
        self.slice = rest;
        (size > 0).then_some(first)
    }

    fn split_off(&mut self, at: usize) -> Self {
        let middle = (at * self.size).min(self.slice.len());
        let (left, right) = mem::take(&mut self.slice).split_at_mut(middle);
        self.slice = left;
        ChunksMut { slice: right, size: self.size }
    }
}

/// The elements of a vector by value, a [`Source`]. Made of a `Vec` by [`IntoSource`]. Elements that no part
/// hands out are dropped.
pub struct Elements<T> {
    /// The indices of the elements that belong to this part.
    left: Range<usize>,
    /// Shared by all parts. The last part frees it, and drops no element with it.
    memory: Arc<VecMemory<T>>,
}

/// The memory of a vector, without its elements.
struct VecMemory<T> {
    first: *mut T,
    capacity: usize,
}

impl<T> Drop for VecMemory<T> {
    fn drop(&mut self) {
        // SAFETY: pointer and capacity come from a vector that was forgotten, and this is the only drop. With
        // a length of 0 it claims no element.
        drop(unsafe { Vec::from_raw_parts(self.first, 0, self.capacity) });
    }
}

// SAFETY: each element belongs to one part, which hands it out by value or drops it. So sending a part sends
// elements, which are `Send`. The parts share the address and the capacity, which never change, and the last
// part frees the memory.
unsafe impl<T: Send> Send for Elements<T> {}

impl<T> Elements<T> {
    /// The address of an element. `index` is at most the length of the vector.
    fn element(&self, index: usize) -> *mut T {
        self.memory.first.wrapping_add(index)
    }
}

impl<T: Send> Source for Elements<T> {
    type Item = T;

    fn remaining(&self) -> usize {
        self.left.len()
    }

    #[inline]
    fn next_item(&mut self) -> Option<T> {
        let index = self.left.next()?;
        // SAFETY: indices in `left` are below the length of the vector, and belong to this part alone. This
        // one has just been removed, so the element is read once and not dropped in place.
        Some(unsafe { self.element(index).read() })
    }

    fn split_off(&mut self, at: usize) -> Self {
        assert!(at <= self.left.len(), "a split beyond the last element");
        Elements { left: self.left.split_off(at), memory: self.memory.clone() }
    }
}

impl<T> Drop for Elements<T> {
    fn drop(&mut self) {
        for index in mem::take(&mut self.left) {
            // SAFETY: indices in `left` are below the length of the vector and belong to this part alone, so
            // nothing else uses the element. Each is dropped once. If a drop panics, the elements after it
            // are leaked.
            unsafe { self.element(index).drop_in_place() };
        }
    }
}

impl<T> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("left", &self.left.len()).finish_non_exhaustive()
    }
}

/// A [`Source`], or a value that can be turned into one: a vector, or a reference to a vector or an array.
/// The loops take any `IntoSource`, as a `for` loop takes any `IntoIterator`.
///
/// ```
/// use longshore::{IntoSource, Source};
///
/// let mut numbers = vec![1, 2, 3].into_source();
/// assert_eq!(numbers.next_item(), Some(1));
/// assert_eq!(numbers.remaining(), 2);
/// ```
#[diagnostic::on_unimplemented(
    message = "a loop cannot run over `{Self}`",
    label = "not a slice, a vector, `chunks`, or a range `a..b` of `usize`, `u32`, `u64`, `i32` or `i64`",
    note = "other collections and iterators: collect them first, `map.iter().collect::<Vec<_>>()`, or stream \
            them through the pool, `pool.map_unordered(iterator, f)`",
    note = "arrays: pass a reference, `&array`; inclusive ranges: pass `a..b + 1`",
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

    fn into_source(self) -> S {
        self
    }
}

impl<T: Send> IntoSource for Vec<T> {
    type Item = T;
    type Source = Elements<T>;

    fn into_source(self) -> Elements<T> {
        let mut vector = ManuallyDrop::new(self);
        let memory = VecMemory { first: vector.as_mut_ptr(), capacity: vector.capacity() };
        Elements { left: 0..vector.len(), memory: Arc::new(memory) }
    }
}

impl<'a, T: Sync> IntoSource for &'a Vec<T> {
    type Item = &'a T;
    type Source = &'a [T];

    fn into_source(self) -> &'a [T] {
        self
    }
}

impl<'a, T: Send> IntoSource for &'a mut Vec<T> {
    type Item = &'a mut T;
    type Source = &'a mut [T];

    fn into_source(self) -> &'a mut [T] {
        self
    }
}

impl<'a, T: Sync, const N: usize> IntoSource for &'a [T; N] {
    type Item = &'a T;
    type Source = &'a [T];

    fn into_source(self) -> &'a [T] {
        self
    }
}

impl<'a, T: Send, const N: usize> IntoSource for &'a mut [T; N] {
    type Item = &'a mut T;
    type Source = &'a mut [T];

    fn into_source(self) -> &'a mut [T] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain<S: Source>(mut source: S) -> Vec<S::Item> {
        let announced = source.remaining();
        let items: Vec<_> = std::iter::from_fn(|| source.next_item()).collect();
        assert_eq!(items.len(), announced);
        assert!(source.is_done());
        items
    }

    /// Split at every place, both parts together have the items of the whole.
    fn split_everywhere<S: Source>(make: impl Fn() -> S)
    where
        S::Item: PartialEq + fmt::Debug,
    {
        let whole = drain(make());
        for at in 0..=whole.len() {
            let mut left = make();
            let right = left.split_off(at);
            assert_eq!((left.remaining(), right.remaining()), (at, whole.len() - at));
            let mut both = drain(left);
            both.extend(drain(right));
            assert_eq!(both, whole);
        }
    }

    #[test]
    fn every_source_can_be_split_everywhere() {
        let data = [1, 2, 3, 4, 5, 6, 7];
        split_everywhere(|| 0..10usize);
        split_everywhere(|| -3..4i32);
        split_everywhere(|| u64::MAX - 3..u64::MAX);
        split_everywhere(|| &data[..]);
        split_everywhere(|| chunks(&data, 3));
        split_everywhere(|| chunks(&data, 7));
        split_everywhere(|| data.to_vec().into_source());
        split_everywhere(|| (0..10u32).with_grain(4));
        let empty = Range { start: 5u32, end: 2 };
        assert_eq!(Source::remaining(&empty), 0);
        assert_eq!(Source::remaining(&(i32::MIN..i32::MAX)), u32::MAX as usize);
    }

    #[test]
    fn mutable_sources_reach_every_element_once() {
        let mut data = [0; 10];
        let mut left = &mut data[..];
        let right = left.split_off(4);
        drain(left).into_iter().chain(drain(right)).for_each(|n| *n += 1);
        let mut left = chunks_mut(&mut data, 3);
        let right = left.split_off(2);
        drain(left).into_iter().chain(drain(right)).flatten().for_each(|n| *n += 1);
        assert_eq!(data, [2; 10]);
    }

    #[test]
    fn a_vector_is_not_split_beyond_its_end() {
        let mut elements = vec![String::from("one"), String::from("two")].into_source();
        let split = std::panic::AssertUnwindSafe(|| elements.split_off(3));
        assert!(std::panic::catch_unwind(split).is_err());
        assert_eq!(drain(elements), ["one", "two"]);
    }

    #[test]
    fn elements_that_no_part_hands_out_are_dropped_once() {
        let element = std::rc::Rc::new(());
        // Not `Send`, but it stays on this thread.
        struct Here(#[allow(dead_code, reason = "counted")] std::rc::Rc<()>);
        // SAFETY: no value of this test leaves its only thread.
        unsafe impl Send for Here {}
        let elements: Vec<Here> = (0..10).map(|_| Here(element.clone())).collect();
        let mut left = elements.into_source();
        let right = left.split_off(6);
        assert!(left.next_item().is_some());
        assert_eq!(std::rc::Rc::strong_count(&element), 10);
        drop(right);
        assert_eq!(std::rc::Rc::strong_count(&element), 6);
        drop(left);
        assert_eq!(std::rc::Rc::strong_count(&element), 1);
    }
}
