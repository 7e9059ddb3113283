//! Takes from crossbeam's injector and retries contended attempts. No state; any thread. Guarded by the tests
//! of the pull pool (`tests/it/pulling.rs`) and of priorities.

use crossbeam_deque::{Injector, Steal};

/// Takes the oldest item; `None` if the injector is empty.
pub fn take<T>(queue: &Injector<T>) -> Option<T> {
    if queue.is_empty() {
        return None;
    }
    loop {
        match queue.steal() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            // Another thread took an item, so the loop runs at most once per item.
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
