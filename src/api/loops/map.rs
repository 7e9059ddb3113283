//! `map` and `try_map`: a result for each item, in the order of the items.
//!
//! Each part writes its results to where they belong in the memory of the output vector.

use std::convert::Infallible;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::ops::ControlFlow;
use std::slice::IterMut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{iter, slice};

use crate::api::join::Context;
use crate::api::loops::part::{self, Fold};
use crate::api::pool::Pool;
use crate::api::source::{IntoSource, Source};

/// Owns neighbouring results in the memory of the output vector, and drops them when it is dropped. So all
/// results are dropped if an item panics, in whatever part they are.
struct LoopSegment<T> {
    first: *mut T,
    len: usize,
}

// SAFETY: a segment owns its results as a vector does, so sending it sends values of type `T`, which is
// `Send`.
unsafe impl<T: Send> Send for LoopSegment<T> {}

impl<T> LoopSegment<T> {
    /// Appends the results of the next part. If this part ended early, the results on the right do not follow
    /// these ones, and are dropped.
    fn join(self, right: LoopSegment<T>) -> LoopSegment<T> {
        if self.first.wrapping_add(self.len) != right.first {
            return self;
        }
        let (left, right) = (ManuallyDrop::new(self), ManuallyDrop::new(right));
        LoopSegment { first: left.first, len: left.len + right.len }
    }
}

impl<T> Drop for LoopSegment<T> {
    fn drop(&mut self) {
        let results = std::ptr::slice_from_raw_parts_mut(self.first, self.len);
        // SAFETY: the `len` places from `first` hold results: `Collect::run` has written them one after the
        // other, and `join` appends a segment only if it begins where this one ends. No other segment covers
        // them, because `join` forgets both segments. The vector, whose length is 0, frees the memory after
        // all segments are gone.
        unsafe { results.drop_in_place() };
    }
}

/// The items of a source, each with the place for its result.
struct Placed<'m, T, S> {
    source: S,
    /// The number of the first place in the output vector.
    first: usize,
    /// As many as the source has announced items. Each place is handed out once at most, whatever the source
    /// does, which may be code of the user's.
    places: &'m mut [MaybeUninit<T>],
}

impl<'m, T: Send, S: Source> Source for Placed<'m, T, S> {
    type Item = (&'m mut MaybeUninit<T>, S::Item);
    type Block = iter::Zip<IterMut<'m, MaybeUninit<T>>, S::Block>;

    #[inline]
    fn remaining(&self) -> usize {
        self.places.len()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let (left, right) = mem::take(&mut self.places).split_at_mut(at);
        self.places = left;
        Placed { source: self.source.split_off(at), first: self.first + at, places: right }
    }

    #[inline]
    fn into_block(self) -> Self::Block {
        iter::zip(self.places.iter_mut(), self.source.into_block())
    }

    #[inline]
    fn grain(&self) -> usize {
        self.source.grain()
    }
}

/// [`Context::try_map`].
struct Collect<'a, T, M> {
    map: M,
    /// The memory of the output vector, with a place for the result of each item.
    memory: OutputMemory<T>,
    /// Set by the first item that fails.
    failed: &'a AtomicBool,
}

struct OutputMemory<T>(*mut T);

// SAFETY: it is an address. The parts of the loop write to the places of their own items, and own the values
// there, which are of a type that is `Send`.
unsafe impl<T: Send> Sync for OutputMemory<T> {}

/// The result of a part of [`Collect`].
struct LoopPart<T, E> {
    results: LoopSegment<T>,
    error: Option<E>,
}

impl<S, T, E, M> Fold<Placed<'_, T, S>> for Collect<'_, T, M>
where
    S: Source,
    T: Send,
    E: Send,
    M: Fn(S::Item) -> Result<T, E> + Sync,
{
    type State = LoopPart<T, E>;

    fn begin(&self, part: &Placed<'_, T, S>) -> LoopPart<T, E> {
        // Inside the memory, or at its end if the part has no items.
        LoopPart {
            results: LoopSegment { first: self.memory.0.wrapping_add(part.first), len: 0 },
            error: None,
        }
    }

    #[inline]
    fn run(&self, part: &mut LoopPart<T, E>, block: Placed<'_, T, S>, len: usize) -> ControlFlow<()> {
        let mut items = block.into_block();
        let before = part.results.len;
        let failure = if mem::needs_drop::<T>() {
            items.try_for_each(|(place, item)| {
                place.write((self.map)(item)?);
                // At once, so that the result is dropped if a later item panics.
                part.results.len += 1;
                Ok(())
            })
        } else {
            // A count of its own, which the compiler keeps in a register.
            let mut written = 0;
            let failure = items.try_for_each(|(place, item)| {
                place.write((self.map)(item)?);
                written += 1;
                Ok(())
            });
            part.results.len += written;
            failure
        };
        if let Err(error) = failure {
            // Relaxed: a hint; see `is_over`.
            self.failed.store(true, Ordering::Relaxed);
            part.error = Some(error);
            return ControlFlow::Break(());
        }
        // The results of a block that had fewer items than announced are not followed by those of the next.
        if part.results.len - before < len { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn merge(&self, left: LoopPart<T, E>, right: LoopPart<T, E>) -> LoopPart<T, E> {
        let results = left.results.join(right.results);
        LoopPart { results, error: left.error.or(right.error) }
    }

    fn is_over(&self, _: &Placed<'_, T, S>) -> bool {
        // Relaxed: a hint that may arrive late; without it the part runs some more blocks. The join of the
        // parts orders the errors themselves.
        self.failed.load(Ordering::Relaxed)
    }
}

/// Loops that collect results.
impl Context<'_> {
    /// Calls `map` for each item and returns the results in the order of the items.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert_eq!(pool.enter(|cx| cx.map(0..4, |n| n * n)), [0, 1, 4, 9]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped. Also if a [`Source`] of
    /// the user's hands out fewer items than it has announced.
    pub fn map<I, T, F>(self, items: I, map: F) -> Vec<T>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> T + Sync,
    {
        let Ok(results) = self.try_map(items, |item| Ok::<T, Infallible>(map(item)));
        results
    }

    /// Calls `map` for each item and returns the results in the order of the items, or the first error. After
    /// an error no further blocks of items are started, and all results are dropped.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let numbers = pool.enter(|cx| cx.try_map(&["1", "2", "3"], |text| text.parse::<u32>()))?;
    /// assert_eq!(numbers, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The error of an item for which `map` failed. If several items fail, the error of the first of them in
    /// the order of the items.
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped. Also if a [`Source`] of
    /// the user's hands out fewer items than it has announced.
    pub fn try_map<I, T, E, F>(self, items: I, map: F) -> Result<Vec<T>, E>
    where
        I: IntoSource,
        T: Send,
        E: Send,
        F: Fn(I::Item) -> Result<T, E> + Sync,
    {
        let source = items.into_source();
        let len = source.remaining();
        let mut vector: Vec<T> = Vec::with_capacity(len);
        let first = vector.as_mut_ptr();
        // SAFETY: the capacity of the vector is at least `len`, and its places need not be initialised. Until
        // the end of the loop they are used through this slice, and through segments that own what a part
        // has written and does not use any more.
        let places = unsafe { slice::from_raw_parts_mut(first.cast::<MaybeUninit<T>>(), len) };
        let failed = AtomicBool::new(false);
        let collect = Collect { map, memory: OutputMemory(first), failed: &failed };
        let placed = Placed { source, first: 0, places };
        let LoopPart { results, error } = part::run(self, placed, &collect);
        if let Some(error) = error {
            return Err(error);
        }
        assert_eq!(results.len, len, "the source has handed out fewer items than it has announced");
        mem::forget(results);
        // SAFETY: the capacity is at least `len`. The segment covered `len` initialised places from the
        // beginning, and was forgotten, so the vector is now the only owner of the results.
        unsafe { vector.set_len(len) };
        Ok(vector)
    }
}

/// Loops on this pool that collect results. Each method is the method of [`Context`] with the same name
/// inside [`Pool::enter`].
impl Pool {
    /// Calls `map` for each item and returns the results in the order of the items.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let lengths = pool.map(vec!["push", "and", "steal"], |word| word.len());
    /// assert_eq!(lengths, [4, 3, 5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped. Also if a [`Source`] of
    /// the user's hands out fewer items than it has announced.
    #[doc(alias = "par_iter")]
    pub fn map<I, T, F>(&self, items: I, map: F) -> Vec<T>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map(source, map))
    }

    /// Calls `map` for each item and returns the results in the order of the items, or the first error. After
    /// an error no further blocks of items are started, and all results are dropped.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let parsed = pool.try_map(&["1", "2", "three"], |text| text.parse::<u32>());
    /// assert!(parsed.is_err());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// The error of an item for which `map` failed. If several items fail, the error of the first of them in
    /// the order of the items.
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped. Also if a [`Source`] of
    /// the user's hands out fewer items than it has announced.
    pub fn try_map<I, T, E, F>(&self, items: I, map: F) -> Result<Vec<T>, E>
    where
        I: IntoSource,
        T: Send,
        E: Send,
        F: Fn(I::Item) -> Result<T, E> + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.try_map(source, map))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A source that announces `announced` items, and hands out `items` in each part.
    #[derive(Clone)]
    struct Liar {
        announced: usize,
        items: usize,
    }

    impl Source for Liar {
        type Item = ();
        type Block = iter::RepeatN<()>;

        fn remaining(&self) -> usize {
            self.announced
        }

        fn split_off(&mut self, at: usize) -> Self {
            self.announced = self.announced.saturating_sub(at);
            Liar { announced: at, ..*self }
        }

        fn into_block(self) -> Self::Block {
            iter::repeat_n((), self.items)
        }
    }

    #[test]
    fn a_source_that_lies_about_its_length_does_no_harm() {
        let pool = Pool::builder().workers(2).build().expect("starts");
        let lies = [(0, 9), (1, 0), (8, 3), (8, 100), (1_000, 7), (1_000, 400), (3_000, 5_000)];
        for (announced, items) in lies {
            let counted = Arc::new(());
            let source = Liar { announced, items };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pool.map(source.clone(), |()| counted.clone()).len()
            }));
            assert!(result.is_err() || result.is_ok_and(|len| len == announced));
            assert_eq!(Arc::strong_count(&counted), 1, "every result was dropped once");
            let numbers = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.map(source, |()| 7)));
            assert!(numbers.is_err() || numbers.is_ok_and(|numbers| numbers == vec![7; announced]));
        }
    }

    #[test]
    fn the_largest_grain_keeps_a_loop_whole() {
        let pool = Pool::builder().workers(2).build().expect("starts");
        assert_eq!(pool.map((0..1_000).with_grain(usize::MAX), |n| n).len(), 1_000);
    }
}
