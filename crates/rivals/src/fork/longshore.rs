//! Longshore's push pool: the caller takes the place of a worker that has nothing to do, and a small context
//! is passed from closure to closure by value.

use std::env;
use std::ops::Range;

use longshore::{Context, Pool};

use super::ForkJoin;

pub struct Longshore(Pool);

impl ForkJoin for Longshore {
    type Context<'c> = Context<'c>;

    fn new(workers: usize) -> Self {
        let mut builder = Pool::builder().workers(workers);
        // What the standard library's threads go by, and with them those of the others.
        if let Some(bytes) = env::var("RUST_MIN_STACK").ok().and_then(|bytes| bytes.parse().ok()) {
            builder = builder.stack_size(bytes);
        }
        Self(builder.build().expect("a pool"))
    }

    #[inline]
    fn enter<T, W>(&self, work: W) -> T
    where
        T: Send,
        W: for<'c> FnOnce(Self::Context<'c>) -> T + Send,
    {
        self.0.enter(work)
    }

    #[inline(always)]
    fn join<A, B, RA, RB>(context: Context<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'c> FnOnce(Self::Context<'c>) -> RA + Send,
        B: for<'c> FnOnce(Self::Context<'c>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        context.join(a, b)
    }

    #[inline]
    fn each<B>(context: Context<'_>, range: Range<usize>, body: &B)
    where
        B: for<'c> Fn(Self::Context<'c>, usize) + Sync,
    {
        context.for_each(range, |index| {
            longshore::with_context(|inside| body(inside.expect("a loop's body runs on a worker"), index));
        });
    }

    #[inline]
    fn again<'a, 'b: 'a>(context: &'a mut Context<'b>) -> Context<'a> {
        *context
    }
}
