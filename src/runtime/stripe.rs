//! The stripe of the calling thread: which of several counters it uses wherever a pool counts producers on
//! several cache lines. So threads seldom write to the same line. A thread-local; each thread touches its
//! own. Guarded by `tests/it/behaviour/bounded.rs` and `tests/it/pulling.rs`.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Stripes of each counter. More producers than this share stripes; each stripe costs 128 bytes.
pub const STRIPES: usize = 16;

thread_local! {
    /// This thread's stripe in every pool; the value [`STRIPES`] means that none is assigned yet. Constant
    /// and without a destructor: it takes one instruction to reach, and is usable while other thread-locals
    /// are destroyed.
    static STRIPE: Cell<usize> = const { Cell::new(STRIPES) };
}

/// The number of the calling thread's stripe.
#[inline]
pub fn current() -> usize {
    let stripe = STRIPE.get();
    if stripe < STRIPES { stripe } else { assign() }
}

/// Assigns the next stripe in turn to the thread.
#[cold]
fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES; // only spreads
    STRIPE.set(number);
    number
}
