//! Fibonacci numbers the slow way, a join for each addition and no cut-off: nothing but joins.

use crate::fork::ForkJoin;

/// The number at this place.
pub fn fib<F: ForkJoin>(context: F::Context<'_>, place: u32) -> u64 {
    if place < 2 {
        return u64::from(place);
    }
    let (a, b) = F::join(
        context,
        move |context| fib::<F>(context, place - 1),
        move |context| fib::<F>(context, place - 2),
    );
    a + b
}

/// The same without joins, by counting up: what must come out.
#[must_use]
pub fn counted(place: u32) -> u64 {
    (0..place).fold((0, 1), |(a, b), _| (b, a + b)).0
}

/// How many joins it takes.
#[must_use]
pub fn joins(place: u32) -> u64 {
    // One for each call that is not a leaf, and the leaves are as many as the next number.
    counted(place + 1) - 1
}
