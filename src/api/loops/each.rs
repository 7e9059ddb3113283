//! `for_each` and `try_for_each`: a body for each item.

use std::ops::ControlFlow;

use crate::api::join::Context;
use crate::api::loops::part::{self, Fold};
use crate::api::loops::search;
use crate::api::pool::Pool;
use crate::api::source::{IntoSource, Source};

/// [`Context::for_each`].
struct ForEach<F>(F);

impl<S: Source, F: Fn(S::Item) + Sync> Fold<S> for ForEach<F> {
    type State = ();

    fn begin(&self, _: &S) {}

    #[inline]
    fn run(&self, (): &mut (), block: S, _: usize) -> ControlFlow<()> {
        block.into_block().for_each(&self.0);
        ControlFlow::Continue(())
    }

    fn merge(&self, (): (), (): ()) {}
}

/// Loops over a [`Source`]: a range of integers, a slice, a collection, [`chunks`](crate::chunks()) of a
/// slice, or what adaptors such as [`zip`](crate::zip()) make of them.
///
/// This worker runs the items in blocks of a few microseconds. When another worker has nothing to do, the
/// remaining items are split in two, and that worker gets one half. No item costs an allocation or a look at
/// anything shared, and a loop of which no worker takes a part costs little more than the same loop without a
/// pool. The item that runs is not interrupted, and the rest of its block, which the worker takes for some
/// microseconds of work, waits for it.
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
        part::run(self, items.into_source(), &ForEach(body));
    }

    /// Calls `body` for each item, in no particular order, until a call returns an error. Blocks that have
    /// begun in other parts still end.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let checked = pool.enter(|cx| {
    ///     cx.try_for_each(&["1", "2", "three"], |text| text.parse::<u32>().map(|_| ()))
    /// });
    /// assert!(checked.is_err());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// The error of an item for which `body` failed. If several items fail, the error of the first of them in
    /// the order of the items.
    ///
    /// # Panics
    /// With a panic of `body`, after all parts have ended.
    pub fn try_for_each<I, E, F>(self, items: I, body: F) -> Result<(), E>
    where
        I: IntoSource,
        E: Send,
        F: Fn(I::Item) -> Result<(), E> + Sync,
    {
        match search::any_of(self, items.into_source(), |item| body(item).err()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
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

    /// Calls `body` for each item, in no particular order, until a call returns an error.
    /// [`Context::try_for_each`] has the details.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let dry = pool.try_for_each(0..100, |n| if n == 77 { Err(n) } else { Ok(()) });
    /// assert_eq!(dry, Err(77));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// The error of an item for which `body` failed, the first of them if several fail.
    ///
    /// # Panics
    /// With a panic of `body`, after all parts have ended.
    pub fn try_for_each<I, E, F>(&self, items: I, body: F) -> Result<(), E>
    where
        I: IntoSource,
        E: Send,
        F: Fn(I::Item) -> Result<(), E> + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.try_for_each(source, body))
    }
}
