//! Taking from a crossbeam injector to the end: what is contended is tried again. Any thread may.

use crossbeam_deque::{Injector, Steal};

/// Takes the oldest item.
pub fn take<T>(queue: &Injector<T>) -> Option<T> {
    if queue.is_empty() {
        return None;
    }
    loop {
        match queue.steal() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            // Somebody else got one, so this loop ends after at most as many rounds as there are items.
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
