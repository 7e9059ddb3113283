//! What loops run over: sources of items that can be cut in two.

use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::sync::Arc;
use std::{fmt, slice};

/// Items that a loop hands out one by one, and that can be cut in two when another worker wants a part.
///
/// Implemented for ranges of integers, slices (items are references), vectors (items are the elements) and what
/// [`chunks`] and [`chunks_mut`] make; `for_each`, `map` and the others take anything that implements it.
pub trait Source: Sized + Send {
    /// What the loop's body gets.
    type Item;

    /// How many items are left. Exact.
    fn remaining(&self) -> usize;

    /// Whether none is left.
    fn is_done(&self) -> bool {
        self.remaining() == 0
    }

    /// Takes the first item.
    fn next_item(&mut self) -> Option<Self::Item>;

    /// Cuts off everything from item number `at` on, where `at` is at most [`Source::remaining`].
    fn split_off(&mut self, at: usize) -> Self;

    /// The fewest items that are worth a part of their own. 1, unless [`with_grain`](Source::with_grain) says more.
    fn grain(&self) -> usize {
        1
    }

    /// The same items, of which no part gets less than `grain` (0 counts as 1), except when there are fewer.
    ///
    /// Loops split by demand and hardly ever need this: it pays where cutting in two is itself expensive for the body,
    /// for example because it loses what it keeps from one item to the next.
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

/// A source with a grain. Made by [`Source::with_grain`].
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

/// The pieces of `size` items, the last of which may be shorter, of a slice.
///
/// # Panics
/// If `size` is 0.
pub fn chunks<T: Sync>(slice: &[T], size: usize) -> Chunks<'_, T> {
    assert!(size > 0, "chunks of size 0");
    Chunks { slice, size }
}

/// The same of a slice that the pieces may change.
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
pub fn chunks_mut<T: Send>(slice: &mut [T], size: usize) -> ChunksMut<'_, T> {
    assert!(size > 0, "chunks of size 0");
    ChunksMut { slice, size }
}

/// Made by [`chunks`].
#[derive(Debug, Clone)]
pub struct Chunks<'a, T> {
    slice: &'a [T],
    size: usize,
}

/// Made by [`chunks_mut`].
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

/// The elements of a vector, by value. Made of a `Vec` by [`IntoSource`]. Elements that are not handed out are dropped.
pub struct Elements<T> {
    /// Those of `memory` that this part still has.
    left: Range<usize>,
    /// Shared by all parts; the last one frees it. None of the elements is dropped with it.
    memory: Arc<VecMemory<T>>,
}

struct VecMemory<T>(ManuallyDrop<Vec<T>>);

impl<T> Drop for VecMemory<T> {
    fn drop(&mut self) {
        // SAFETY: it is not used again.
        let mut elements = unsafe { ManuallyDrop::take(&mut self.0) };
        // SAFETY: the parts have moved out or dropped all elements.
        unsafe { elements.set_len(0) };
    }
}

// SAFETY: each element is read by one part only, which gives it away by value: sending elements is all that happens.
unsafe impl<T: Send> Send for Elements<T> {}

impl<T> Elements<T> {
    fn element(&self, index: usize) -> *const T {
        self.memory.0[index..].as_ptr()
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
        // SAFETY: the index was this part's, and is no longer: the element is read once.
        Some(unsafe { self.element(index).read() })
    }

    fn split_off(&mut self, at: usize) -> Self {
        Elements { left: self.left.split_off(at), memory: self.memory.clone() }
    }
}

impl<T> Drop for Elements<T> {
    fn drop(&mut self) {
        let left = mem::take(&mut self.left);
        let first = self.memory.0.as_ptr().cast_mut();
        // SAFETY: in bounds.
        let first = unsafe { first.add(left.start) };
        // SAFETY: these elements are this part's alone, and are not used again.
        let rest = unsafe { slice::from_raw_parts_mut(first.cast::<ManuallyDrop<T>>(), left.len()) };
        for element in rest {
            // SAFETY: as above; one that panics leaves the others undropped, which is safe.
            unsafe { ManuallyDrop::drop(element) };
        }
    }
}

impl<T> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("left", &self.left.len()).finish_non_exhaustive()
    }
}

/// What can be looped over: a [`Source`], or something that becomes one, as `IntoIterator` is to `Iterator`.
pub trait IntoSource {
    /// What the loop's body gets.
    type Item;
    /// What it becomes.
    type Source: Source<Item = Self::Item>;

    /// Becomes a source.
    fn into_source(self) -> Self::Source;
}

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
        Elements { left: 0..self.len(), memory: Arc::new(VecMemory(ManuallyDrop::new(self))) }
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

    /// Cut at every place, both parts have what the whole has.
    fn cut<S: Source>(make: impl Fn() -> S)
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
    fn every_source_can_be_cut_everywhere() {
        let data = [1, 2, 3, 4, 5, 6, 7];
        cut(|| 0..10usize);
        cut(|| -3..4i32);
        cut(|| u64::MAX - 3..u64::MAX);
        cut(|| &data[..]);
        cut(|| chunks(&data, 3));
        cut(|| chunks(&data, 7));
        cut(|| data.to_vec().into_source());
        cut(|| (0..10u32).with_grain(4));
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
    fn elements_that_nobody_takes_are_dropped_once() {
        let element = std::rc::Rc::new(());
        // Not `Send`, but it stays here.
        struct Here(#[allow(dead_code, reason = "counted")] std::rc::Rc<()>);
        // SAFETY: this test has one thread.
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
