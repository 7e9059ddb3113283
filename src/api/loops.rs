//! Loops: `for_each`, `map`, `try_map` and `map_reduce` over any [`Source`].
//!
//! One worker goes through the items of a loop. When its fork slot is empty, so that another worker could
//! take work, it splits the remaining items in two and joins the halves; the second half fills the fork slot.
//! The check is one relaxed load for each item. So the number of splits follows the demand, and there is no
//! grain to choose: a loop whose items differ in length is split where the time goes, and a loop whose parts
//! are not taken is split only as often as its length can be halved. A part that takes less time than a split
//! costs stays whole. While one item runs, a worker holds back at most half of its part. ("Lazy binary
//! splitting", Tzannes, Caragea, Barua and Vishkin, PPoPP 2010.)
//!
//! The state of a part is owned by the frame that runs the part; only results move between workers. Guarded
//! by `tests/it/loops.rs` and the unit tests of `source.rs`.

use std::convert::Infallible;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::api::join::Context;
use crate::api::pool::Pool;
use crate::api::source::{IntoSource, Source};
use crate::sys::clock;

/// What a loop does with the items of a part, one after the other, and with the results of two parts.
trait Fold<S: Source>: Sync {
    /// The result of a part.
    type State: Send;

    /// Returns the result of a part that has run no item yet. `source` holds the items of the part.
    fn begin(&self, source: &S) -> Self::State;
    /// Runs the next item. `false` ends the part early.
    fn step(&self, state: &mut Self::State, item: S::Item) -> bool;
    /// Combines the results of two neighbouring parts.
    fn merge(&self, left: Self::State, right: Self::State) -> Self::State;
}

/// Runs a part from its beginning.
fn fold<S: Source, F: Fold<S>>(cx: Context<'_>, mut source: S, f: &F) -> F::State {
    let mut state = f.begin(&source);
    // The first of many items tell whether the part is long enough for two workers. If it were split at once,
    // a loop of a thousand additions would take three times as long as without a pool.
    let begun = clock::now();
    let (mut done, mut pace) = (0, 1);
    while cx.is_wanted() && source.remaining() >= MANY {
        for _ in 0..pace {
            let Some(item) = source.next_item() else { return state };
            if !f.step(&mut state, item) {
                return state;
            }
        }
        done += pace;
        let spent = clock::ticks_since(begun);
        if spent >= WORTH_A_SPLIT {
            break;
        }
        // As many items as should take the rest of the time, judged by the items so far. At most eight times
        // as many, because the first items may be short.
        let missing = (WORTH_A_SPLIT - spent).saturating_mul(done as u64) / spent.max(1);
        pace = (missing as usize).clamp(1, 8 * done);
    }
    fold_from(cx, source, state, f)
}

/// A part of fewer items is split at once, because each item may take long: two items of a second go to two
/// workers. In a part of this many items the first item is a small share.
const MANY: usize = 256;

/// How long a part of many items runs before it is split, in ticks of the clock: 2 µs, about what it costs
/// until another worker has taken the other half and this worker has waited for it.
const WORTH_A_SPLIT: u64 = 2 * clock::TICKS_PER_US;

/// Runs the rest of a part, and splits it whenever another worker could take the other half.
fn fold_from<S, F>(cx: Context<'_>, mut source: S, mut state: F::State, f: &F) -> F::State
where
    S: Source,
    F: Fold<S>,
{
    loop {
        if cx.is_wanted() {
            let left = source.remaining();
            if left >= source.grain().max(1).saturating_mul(2) {
                let rest = source.split_off(left / 2);
                let (state, rest) =
                    cx.join(move |cx| fold_from(cx, source, state, f), move |cx| fold(cx, rest, f));
                return f.merge(state, rest);
            }
        }
        let Some(item) = source.next_item() else { return state };
        if !f.step(&mut state, item) {
            return state;
        }
    }
}

/// [`Context::for_each`].
struct ForEach<F>(F);

impl<S: Source, F: Fn(S::Item) + Sync> Fold<S> for ForEach<F> {
    type State = ();

    fn begin(&self, _: &S) {}

    #[inline]
    fn step(&self, (): &mut (), item: S::Item) -> bool {
        (self.0)(item);
        true
    }

    fn merge(&self, (): (), (): ()) {}
}

/// [`Context::map_reduce`].
struct MapReduce<M, R> {
    map: M,
    reduce: R,
}

impl<S, T, M, R> Fold<S> for MapReduce<M, R>
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
    fn step(&self, state: &mut Option<T>, item: S::Item) -> bool {
        let value = (self.map)(item);
        *state = Some(match state.take() {
            Some(before) => (self.reduce)(before, value),
            None => value,
        });
        true
    }

    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        match (left, right) {
            (Some(left), Some(right)) => Some((self.reduce)(left, right)),
            (left, right) => left.or(right),
        }
    }
}

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
        // SAFETY: the `len` places from `first` hold results: `step` has written them one after the other,
        // and `join` appends a segment only if it begins where this one ends. No other segment covers them,
        // because `join` forgets both segments. The vector, whose length is 0, frees the memory after all
        // segments are gone.
        unsafe { results.drop_in_place() };
    }
}

/// Numbers the items of a source. Every number is handed out once at most, by one part, whatever the source
/// does, which may be code of the user's.
struct Enumerated<S> {
    source: S,
    /// The numbers of this part that are left.
    numbers: Range<usize>,
}

impl<S: Source> Source for Enumerated<S> {
    type Item = (usize, S::Item);

    fn remaining(&self) -> usize {
        self.numbers.len()
    }

    #[inline]
    fn next_item(&mut self) -> Option<Self::Item> {
        let number = self.numbers.next()?;
        Some((number, self.source.next_item()?))
    }

    fn split_off(&mut self, at: usize) -> Self {
        assert!(at <= self.numbers.len(), "a split beyond the last item");
        Enumerated { source: self.source.split_off(at), numbers: self.numbers.split_off(at) }
    }

    fn grain(&self) -> usize {
        self.source.grain()
    }
}

/// [`Context::try_map`]: each part writes its results to where they belong.
struct Collect<'a, T, M> {
    map: M,
    /// The memory of the output vector, with a place for the result of each item.
    memory: OutputMemory<T>,
    /// Set by the first item that fails.
    failed: &'a AtomicBool,
}

struct OutputMemory<T>(*mut T);

// SAFETY: it is an address. The parts of the loop write through it, each to the places of its own items,
// values of a type that is `Send`.
unsafe impl<T: Send> Sync for OutputMemory<T> {}

/// The result of a part of [`Collect`].
struct LoopPart<T, E> {
    results: LoopSegment<T>,
    error: Option<E>,
}

impl<S, T, E, M> Fold<Enumerated<S>> for Collect<'_, T, M>
where
    S: Source,
    T: Send,
    E: Send,
    M: Fn(S::Item) -> Result<T, E> + Sync,
{
    type State = LoopPart<T, E>;

    fn begin(&self, source: &Enumerated<S>) -> LoopPart<T, E> {
        // Inside the memory, or at its end if the part has no items.
        LoopPart {
            results: LoopSegment { first: self.memory.0.wrapping_add(source.numbers.start), len: 0 },
            error: None,
        }
    }

    #[inline]
    fn step(&self, part: &mut LoopPart<T, E>, (number, item): (usize, S::Item)) -> bool {
        // Relaxed: a hint that may arrive late; without it the part runs a few more items. The join of the
        // parts orders the errors themselves.
        if self.failed.load(Ordering::Relaxed) {
            return false;
        }
        match (self.map)(item) {
            Ok(result) => {
                let place = self.memory.0.wrapping_add(number);
                // SAFETY: `Enumerated` hands out each number below the length of the memory once at most, and
                // no other number. So the place is inside the memory, no other part writes it, and it holds
                // no value yet.
                unsafe { place.write(result) };
                part.results.len += 1;
                true
            }
            Err(error) => {
                self.failed.store(true, Ordering::Relaxed);
                part.error = Some(error);
                false
            }
        }
    }

    fn merge(&self, left: LoopPart<T, E>, right: LoopPart<T, E>) -> LoopPart<T, E> {
        let results = left.results.join(right.results);
        LoopPart { results, error: left.error.or(right.error) }
    }
}

/// Loops over a [`Source`]: a range of integers, a slice, a vector, or [`chunks`](crate::chunks) of a slice.
///
/// This worker runs the items one by one. When another worker has nothing to do, the remaining items are
/// split in two, and that worker gets one half. No item costs an allocation, and a loop of which no worker
/// takes a part costs little more than the same loop without a pool.
impl Context<'_> {
    /// Calls `body` for each item, in no particular order.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut numbers = vec![1, 2, 3];
    /// pool.enter(|cx| cx.for_each(&mut numbers, |number| *number *= 10));
    /// assert_eq!(numbers, [10, 20, 30]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `body`, after all parts have ended. Some items may not have run.
    pub fn for_each<I, F>(self, items: I, body: F)
    where
        I: IntoSource,
        F: Fn(I::Item) + Sync,
    {
        fold(self, items.into_source(), &ForEach(body));
    }

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
    /// an error no further items are started, and all results are dropped.
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
        let failed = AtomicBool::new(false);
        let collect = Collect { map, memory: OutputMemory(vector.as_mut_ptr()), failed: &failed };
        let LoopPart { results, error } = fold(self, Enumerated { source, numbers: 0..len }, &collect);
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

    /// Calls `map` for each item and combines the results by `reduce`. Returns `None` if there are no items.
    ///
    /// `reduce` gets neighbouring results in their order. It must be associative, and need not be
    /// commutative. How results are grouped depends on how the loop was split. So a sum of floating-point
    /// numbers, which is not quite associative, may differ in its last digits from run to run.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = ["push", "and", "steal"];
    /// let longest = pool.enter(|cx| cx.map_reduce(&words, |word| word.len(), usize::max));
    /// assert_eq!(longest, Some(5));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map` or `reduce`, after all parts have ended. Some items may not have run.
    pub fn map_reduce<I, T, M, R>(self, items: I, map: M, reduce: R) -> Option<T>
    where
        I: IntoSource,
        T: Send,
        M: Fn(I::Item) -> T + Sync,
        R: Fn(T, T) -> T + Sync,
    {
        fold(self, items.into_source(), &MapReduce { map, reduce })
    }
}

/// Loops on this pool. Each method is the method of [`Context`] with the same name inside [`Pool::enter`].
impl Pool {
    /// Calls `body` for each item, in no particular order.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut numbers = vec![0; 100];
    /// pool.for_each(&mut numbers, |number| *number += 1);
    /// assert_eq!(numbers.iter().sum::<i32>(), 100);
    /// pool.for_each(0..numbers.len(), |i| assert_eq!(numbers[i], 1));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `body`, after all parts have ended. Some items may not have run.
    #[doc(alias = "par_iter")]
    pub fn for_each<I, F>(&self, items: I, body: F)
    where
        I: IntoSource,
        F: Fn(I::Item) + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.for_each(source, body));
    }

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
    /// an error no further items are started, and all results are dropped.
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

    /// Calls `map` for each item and combines the results by `reduce`, which must be associative. Returns
    /// `None` if there are no items. [`Context::map_reduce`] has the details.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let sum = pool.map_reduce(1..101u64, |n| n, |a, b| a + b);
    /// assert_eq!(sum, Some(5050));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map` or `reduce`, after all parts have ended. Some items may not have run.
    pub fn map_reduce<I, T, M, R>(&self, items: I, map: M, reduce: R) -> Option<T>
    where
        I: IntoSource,
        T: Send,
        M: Fn(I::Item) -> T + Sync + Send,
        R: Fn(T, T) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map_reduce(source, map, reduce))
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

        fn remaining(&self) -> usize {
            self.announced
        }

        fn next_item(&mut self) -> Option<()> {
            self.announced = self.announced.saturating_sub(1);
            self.items = self.items.checked_sub(1)?;
            Some(())
        }

        fn split_off(&mut self, at: usize) -> Self {
            self.announced = self.announced.saturating_sub(at);
            Liar { announced: at, ..*self }
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
                pool.map(source, |()| counted.clone()).len()
            }));
            assert!(result.is_err() || result.is_ok_and(|len| len == announced));
            assert_eq!(Arc::strong_count(&counted), 1, "every result was dropped once");
        }
    }

    #[test]
    fn the_largest_grain_keeps_a_loop_whole() {
        let pool = Pool::builder().workers(2).build().expect("starts");
        assert_eq!(pool.map((0..1_000).with_grain(usize::MAX), |n| n).len(), 1_000);
    }
}
