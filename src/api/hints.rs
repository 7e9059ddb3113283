//! Answers to calls that programs try by mistake: they do not compile, or warn, and the compiler prints what
//! to write instead.
//!
//! Guarded by the examples in `compile_fail.rs`.

use crate::api::builder::PoolBuilder;
use crate::api::join::Context;
use crate::api::pool::Pool;
use crate::api::pull_pool::PullPool;
use crate::api::scope::Scope;
use crate::api::source::IntoSource;
use crate::task::cancel::CancelToken;

/// Implemented by no type, so a method that asks for it cannot be called.
#[diagnostic::on_unimplemented(
    message = "a `PullPool` has no joins, scopes and loops",
    label = "needs a pool whose workers have queues of their own",
    note = "a `longshore::Pool` has this method, and takes the same settings",
    note = "for results in the order of submission a `PullPool` has `submit_batch`"
)]
pub trait NeedsPushPool {}

/// Methods that a [`Pool`](crate::Pool) has and this pool has not. Each has the shape of the true method as
/// far as a call of it must get past the compiler's other checks.
#[doc(hidden)]
impl PullPool {
    pub fn join<A, B, RA, RB>(&self, _: A, _: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + NeedsPushPool,
        B: FnOnce() -> RB,
    {
        unreachable!("no type has the trait")
    }

    pub fn enter<F, R>(&self, _: F) -> R
    where
        F: FnOnce(Context<'_>) -> R + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn install<F, R>(&self, _: F) -> R
    where
        F: FnOnce() -> R + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn scope<'env, F, R>(&self, _: F) -> R
    where
        F: for<'s> FnOnce(&'s Scope<'s, 'env>) -> R + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn for_each<I, F>(&self, _: I, _: F)
    where
        I: IntoSource,
        F: Fn(I::Item) + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn map<I, T, F>(&self, _: I, _: F) -> Vec<T>
    where
        I: IntoSource,
        F: Fn(I::Item) -> T + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn try_map<I, T, E, F>(&self, _: I, _: F) -> Result<Vec<T>, E>
    where
        I: IntoSource,
        F: Fn(I::Item) -> Result<T, E> + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn filter_map<I, T, F>(&self, _: I, _: F) -> Vec<T>
    where
        I: IntoSource,
        F: Fn(I::Item) -> Option<T> + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn map_until<I, T, F>(&self, _: I, _: &CancelToken, _: F) -> Vec<Option<T>>
    where
        I: IntoSource,
        F: Fn(I::Item) -> T + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn map_reduce<I, T, F>(&self, _: I, _: impl Fn() -> T, _: F, _: impl Fn(T, T) -> T) -> T
    where
        I: IntoSource,
        F: Fn(I::Item) -> T + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn map_ordered<I, T, F>(&self, _: I, _: F) -> std::vec::IntoIter<T>
    where
        I: IntoIterator,
        F: Fn(I::Item) -> T + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn map_unordered<I, T, F>(&self, _: I, _: F) -> std::vec::IntoIter<T>
    where
        I: IntoIterator,
        F: Fn(I::Item) -> T + NeedsPushPool,
    {
        unreachable!("no type has the trait")
    }

    pub fn sort<T: NeedsPushPool>(&self, _: &mut [T]) {
        unreachable!("no type has the trait")
    }
}

#[doc(hidden)]
impl Pool {
    #[deprecated(note = "this library's word is `workers`: `pool.workers()`")]
    pub fn current_num_threads(&self) -> usize {
        self.workers()
    }
}

#[doc(hidden)]
impl<P> PoolBuilder<P> {
    #[deprecated(note = "this library's word is `workers`: `.workers(4)`, or a range, `.workers(2..=16)`")]
    pub fn num_threads(self, threads: usize) -> Self {
        self.workers(threads)
    }

    #[deprecated(note = "this library's word is `workers`: `.workers(4)`, or a range, `.workers(2..=16)`")]
    pub fn worker_threads(self, threads: usize) -> Self {
        self.workers(threads)
    }
}
