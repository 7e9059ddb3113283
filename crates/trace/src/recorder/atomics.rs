//! What the model of the ring puts other things in place of (`crates/models/tests/rings.rs`): the atomics,
//! here those of the standard library, and the size of a block.

#[cfg(not(target_has_atomic = "64"))]
pub use portable_atomic::AtomicU64;
#[cfg(target_has_atomic = "64")]
pub use std::sync::atomic::AtomicU64;
pub use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Words in a block: 4 KiB.
pub const BLOCK: u64 = 512;
