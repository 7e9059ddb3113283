//! The gate that all broadcasts of a pool pass one after the other. Part of the pool's `Core`; any thread
//! passes it. `broadcast.rs` names the tests.

use std::sync::Mutex;

use crate::base::facade::lock;

/// A lock that orders the broadcasts of a pool. So every worker gets them in the same order, and each
/// broadcast is accepted as a whole or not at all.
#[derive(Debug, Default)]
pub struct BroadcastGate {
    state: Mutex<BroadcastState>,
}

/// The state behind the lock.
#[derive(Debug, Default)]
pub struct BroadcastState {
    /// Whether broadcasts are refused. Final.
    pub is_closed: bool,
    /// Broadcast tasks that are queued and not taken.
    pub left: usize,
}

impl BroadcastGate {
    /// Calls `f` with the state, under the lock.
    pub fn with_state<R>(&self, f: impl FnOnce(&mut BroadcastState) -> R) -> R {
        f(&mut lock(&self.state))
    }
}
