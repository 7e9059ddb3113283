//! Feature `orx-parallel`: a [`Pool`] runs orx-parallel's iterators.
//!
//! orx-parallel spawns a few closures, each of which takes items from a shared source until none is left. So
//! it needs only a scope of the pool. Guarded by the example below.

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

/// The workers of a pool run orx-parallel's iterators. Needs the feature `orx-parallel`.
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
