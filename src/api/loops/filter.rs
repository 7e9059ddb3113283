//! `filter_map`: results for some of the items, in the order of the items.

use std::collections::LinkedList;
use std::ops::ControlFlow;

use crate::api::join::Context;
use crate::api::loops::part::{self, Fold};
use crate::api::pool::Pool;
use crate::api::source::{IntoSource, Source};

/// [`Context::filter_map`].
struct FilterMap<M>(M);

impl<S, T, M> Fold<S> for FilterMap<M>
where
    S: Source,
    T: Send,
    M: Fn(S::Item) -> Option<T> + Sync,
{
    /// A vector for each part of which something is left. Two lists are joined in constant time.
    type State = LinkedList<Vec<T>>;

    fn begin(&self, _: &S) -> Self::State {
        LinkedList::new()
    }

    #[inline]
    fn run(&self, state: &mut Self::State, block: S, _: usize) -> ControlFlow<()> {
        let mut results = block.into_block().filter_map(&self.0);
        match state.back_mut() {
            Some(vector) => vector.extend(results),
            None => {
                if let Some(first) = results.next() {
                    let mut vector = vec![first];
                    vector.extend(results);
                    state.push_back(vector);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn merge(&self, mut left: Self::State, mut right: Self::State) -> Self::State {
        left.append(&mut right);
        left
    }
}

impl Context<'_> {
    /// Calls `map` for each item and returns the results that are not `None`, in the order of the items.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let squares = pool.enter(|cx| cx.filter_map(0..6, |n| (n % 2 == 1).then_some(n * n)));
    /// assert_eq!(squares, [1, 9, 25]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped.
    pub fn filter_map<I, T, F>(self, items: I, map: F) -> Vec<T>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> Option<T> + Sync,
    {
        let mut vectors = part::run(self, items.into_source(), &FilterMap(map));
        let mut all = vectors.pop_front().unwrap_or_default();
        all.reserve(vectors.iter().map(Vec::len).sum());
        vectors.into_iter().for_each(|mut vector| all.append(&mut vector));
        all
    }
}

impl Pool {
    /// Calls `map` for each item and returns the results that are not `None`, in the order of the items:
    /// [`Context::filter_map`] inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let long = pool.filter_map(&["push", "and", "steal"], |word| (word.len() > 3).then_some(*word));
    /// assert_eq!(long, ["push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `map`, after all parts have ended. All results are dropped.
    #[doc(alias = "filter")]
    pub fn filter_map<I, T, F>(&self, items: I, map: F) -> Vec<T>
    where
        I: IntoSource,
        T: Send,
        F: Fn(I::Item) -> Option<T> + Sync + Send,
    {
        let source = items.into_source();
        self.enter(|cx| cx.filter_map(source, map))
    }
}
