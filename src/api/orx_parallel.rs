//! A pool as the threads behind orx-parallel's iterators (feature `orx-parallel`).
//!
//! orx-parallel hands each of some workers a closure that takes items from a shared source until there are none; all that it
//! asks of a pool is a scope.

use std::num::NonZeroUsize;

use orx_parallel::ThreadPool;

use crate::api::pool::Pool;
use crate::api::scope::Scope;

impl<'s, 'env, 'scope> orx_parallel::Scope<'s, 'env, 'scope> for &'s Scope<'s, 'env> {
    fn run<W>(self, work: W)
    where
        'scope: 's,
        'env: 'scope + 's,
        W: FnOnce() + Send + 'scope + 'env,
    {
        self.spawn(work);
    }
}

/// Of feature `orx-parallel`: the workers of a pool run its iterators.
///
/// ```
/// use orx_parallel::*;
///
/// let pool = longshore::Pool::builder().workers(2).build()?;
/// let sum: usize = (0..1000usize).par().runner(Runner::fixed_with_pool(&pool)).map(|n| n * 2).sum();
/// assert_eq!(sum, 999_000);
/// # Ok::<(), longshore::BuildError>(())
/// ```
impl ThreadPool for &Pool {
    type ScopeRef<'s, 'env, 'scope>
        = &'s Scope<'s, 'env>
    where
        'scope: 's,
        'env: 'scope + 's;

    fn scope<'env, 'scope, F>(&'env self, f: F)
    where
        'env: 'scope,
        for<'s> F: FnOnce(&'s Scope<'s, 'env>) + Send,
    {
        Pool::scope(self, f);
    }

    fn max_num_threads(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.workers()).expect("a pool has workers")
    }
}
