//! The door that a thread keeps to wherever a pool counts those who come in at several: so threads seldom meet at one.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Doors of a queue, or of a room. More producers than this share some; each costs 128 bytes.
pub const DOORS: usize = 16;

thread_local! {
    /// This thread's door in every pool; none yet if it is not below [`DOORS`]. Constant and without a destructor: one
    /// instruction to reach, and usable while other thread-locals die.
    static DOOR: Cell<usize> = const { Cell::new(DOORS) };
}

/// The number of the calling thread's door.
#[inline]
pub fn mine() -> usize {
    let door = DOOR.get();
    if door < DOORS { door } else { assign() }
}

/// Gives the thread its door: the next one in turn.
#[cold]
fn assign() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % DOORS; // only spreads
    DOOR.set(number);
    number
}
