//! Where the workers of a paused pool wait. Each pool owns one; its workers wait, any thread may end the
//! wait. Guarded by `tests/it/behaviour/pausing.rs`.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::base::facade::lock;

/// Where the workers of a paused pool wait. A worker that waits here is neither searching nor parked, so no
/// push wakes it for work that it must not take.
#[derive(Debug, Default)]
pub struct Pause {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Pause {
    /// Waits while `is_paused` returns true.
    pub fn wait_while(&self, is_paused: impl Fn() -> bool) {
        let guard = self.changed.wait_while(lock(&self.lock), |()| is_paused());
        drop(guard.unwrap_or_else(PoisonError::into_inner));
    }

    /// Has every waiting worker call its `is_paused` again. Takes the lock, because a worker that has just
    /// called it and does not wait yet would miss the signal.
    pub fn look_again(&self) {
        drop(lock(&self.lock));
        self.changed.notify_all();
    }
}
