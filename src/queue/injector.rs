//! Takes from crossbeam's injector and deques, and retries contended attempts. No state; any thread. Guarded
//! by `tests/it/pulling.rs`, `tests/it/behaviour/priorities.rs` and `shutdown_now.rs` beside it.

use crossbeam_deque::{Injector, Steal};
use crossbeam_utils::Backoff;

/// Takes the oldest item; `None` if the injector is empty.
pub fn take<T>(queue: &Injector<T>) -> Option<T> {
    if queue.is_empty() {
        return None;
    }
    retried(|| queue.steal())
}

/// Calls `steal` until no other thread interferes with it.
#[inline]
pub fn retried<T>(steal: impl Fn() -> Steal<T>) -> Option<T> {
    let backoff = Backoff::new();
    loop {
        match steal() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            // Another thread took an item, so the loop makes at most as many rounds as there are items.
            Steal::Retry => backoff.spin(),
        }
    }
}
