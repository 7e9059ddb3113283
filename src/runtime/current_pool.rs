//! Which pool the calling thread works for, even while its thread-locals are destroyed. Each thread touches
//! its own mark. Guarded by `tests/process_end.rs` and `tests/it/behaviour/dropping.rs`.

use std::cell::Cell;

use crate::runtime::core::Core;

thread_local! {
    /// The pool whose worker this thread is, from its start to its end; 0 means none.
    static CURRENT_POOL: Cell<u32> = const { Cell::new(0) };
    /// The pool whose helper thread this is; 0 means none. Apart from the other mark, because a helper may
    /// use the pools of the program like any other thread.
    static HELPED_POOL: Cell<u32> = const { Cell::new(0) };
}

/// Marks the calling thread as a worker of the pool with this id (0: of none), and returns the mark before. A
/// worker's own thread keeps the mark for the rest of its life.
pub fn enter_pool(pool: u32) -> u32 {
    CURRENT_POOL.replace(pool)
}

/// Whether the calling thread was, or acts as, a worker of any pool.
pub fn is_of_a_pool() -> bool {
    CURRENT_POOL.get() != 0
}

/// Whether the calling thread was, or acts as, a worker of the pool around `core`. Such a thread must not
/// wait for the end of the pool.
pub fn belongs_to_pool(core: &Core) -> bool {
    CURRENT_POOL.get() == core.id
}

/// Marks the calling thread as a helper thread of the pool with this id, for the rest of its life.
pub fn help_pool(pool: u32) {
    HELPED_POOL.set(pool);
}

/// Whether the calling thread ends with the pool around `core`, as a worker or as a helper thread. It would
/// wait for its own end if it waited for the end of all threads of the pool.
pub fn ends_with_pool(core: &Core) -> bool {
    belongs_to_pool(core) || HELPED_POOL.get() == core.id
}
