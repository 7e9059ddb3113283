//! `for_each_until` and `map_until`: loops that a token ends, and that return what they have done.
//!
//! Each item looks at the token before it begins. The items that are left cost a load each.

use crate::api::join::Context;
use crate::api::loops::search;
use crate::api::pool::Pool;
use crate::api::source::IntoSource;
use crate::task::cancel::CancelToken;

/// Loops that a token ends.
impl Context<'_> {
    /// Calls `body` for each item, in no particular order, until `token` is cancelled. An item that has begun
    /// still ends. Returns whether all items have run.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let token = longshore::CancelToken::after(Duration::from_secs(3600));
    /// let all = pool.enter(|cx| cx.for_each_until(0..100, &token, |n| assert!(n < 100)));
    /// assert!(all);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `body`, after all parts have ended.
    pub fn for_each_until<I, F>(self, items: I, token: &CancelToken, body: F) -> bool
    where
        I: IntoSource,
        F: Fn(I::Item) + Sync,
    {
        let stopped = search::any_of(self, items.into_source(), |item| {
            if token.is_cancelled() {
                return Some(());
            }
            body(item);
            None
        });
        stopped.is_none()
    }

    /// Calls `map` for each item until `token` is cancelled, and returns the results in the order of the
    /// items: `None` for each item that was not begun. An item that has begun still ends.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let token = longshore::CancelToken::new();
    /// let squares = pool.enter(|cx| {
    ///     cx.map_until(0..1_000_u64, &token, |n| {
    ///         if n == 500 {
    ///             token.cancel();
    ///         }
    ///         n * n
    ///     })
    /// });
    /// let done = squares.iter().flatten().count();
    /// println!("{done} results, {} items are left", squares.len() - done);
    /// assert_eq!(squares[500], Some(250_000));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped.
    pub fn map_until<I, T, F>(self, items: I, token: &CancelToken, map: F) -> Vec<Option<T>>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> T + Sync,
    {
        self.map(items, |item| (!token.is_cancelled()).then(|| map(item)))
    }
}

/// Loops on this pool that a token ends. Each method is the method of [`Context`] with the same name inside
/// [`Pool::enter`].
impl Pool {
    /// Calls `body` for each item, in no particular order, until `token` is cancelled. An item that has begun
    /// still ends. Returns whether all items have run.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let token = longshore::CancelToken::after(Duration::from_millis(5));
    /// let steps = AtomicU64::new(0);
    /// let all = pool.for_each_until(0..u64::MAX, &token, |_| _ = steps.fetch_add(1, Ordering::Relaxed));
    /// assert!(!all && steps.into_inner() > 0);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `body`, after all parts have ended.
    pub fn for_each_until<I, F>(&self, items: I, token: &CancelToken, body: F) -> bool
    where
        I: IntoSource,
        F: Fn(I::Item) + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.for_each_until(source, token, body))
    }

    /// Calls `map` for each item until `token` is cancelled, and returns the results in the order of the
    /// items: `None` for each item that was not begun. An item that has begun still ends.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let token = longshore::CancelToken::new();
    /// token.cancel();
    /// assert_eq!(pool.map_until(0..3, &token, |n| n), [None, None, None]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped.
    #[doc(alias = "timeout")]
    pub fn map_until<I, T, F>(&self, items: I, token: &CancelToken, map: F) -> Vec<Option<T>>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> T + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.map_until(source, token, map))
    }
}
