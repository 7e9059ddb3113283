//! Slices as sources, item by item, in chunks and in windows. Guarded by `source/tests.rs`.

use std::mem;
use std::slice::{self, Iter, IterMut};
use std::sync::Arc;

use crate::api::source::{IntoSource, Source};

impl<'a, T: Sync> Source for &'a [T] {
    type Item = &'a T;
    type Block = Iter<'a, T>;

    #[inline]
    fn remaining(&self) -> usize {
        (**self).len()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = self.split_at(at);
        *self = left;
        right
    }

    #[inline]
    fn into_block(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Send> Source for &'a mut [T] {
    type Item = &'a mut T;
    type Block = IterMut<'a, T>;

    #[inline]
    fn remaining(&self) -> usize {
        (**self).len()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = mem::take(self).split_at_mut(at);
        *self = left;
        right
    }

    #[inline]
    fn into_block(self) -> IterMut<'a, T> {
        self.iter_mut()
    }
}

/// Makes references to values that hold a slice sources of its items.
macro_rules! slice_holders {
    ($([$($generic:tt)*] $holder:ty, $slice:ty;)*) => {$(
        impl<$($generic)*> IntoSource for $holder {
            type Item = <$slice as Source>::Item;
            type Source = $slice;

            #[inline]
            fn into_source(self) -> $slice {
                self
            }
        }
    )*};
}

slice_holders! {
    ['a, T: Sync] &'a Vec<T>, &'a [T];
    ['a, T: Send] &'a mut Vec<T>, &'a mut [T];
    ['a, T: Sync, const N: usize] &'a [T; N], &'a [T];
    ['a, T: Send, const N: usize] &'a mut [T; N], &'a mut [T];
    ['a, T: Sync] &'a Box<[T]>, &'a [T];
    ['a, T: Send] &'a mut Box<[T]>, &'a mut [T];
    ['a, T: Sync] &'a Arc<[T]>, &'a [T];
    // What `&v` and `&mut v` are where `v` is a reference itself, for example a parameter of a function.
    ['a, T: Sync] &'a &[T], &'a [T];
    ['a, T: Sync] &'a &mut [T], &'a [T];
    ['a, T: Send] &'a mut &mut [T], &'a mut [T];
    ['a, T: Sync] &'a &Vec<T>, &'a [T];
    ['a, T: Sync] &'a &mut Vec<T>, &'a [T];
    ['a, T: Send] &'a mut &mut Vec<T>, &'a mut [T];
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
    type Block = slice::Chunks<'a, T>;

    #[inline]
    fn remaining(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = self.slice.split_at(at.saturating_mul(self.size).min(self.slice.len()));
        self.slice = left;
        Chunks { slice: right, size: self.size }
    }

    #[inline]
    fn into_block(self) -> slice::Chunks<'a, T> {
        self.slice.chunks(self.size)
    }
}

impl<'a, T: Send> Source for ChunksMut<'a, T> {
    type Item = &'a mut [T];
    type Block = slice::ChunksMut<'a, T>;

    #[inline]
    fn remaining(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let middle = at.saturating_mul(self.size).min(self.slice.len());
        let (left, right) = mem::take(&mut self.slice).split_at_mut(middle);
        self.slice = left;
        ChunksMut { slice: right, size: self.size }
    }

    #[inline]
    fn into_block(self) -> slice::ChunksMut<'a, T> {
        self.slice.chunks_mut(self.size)
    }
}

/// The overlapping windows of `N` items of a slice, for a loop: as many as there are places for a window. The
/// length is part of the type, so that the compiler knows it in the body.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let rising = pool.map(longshore::windows(&[1, 3, 2, 5]), |[a, b]| a < b);
/// assert_eq!(rising, [true, false, true]);
/// # Ok::<(), longshore::BuildError>(())
/// ```
///
/// # Panics
/// If `N` is 0.
#[doc(alias = "par_windows")]
pub fn windows<T: Sync, const N: usize>(slice: &[T]) -> Windows<'_, T, N> {
    assert!(N > 0, "windows of size 0");
    Windows { slice }
}

/// Windows of a slice, a [`Source`]. Made by [`windows`].
#[derive(Debug, Clone)]
pub struct Windows<'a, T, const N: usize> {
    slice: &'a [T],
}

impl<'a, T: Sync, const N: usize> Source for Windows<'a, T, N> {
    type Item = &'a [T; N];
    type Block = WindowsBlock<'a, T, N>;

    #[inline]
    fn remaining(&self) -> usize {
        (self.slice.len() + 1).saturating_sub(N)
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        assert!(at <= self.remaining(), "a split beyond the last window");
        let rest = Windows { slice: &self.slice[at..] };
        // The last windows of the left part reach into the right part; without windows it needs no items.
        let left = if at == 0 { 0 } else { at + N - 1 };
        self.slice = &self.slice[..left];
        rest
    }

    #[inline]
    fn into_block(self) -> WindowsBlock<'a, T, N> {
        WindowsBlock(self.slice.windows(N))
    }
}

/// The iterator over a block of [`Windows`].
#[derive(Debug, Clone)]
pub struct WindowsBlock<'a, T, const N: usize>(slice::Windows<'a, T>);

/// The same window, with its length in the type.
#[inline(always)]
fn sized<T, const N: usize>(window: &[T]) -> &[T; N] {
    window.first_chunk().expect("a window of N items")
}

impl<'a, T, const N: usize> Iterator for WindowsBlock<'a, T, N> {
    type Item = &'a [T; N];

    #[inline]
    fn next(&mut self) -> Option<&'a [T; N]> {
        self.0.next().map(sized)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<&'a [T; N]> {
        self.0.nth(n).map(sized)
    }
}

impl<T, const N: usize> DoubleEndedIterator for WindowsBlock<'_, T, N> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(sized)
    }
}

impl<T, const N: usize> ExactSizeIterator for WindowsBlock<'_, T, N> {}
