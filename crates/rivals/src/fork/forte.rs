//! Forte: the caller becomes a member of the pool for as long as its work lasts, and is one of the workers.

use forte::{ThreadPool, Worker};

use super::ForkJoin;

pub struct Forte(&'static ThreadPool);

impl ForkJoin for Forte {
    const MAX_WORKERS: usize = 32;

    type Context<'c> = &'c Worker;

    fn new(workers: usize) -> Self {
        let pool: &'static ThreadPool = Box::leak(Box::new(ThreadPool::new()));
        assert_eq!(pool.resize_to(workers - 1), workers - 1, "workers");
        Self(pool)
    }

    fn enter<T, W>(&self, work: W) -> T
    where
        T: Send,
        W: for<'c> FnOnce(Self::Context<'c>) -> T + Send,
    {
        self.0.with_worker(|worker| work(worker))
    }

    #[inline]
    fn join<A, B, RA, RB>(worker: &Worker, a: A, b: B) -> (RA, RB)
    where
        A: for<'c> FnOnce(Self::Context<'c>) -> RA + Send,
        B: for<'c> FnOnce(Self::Context<'c>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        worker.join(|worker| a(worker), |worker| b(worker))
    }

    #[inline]
    fn again<'a, 'b: 'a>(worker: &'a mut &'b Worker) -> &'a Worker {
        worker
    }
}
