//! No pool: the caller runs both closures, one after the other. The floor of each row.

use std::ops::Range;

use super::ForkJoin;

pub struct Serial;

impl ForkJoin for Serial {
    type Context<'c> = ();

    fn new(_workers: usize) -> Self {
        Self
    }

    fn enter<T, W>(&self, work: W) -> T
    where
        T: Send,
        W: for<'c> FnOnce(Self::Context<'c>) -> T + Send,
    {
        work(())
    }

    #[inline]
    fn join<A, B, RA, RB>((): (), a: A, b: B) -> (RA, RB)
    where
        A: for<'c> FnOnce(Self::Context<'c>) -> RA + Send,
        B: for<'c> FnOnce(Self::Context<'c>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        (a(()), b(()))
    }

    #[inline]
    fn again<'a, 'b: 'a>((): &'a mut ()) {}

    fn each<B>((): (), range: Range<usize>, body: &B)
    where
        B: for<'c> Fn(Self::Context<'c>, usize) + Sync,
    {
        range.for_each(|index| body((), index));
    }
}
