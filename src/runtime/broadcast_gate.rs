//! The gate that all broadcasts of a pool pass through, one after the other.

use std::sync::{Mutex, PoisonError};

/// What all broadcasts of a pool pass through, one after the other: so every worker gets them in the same order, and each
/// is accepted as a whole or not at all.
#[derive(Debug, Default)]
pub struct BroadcastGate {
    state: Mutex<BroadcastState>,
}

/// The state behind the lock.
#[derive(Debug, Default)]
pub struct BroadcastState {
    /// Refuses broadcasts from now on.
    pub is_closed: bool,
    /// Orders given and not taken.
    pub left: usize,
}

impl BroadcastGate {
    /// Calls `f` with the state, under the lock.
    pub fn pass<R>(&self, f: impl FnOnce(&mut BroadcastState) -> R) -> R {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
