//! The stripe that a thread keeps to wherever a pool counts those who come in at several: so threads seldom meet at one.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Doors of a queue, or of a room. More producers than this share some; each costs 128 bytes.
pub const STRIPES: usize = 16;

thread_local! {
    /// This thread's stripe in every pool; none yet if it is not below [`STRIPES`]. Constant and without a destructor: one
    /// instruction to reach, and usable while other thread-locals die.
    static STRIPE: Cell<usize> = const { Cell::new(STRIPES) };
}

/// The number of the calling thread's stripe.
#[inline]
pub fn current() -> usize {
    let stripe = STRIPE.get();
    if stripe < STRIPES { stripe } else { assign() }
}

/// Gives the thread its stripe: the next one in turn.
#[cold]
fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES; // only spreads
    STRIPE.set(number);
    number
}
