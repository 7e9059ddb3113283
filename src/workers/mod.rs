//! The workers of a pool: how many there are, and which of them sleep. Two protocols that every kind of pool
//! runs.
//!
//! `idle.rs` is the park protocol: which worker sleeps and which one a push wakes, so that no wake-up is lost
//! (`docs/idle.md`). `roster.rs` is the membership: how many workers a pool has and wants, which numbers are
//! taken, and which worker is to retire.
//!
//! Called by `runtime` (the worker loop, the autoscaler) and by every push. Both are model-checked
//! (`docs/MODELS.md`). Read `idle.rs` first.

pub mod idle;
pub mod roster;
