//! [`join()`] and [`join_context`].

use std::marker::PhantomData;

use crate::registry::in_worker;

/// What a closure of [`join_context`] is told.
#[derive(Debug)]
pub struct FnContext {
    migrated: bool,
    /// Neither `Send` nor `Sync`.
    _marker: PhantomData<*mut ()>,
}

impl FnContext {
    #[inline]
    fn new(migrated: bool) -> Self {
        FnContext { migrated, _marker: PhantomData }
    }

    /// Returns whether the closure is called on another thread than the one that called [`join_context`]: a
    /// thread of the pool has taken it, or the call came from outside of the pool. (A thread from outside that
    /// acts as a thread of the global pool counts as another thread.)
    #[inline]
    pub fn migrated(&self) -> bool {
        self.migrated
    }
}

/// Calls both closures, possibly at the same time, and returns both results.
///
/// The calling thread calls `oper_a`. Meanwhile another thread of the pool may take `oper_b`; if none does, the
/// calling thread calls it afterwards. If another thread has taken it, the calling thread works on parts of
/// it, and then on other tasks of the pool. Outside of every pool the global pool is used.
///
/// ```
/// fn sum(numbers: &[u64]) -> u64 {
///     if numbers.len() < 1000 {
///         return numbers.iter().sum();
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (a, b) = rayon_core::join(|| sum(left), || sum(right));
///     a + b
/// }
///
/// let numbers: Vec<u64> = (0..100_000).collect();
/// assert_eq!(sum(&numbers), 4_999_950_000);
/// ```
///
/// The closures should compute. If they block, the threads of the pool are missing for other work, and if one
/// waits for the other, both may wait forever.
///
/// # Panics
/// With the panic of `oper_a`, or otherwise of `oper_b`. Both are called in any case.
#[inline]
pub fn join<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    join_context(|_| oper_a(), |_| oper_b())
}

/// The same as [`join()`], but each closure is told whether it is called on another thread.
///
/// # Panics
/// With the panic of `oper_a`, or otherwise of `oper_b`. Both are called in any case.
// Not inlined into the caller, so that a recursive caller is inlined into this function.
#[inline(never)]
pub fn join_context<A, B, RA, RB>(oper_a: A, oper_b: B) -> (RA, RB)
where
    A: FnOnce(FnContext) -> RA + Send,
    B: FnOnce(FnContext) -> RB + Send,
    RA: Send,
    RB: Send,
{
    in_worker(|worker, is_moved| {
        worker.join(
            || oper_a(FnContext::new(is_moved)),
            |is_stolen| oper_b(FnContext::new(is_moved || is_stolen)),
        )
    })
}
