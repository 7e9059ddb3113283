//! What the model of the ring puts other things in place of (`crates/models/tests/rings.rs`): the atomics,
//! here those of the standard library, and the size of a block.

pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// Words in a block: 4 KiB.
pub const BLOCK: u64 = 512;
