//! The models. Each file is compiled twice: `crate::code` is the library itself in `tests/models.rs`, and the
//! copy of its files that can be broken in `tests/mutants.rs`.
//!
//! `mini.rs`, with `mini_worker.rs`, `mini_fork.rs` and `mini_lease.rs`, is a pool around the library's
//! parts, which several models use. `common.rs` and `semaphore.rs` have small helpers. Each other file holds
//! the models of one protocol; `docs/MODELS.md` lists them. Read `mini.rs` first, then `parking.rs`.
#![allow(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model in one thread, and what they share need not be Sync"
)]

pub mod broadcasts;
pub mod budgets;
pub mod common;
pub mod fork_slots;
pub mod forks;
pub mod growing;
pub mod inbox;
pub mod latches;
pub mod leases;
pub mod leaving;
pub mod life;
pub mod members;
pub mod mini;
pub mod mini_fork;
pub mod mini_lease;
pub mod mini_worker;
pub mod parking;
pub mod pending_work;
pub mod permits;
pub mod pull;
pub mod result_slot;
pub mod result_slot_waiting;
pub mod rosters;
pub mod semaphore;
pub mod waits;
