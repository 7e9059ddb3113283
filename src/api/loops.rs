//! Loops: `for_each`, `map`, `map_reduce` and their kin, over any [`Source`].
//!
//! A loop is one thread that goes through its items. As soon as another worker would take something, it cuts what is left
//! in two and joins the halves, the second of which is then on offer. That is seen by one relaxed load an item: the
//! offer is empty. So a loop that nobody helps is cut as often as its length can be halved, whatever its length, and one
//! whose items differ in length is cut where the time goes; there is no grain to choose. What is shorter than the cut
//! would cost stays in one piece. A worker holds back at most half of its part while one item runs. ("Lazy binary splitting",
//! Tzannes, Caragea, Barua and Vishkin, PPoPP 2010.)

use std::convert::Infallible;
use std::mem::{self, ManuallyDrop};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::api::join::Context;
use crate::api::pool::Pool;
use crate::api::source::{IntoSource, Source};
use crate::sys::clock;

/// What a loop does with the items of a part, one after the other, and with the parts.
trait Fold<S: Source>: Sync {
    /// What a part comes to.
    type State: Send;

    /// Of a part that begins with `source`.
    fn begin(&self, source: &S) -> Self::State;
    /// Takes the next item. `false` ends the part early.
    fn step(&self, state: &mut Self::State, item: S::Item) -> bool;
    /// Puts two neighbours together.
    fn merge(&self, left: Self::State, right: Self::State) -> Self::State;
}

/// Goes through a part from its beginning.
fn fold<S: Source, F: Fold<S>>(cx: Context<'_>, mut source: S, f: &F) -> F::State {
    let mut state = f.begin(&source);
    // Of many items the first tell whether there is enough to do for two. Cut at once, a loop of a thousand additions
    // would take three times as long as without a pool.
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
        if spent >= WORTH_A_CUT {
            break;
        }
        // As many items as the time so far lets expect to fill what is missing; few at first, for the first may be short.
        let missing = (WORTH_A_CUT - spent).saturating_mul(done as u64) / spent.max(1);
        pace = (missing as usize).clamp(1, 8 * done);
    }
    fold_from(cx, source, state, f)
}

/// Fewer items are cut at once, for each may take long: two that take a second go to two workers. Of so many the first is no
/// great part.
const MANY: usize = 256;

/// For so long a part goes on alone before it is cut: about what it costs to have another worker take the other half and
/// to wait for it.
const WORTH_A_CUT: u64 = 2 * clock::TICKS_PER_US;

/// Goes on with a part, and cuts it as soon as somebody wants some.
fn fold_from<S, F>(cx: Context<'_>, mut source: S, mut state: F::State, f: &F) -> F::State
where
    S: Source,
    F: Fold<S>,
{
    loop {
        if cx.is_wanted() {
            let left = source.remaining();
            if left >= 2 * source.grain().max(1) {
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

/// Neighbouring results, in the place where they belong in a vector's memory. Dropped, it drops them; so what is there
/// when an item panics goes, wherever it is.
struct LoopSegment<T> {
    first: *mut T,
    len: usize,
}

// SAFETY: it owns its results like a vector.
unsafe impl<T: Send> Send for LoopSegment<T> {}

impl<T> LoopSegment<T> {
    fn join(self, right: LoopSegment<T>) -> LoopSegment<T> {
        let (left, right) = (ManuallyDrop::new(self), ManuallyDrop::new(right));
        LoopSegment { first: left.first, len: left.len + right.len }
    }
}

impl<T> Drop for LoopSegment<T> {
    fn drop(&mut self) {
        let results = std::ptr::slice_from_raw_parts_mut(self.first, self.len);
        // SAFETY: these places hold results that nobody else has.
        unsafe { results.drop_in_place() };
    }
}

/// A source that numbers its items.
struct Enumerated<S> {
    source: S,
    next: usize,
}

impl<S: Source> Source for Enumerated<S> {
    type Item = (usize, S::Item);

    fn remaining(&self) -> usize {
        self.source.remaining()
    }

    #[inline]
    fn next_item(&mut self) -> Option<Self::Item> {
        let item = self.source.next_item()?;
        self.next += 1;
        Some((self.next - 1, item))
    }

    fn split_off(&mut self, at: usize) -> Self {
        Enumerated { source: self.source.split_off(at), next: self.next + at }
    }

    fn grain(&self) -> usize {
        self.source.grain()
    }
}

/// [`Context::try_map`]: each part writes its results to where they belong.
struct Collect<'a, T, M> {
    map: M,
    /// Permits for the results of all items.
    memory: OutputMemory<T>,
    failed: &'a AtomicBool,
}

struct OutputMemory<T>(*mut T);

// SAFETY: an address; the parts write to different places behind it.
unsafe impl<T: Send> Sync for OutputMemory<T> {}

/// What a part of [`Collect`] comes to.
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
        // Inside of the memory, or at its end.
        LoopPart {
            results: LoopSegment { first: self.memory.0.wrapping_add(source.next), len: 0 },
            error: None,
        }
    }

    #[inline]
    fn step(&self, part: &mut LoopPart<T, E>, (number, item): (usize, S::Item)) -> bool {
        // Relaxed: news that may come late.
        if self.failed.load(Ordering::Relaxed) {
            return false;
        }
        match (self.map)(item) {
            Ok(result) => {
                let place = self.memory.0.wrapping_add(number);
                // SAFETY: there is room for each item, and this is the only one with this number.
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
        let results = if self.failed.load(Ordering::Relaxed) {
            left.results // with a gap behind it, perhaps; there will be no vector, and the right ones are dropped here
        } else {
            left.results.join(right.results)
        };
        LoopPart { results, error: left.error.or(right.error) }
    }
}

/// Loops. What they run over is said at [`Source`]; how they are split, in this type's text.
///
/// This worker goes through the items one by one. When another worker has nothing to do, the items that are left are cut
/// in two, and it gets a half. Nothing is allocated for each item, and a loop that nobody helps with costs hardly more
/// than the same loop without a pool.
impl Context<'_> {
    /// Calls `body` for each item, in no particular order.
    ///
    /// # Panics
    /// With the first panic of `body`, after all parts have ended; the items of other parts may have been left out.
    pub fn for_each<I, F>(self, items: I, body: F)
    where
        I: IntoSource,
        F: Fn(I::Item) + Sync,
    {
        fold(self, items.into_source(), &ForEach(body));
    }

    /// Calls `map` for each item and returns what it returns, in the order of the items.
    ///
    /// # Panics
    /// As [`Context::for_each`]; the results that were there are dropped.
    pub fn map<I, T, F>(self, items: I, map: F) -> Vec<T>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> T + Sync,
    {
        let Ok(results) = self.try_map(items, |item| Ok::<T, Infallible>(map(item)));
        results
    }

    /// As [`Context::map`], until the first error: no item is begun after that, and the results are dropped.
    ///
    /// # Errors
    /// An error of `map`. If several items that run at the same time fail, that of the first in the order of the items.
    ///
    /// # Panics
    /// As [`Context::map`].
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
        let LoopPart { results, error } = fold(self, Enumerated { source, next: 0 }, &collect);
        if let Some(error) = error {
            return Err(error);
        }
        // A source that hands out less than it has announced would leave gaps.
        assert_eq!(results.len, len, "the source has as many items as it says");
        mem::forget(results);
        // SAFETY: all places hold results, which are the vector's from here on.
        unsafe { vector.set_len(len) };
        Ok(vector)
    }

    /// Calls `map` for each item, and puts what it returns together by `reduce`, neighbours only and in their order: it
    /// has to be associative, and need not be commutative. `None` if there are no items.
    ///
    /// How the items are put in brackets depends on how the loop was split. For floating-point numbers, whose sums are
    /// not quite associative, the last digits may differ from run to run.
    ///
    /// # Panics
    /// As [`Context::for_each`], also with a panic of `reduce`.
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

/// Loops, on this pool: [`Context::for_each`] and so on inside [`Pool::enter`].
impl Pool {
    /// Calls `body` for each item, in no particular order. See [`Context::for_each`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut squares = vec![0; 100];
    /// pool.for_each(0..100, |i| assert!(i < 100));
    /// pool.for_each(&mut squares, |square| *square += 1);
    /// assert_eq!(squares.iter().sum::<i32>(), 100);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As there.
    pub fn for_each<I, F>(&self, items: I, body: F)
    where
        I: IntoSource,
        F: Fn(I::Item) + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.for_each(source, body));
    }

    /// Calls `map` for each item and returns what it returns, in the order of the items. See [`Context::map`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let lengths = pool.map(vec!["push", "and", "steal"], |word| word.len());
    /// assert_eq!(lengths, [4, 3, 5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As there.
    pub fn map<I, T, F>(&self, items: I, map: F) -> Vec<T>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map(source, map))
    }

    /// As [`Pool::map`], until the first error. See [`Context::try_map`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let parsed = pool.try_map(&["1", "2", "three"], |text| text.parse::<u32>());
    /// assert!(parsed.is_err());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
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

    /// Calls `map` for each item and puts the results together by `reduce`. See [`Context::map_reduce`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let sum = pool.map_reduce(1..101u64, |n| n, |a, b| a + b);
    /// assert_eq!(sum, Some(5050));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// As there.
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
