//! Where the workers of a paused pool wait.

use std::sync::{Condvar, Mutex, PoisonError};

/// Where the workers of a paused pool wait. They are neither searching nor parked meanwhile: nobody wakes them for work.
#[derive(Debug, Default)]
pub struct Pause {
    lock: Mutex<()>,
    changed: Condvar,
}

impl Pause {
    /// Waits as long as `is_paused` says so.
    pub fn wait_while(&self, is_paused: impl Fn() -> bool) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while is_paused() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has all look again whether the pool is paused. Through the lock, else one that has just looked and does not wait
    /// yet would miss it.
    pub fn look_again(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}
