//! parkring: `install` to enter, and `join`.

use parkring::ThreadPool;

use super::ForkJoin;

pub struct Parkring(ThreadPool);

impl ForkJoin for Parkring {
    type Context<'c> = ();

    fn new(workers: usize) -> Self {
        Self(ThreadPool::new(workers))
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
        parkring::join(|| a(()), || b(()))
    }

    #[inline]
    fn again<'a, 'b: 'a>((): &'a mut ()) {}
}
