//! rayon: `install` to enter, `join`, and a parallel iterator for loops.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::ForkJoin;

pub struct Rayon(ThreadPool);

impl ForkJoin for Rayon {
    type Context<'c> = ();

    fn new(workers: usize) -> Self {
        Self(ThreadPoolBuilder::new().num_threads(workers).build().expect("a pool"))
    }

    fn enter<T, W>(&self, work: W) -> T
    where
        T: Send,
        W: for<'c> FnOnce(Self::Context<'c>) -> T + Send,
    {
        self.0.install(|| work(()))
    }

    #[inline]
    fn join<A, B, RA, RB>((): (), a: A, b: B) -> (RA, RB)
    where
        A: for<'c> FnOnce(Self::Context<'c>) -> RA + Send,
        B: for<'c> FnOnce(Self::Context<'c>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        rayon::join(|| a(()), || b(()))
    }

    #[inline]
    fn again<'a, 'b: 'a>((): &'a mut ()) {}

    fn each<B>((): (), range: Range<usize>, body: &B)
    where
        B: for<'c> Fn(Self::Context<'c>, usize) + Sync,
    {
        range.into_par_iter().for_each(|index| body((), index));
    }
}
