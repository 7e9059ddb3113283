//! chili: a scope that is handed from closure to closure; the thread that makes it is one of the workers.

use std::num::NonZero;

use chili::{Config, Scope, ThreadPool};

use super::ForkJoin;

pub struct Chili(ThreadPool);

/// A scope whose own lifetime does not matter any more, so that one lifetime does for both.
pub struct Lent<'c>(&'c mut Scope<'c>);

impl<'c> Lent<'c> {
    #[inline]
    fn new(scope: &'c mut Scope<'_>) -> Self {
        // SAFETY: the lifetime of a scope is that of the job queue to which it refers, and it becomes a
        // shorter one. A mutable reference forbids that, because one could put a shorter-lived scope into the
        // place of a longer-lived; neither this module, which alone reaches into a `Lent`, nor chili's `join`
        // does.
        Self(unsafe { std::mem::transmute::<&'c mut Scope<'_>, &'c mut Scope<'c>>(scope) })
    }
}

impl ForkJoin for Chili {
    type Context<'c> = Lent<'c>;

    fn new(workers: usize) -> Self {
        let thread_count = Some(NonZero::new(workers).expect("a worker"));
        Self(ThreadPool::with_config(Config { thread_count, ..Config::default() }))
    }

    fn enter<T, W>(&self, work: W) -> T
    where
        T: Send,
        W: for<'c> FnOnce(Self::Context<'c>) -> T + Send,
    {
        work(Lent::new(&mut self.0.scope()))
    }

    #[inline]
    fn join<A, B, RA, RB>(scope: Lent<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'c> FnOnce(Self::Context<'c>) -> RA + Send,
        B: for<'c> FnOnce(Self::Context<'c>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        scope.0.join(|scope| a(Lent::new(scope)), |scope| b(Lent::new(scope)))
    }

    #[inline]
    fn again<'a, 'b: 'a>(scope: &'a mut Lent<'b>) -> Lent<'a> {
        Lent::new(scope.0)
    }
}
