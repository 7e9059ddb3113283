//! `any`, `all`, `find_any` and `find_first`: loops that end as soon as the answer is known.
//!
//! A part that finds an item sets a flag, which the other parts read between two blocks.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::api::join::Context;
use crate::api::loops::part::{self, Fold};
use crate::api::pool::Pool;
use crate::api::source::adaptors::{Enumerate, enumerate};
use crate::api::source::{IntoSource, Source};

/// Looks for an item of which `test` makes a value.
struct FindAny<F> {
    test: F,
    /// Set by the first item that is found.
    found: AtomicBool,
}

impl<S, T, F> Fold<S> for FindAny<F>
where
    S: Source,
    T: Send,
    F: Fn(S::Item) -> Option<T> + Sync,
{
    type State = Option<T>;

    fn begin(&self, _: &S) -> Option<T> {
        None
    }

    #[inline]
    fn run(&self, state: &mut Option<T>, block: S, _: usize) -> ControlFlow<()> {
        *state = block.into_block().find_map(&self.test);
        if state.is_none() {
            return ControlFlow::Continue(());
        }
        // Relaxed: a hint; see `is_over`.
        self.found.store(true, Ordering::Relaxed);
        ControlFlow::Break(())
    }

    fn merge(&self, left: Option<T>, right: Option<T>) -> Option<T> {
        left.or(right)
    }

    fn is_over(&self, _: &S) -> bool {
        // Relaxed: a hint that may arrive late; without it the part runs some more blocks. The join of the
        // parts orders what they have found.
        self.found.load(Ordering::Relaxed)
    }
}

/// Returns what `test` makes of an item, of the first one if several parts have found one.
#[inline]
pub(super) fn any_of<S, T, F>(cx: Context<'_>, source: S, test: F) -> Option<T>
where
    S: Source,
    T: Send,
    F: Fn(S::Item) -> Option<T> + Sync,
{
    part::run(cx, source, &FindAny { test, found: AtomicBool::new(false) })
}

/// Looks for the first item that passes `test`.
struct FindFirst<F> {
    test: F,
    /// The smallest number of an item that was found.
    first: AtomicUsize,
}

impl<S, F> Fold<Enumerate<S>> for FindFirst<F>
where
    S: Source,
    S::Item: Send,
    F: Fn(&S::Item) -> bool + Sync,
{
    type State = Option<S::Item>;

    fn begin(&self, _: &Enumerate<S>) -> Self::State {
        None
    }

    #[inline]
    fn run(&self, state: &mut Self::State, block: Enumerate<S>, _: usize) -> ControlFlow<()> {
        let Some((number, item)) = block.into_block().find(|(_, item)| (self.test)(item)) else {
            return ControlFlow::Continue(());
        };
        // Relaxed: a hint; see `is_over`.
        self.first.fetch_min(number, Ordering::Relaxed);
        *state = Some(item);
        ControlFlow::Break(())
    }

    fn merge(&self, left: Self::State, right: Self::State) -> Self::State {
        left.or(right)
    }

    fn is_over(&self, part: &Enumerate<S>) -> bool {
        // Relaxed: a hint that may arrive late. A part is over only if an item to the left of it was found,
        // and the join returns the leftmost.
        self.first.load(Ordering::Relaxed) < part.first()
    }
}

impl Context<'_> {
    /// Returns whether `test` holds for at least one item. Ends early if it does. Blocks that have begun in
    /// other parts still end.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.enter(|cx| cx.any(0..1_000_000, |n| n == 1_000)));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn any<I, F>(self, items: I, test: F) -> bool
    where
        I: IntoSource,
        F: Fn(I::Item) -> bool + Sync,
    {
        any_of(self, items.into_source(), |item| test(item).then_some(())).is_some()
    }

    /// Returns whether `test` holds for all items. Ends early if it does not. Blocks that have begun in other
    /// parts still end.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.enter(|cx| cx.all(&[2, 4, 6], |n| n % 2 == 0)));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn all<I, F>(self, items: I, test: F) -> bool
    where
        I: IntoSource,
        F: Fn(I::Item) -> bool + Sync,
    {
        !self.any(items, |item| !test(item))
    }

    /// Returns an item that passes `test`, or `None` if none does. Which item, if several pass, may differ
    /// from run to run.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let even = pool.enter(|cx| cx.find_any(1..100, |n| n % 2 == 0));
    /// assert!(even.is_some_and(|n| n % 2 == 0));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn find_any<I, F>(self, items: I, test: F) -> Option<I::Item>
    where
        I: IntoSource,
        I::Item: Send,
        F: Fn(&I::Item) -> bool + Sync,
    {
        any_of(self, items.into_source(), |item| test(&item).then_some(item))
    }

    /// Returns the first item, in the order of the items, that passes `test`, or `None` if none does. Parts
    /// to the right of an item that was found end early.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert_eq!(pool.enter(|cx| cx.find_first(1..100, |n| n % 7 == 0)), Some(7));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn find_first<I, F>(self, items: I, test: F) -> Option<I::Item>
    where
        I: IntoSource,
        I::Item: Send,
        F: Fn(&I::Item) -> bool + Sync,
    {
        part::run(self, enumerate(items), &FindFirst { test, first: AtomicUsize::new(usize::MAX) })
    }
}

/// Searches on this pool. Each method is the method of [`Context`] with the same name inside
/// [`Pool::enter`].
impl Pool {
    /// Returns whether `test` holds for at least one item. Ends early if it does.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(!pool.any(&[1, 3, 5], |n| n % 2 == 0));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn any<I, F>(&self, items: I, test: F) -> bool
    where
        I: IntoSource,
        F: Fn(I::Item) -> bool + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.any(source, test))
    }

    /// Returns whether `test` holds for all items. Ends early if it does not.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(pool.all(&[1, 3, 5], |n| n % 2 == 1));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn all<I, F>(&self, items: I, test: F) -> bool
    where
        I: IntoSource,
        F: Fn(I::Item) -> bool + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.all(source, test))
    }

    /// Returns an item that passes `test`, or `None` if none does. Which item, if several pass, may differ
    /// from run to run.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert_eq!(pool.find_any(&["push", "pull"], |word| word.ends_with("ll")), Some(&"pull"));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn find_any<I, F>(&self, items: I, test: F) -> Option<I::Item>
    where
        I: IntoSource,
        I::Item: Send,
        F: Fn(&I::Item) -> bool + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.find_any(source, test))
    }

    /// Returns the first item, in the order of the items, that passes `test`, or `None` if none does. With
    /// [`enumerate`](crate::enumerate()) it returns the position as well.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let words = ["push", "pull", "poll"];
    /// let found = pool.find_first(longshore::enumerate(&words), |(_, word)| word.ends_with("ll"));
    /// assert_eq!(found, Some((1, &"pull")));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `test`, after all parts have ended.
    pub fn find_first<I, F>(&self, items: I, test: F) -> Option<I::Item>
    where
        I: IntoSource,
        I::Item: Send,
        F: Fn(&I::Item) -> bool + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.find_first(source, test))
    }
}
