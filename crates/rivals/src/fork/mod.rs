//! Fork-join: competitors that run two closures at once, behind one static trait, and who they are.
//!
//! The trait passes a *context* by value from closure to closure, because some competitors work with one: a
//! worker, a scope, a token. Those that find the worker in a thread-local have the unit for a context, which
//! costs nothing.

pub(crate) mod chili;
#[cfg(feature = "forte")]
pub(crate) mod forte;
pub(crate) mod longshore;
pub(crate) mod parkring;
pub(crate) mod rayon;
pub(crate) mod serial;

use std::ops::Range;

use crate::outcome::Failure;

/// A pool that joins.
pub trait ForkJoin: Sized + Send + Sync + 'static {
    /// The most workers that it can have.
    const MAX_WORKERS: usize = usize::MAX;

    /// What code inside the pool carries in order to fork.
    type Context<'c>;

    /// Makes the pool. So many threads work on what is entered: where the thread that enters takes part, it
    /// is one of them.
    fn new(workers: usize) -> Self;

    /// Takes work into the pool and waits for it.
    fn enter<T, W>(&self, work: W) -> T
    where
        T: Send,
        W: for<'c> FnOnce(Self::Context<'c>) -> T + Send;

    /// Runs both, at the same time if a worker is free.
    fn join<A, B, RA, RB>(context: Self::Context<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'c> FnOnce(Self::Context<'c>) -> RA + Send,
        B: for<'c> FnOnce(Self::Context<'c>) -> RB + Send,
        RA: Send,
        RB: Send;

    /// The context once more, for one of several forks.
    fn again<'a, 'b: 'a>(context: &'a mut Self::Context<'b>) -> Self::Context<'a>;

    /// Runs the body for each index, by the loop that the competitor offers or else by joins down to one
    /// index.
    fn each<B>(context: Self::Context<'_>, range: Range<usize>, body: &B)
    where
        B: for<'c> Fn(Self::Context<'c>, usize) + Sync,
    {
        each_by_joins::<Self, B>(context, range, body);
    }
}

/// Runs the body for each index, halving the range by joins until one is left.
pub fn each_by_joins<F, B>(context: F::Context<'_>, range: Range<usize>, body: &B)
where
    F: ForkJoin,
    B: for<'c> Fn(F::Context<'c>, usize) + Sync,
{
    match range.len() {
        0 => {}
        1 => body(context, range.start),
        length => {
            let middle = range.start + length / 2;
            let (low, high) = (range.start..middle, middle..range.end);
            F::join(
                context,
                move |context| each_by_joins::<F, B>(context, low, body),
                move |context| each_by_joins::<F, B>(context, high, body),
            );
        }
    }
}

/// Makes a pool that lives until the process ends.
pub fn leak<F: ForkJoin>(workers: usize) -> Result<&'static F, Failure> {
    if workers > F::MAX_WORKERS {
        return Err(Failure::NotOffered);
    }
    Ok(Box::leak(Box::new(F::new(workers))))
}

/// `forking!(name, F => f::<F>(..))`: for the [`ForkJoin`] competitor of that name.
macro_rules! forking {
    ($name:expr, $F:ident => $body:expr) => {{
        use $crate::fork::*;
        macro_rules! with {
            ($rival:ty) => {{
                type $F = $rival;
                $body
            }};
        }
        match $name {
            "none" => with!(serial::Serial),
            // PULL: the pull pool's joins go here as soon as it has them.
            "push" => with!(longshore::Longshore),
            "rayon" => with!(rayon::Rayon),
            "chili" => with!(chili::Chili),
            #[cfg(feature = "forte")]
            "forte" => with!(forte::Forte),
            "parkring" => with!(parkring::Parkring),
            _ => Err($crate::outcome::Failure::NotOffered),
        }
    }};
}

pub(crate) use forking;
