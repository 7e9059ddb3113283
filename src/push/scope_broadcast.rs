//! Broadcasts of a push pool that no handle observes: detached, or as tasks of a scope. For the drop-in for
//! rayon-core.
//!
//! Any thread may send them; each task then belongs to its worker (`runtime/broadcast.rs`). Guarded by
//! `tests/rayon_core_support.rs` and by rayon's own tests (`.ci/dropin`).

use crate::push::scope::{Packed, ScopeTask};
use crate::push::scope_state::ScopeState;
use crate::push::shared::PushShared;
use crate::push::worker::rayon_rules::wake_for_broadcast;
use crate::runtime::pool_kind::PoolKind;
use crate::task::erased::Task;

impl ScopeState {
    /// Gives each worker the task of this scope that `body` makes for its number. Returns whether the pool
    /// accepted them; it refuses all or none, and only if it is closed.
    ///
    /// # Safety
    /// All that the bodies borrow outlives the scope. The caller is the frame of the scope or a task of it,
    /// which has not ended.
    pub unsafe fn spawn_broadcast<B: ScopeTask>(&self, mut body: impl FnMut(usize) -> B) -> bool {
        self.shared().broadcast_detached(|worker| {
            self.count(1);
            Packed::task(self, body(worker))
        })
    }
}

impl PushShared {
    /// Gives each worker the task that `pack` makes for its number. `false`, and no task is made, if the pool
    /// is closed. `pack` runs no user code.
    pub fn broadcast_detached(&self, pack: impl FnMut(usize) -> Task) -> bool {
        let members = self.members();
        let is_accepted = self.send_broadcast(&members, pack);
        members.iter().for_each(|&worker| wake_for_broadcast(self, worker));
        is_accepted
    }
}
