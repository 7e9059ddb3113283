//! Which workers there are, and which of them sleep: the two protocols about workers that every pool runs.
//!
//! `idle.rs` is the sleep protocol: it decides which worker sleeps and which one a push wakes, so that no wake-up is lost
//! (`docs/idle.md`). `roster.rs` is the membership: how many workers a pool has and wants, which numbers are taken, and which
//! worker is to retire.
//!
//! Called by `runtime` (the worker loop, the autoscaler) and by every push. Both are model-checked (`docs/MODELS.md`). Read
//! `idle.rs` first.

pub mod idle;
pub mod roster;
