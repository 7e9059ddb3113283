//! The ring of a recording, compiled like the library's files: with atomics that can be broken. Guarded by
//! `tests/rings.rs`.

#[path = "../../trace/src/recorder/ring.rs"]
pub mod ring;

/// The atomics of the ring, and a block that is small enough to be explored.
pub mod atomics {
    /// Words in a block.
    pub const BLOCK: u64 = 1;
    pub use crate::base::facade::{AtomicBool, AtomicU64, Ordering, fence};
}

/// In place of the thread that appends to a file.
pub mod file {
    /// There is no such thread.
    #[derive(Debug, Clone)]
    pub struct Signal;

    impl Signal {
        /// Calls nothing.
        pub fn call(&self) {}
    }
}
