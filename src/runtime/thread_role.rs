//! Which pool the calling thread works for, also while its thread-locals are destroyed.

use std::cell::Cell;

use crate::runtime::core::Core;

thread_local! {
    /// The pool whose worker this thread is from its start to its very end, while thread-locals are destroyed too.
    static CURRENT_POOL: Cell<u32> = const { Cell::new(0) };
}

/// Declares the calling thread to be a worker of the pool of this number, for the rest of its life if it is the worker's
/// own. Returns what it was before; 0 stands for none.
pub fn enter_pool(pool: u32) -> u32 {
    CURRENT_POOL.replace(pool)
}

/// Whether the calling thread was, or acts as, a worker of the pool around `core`: it must not wait for its end.
pub fn belongs_to_pool(core: &Core) -> bool {
    CURRENT_POOL.get() == core.id
}
