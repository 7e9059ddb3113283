//! The atomics of the ring: those of the standard library. The model of the ring puts those of the model
//! checker in their place (`crates/models/tests/rings.rs`).

pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
