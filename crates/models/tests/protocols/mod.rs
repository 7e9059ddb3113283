//! The models. Each file is compiled twice: `crate::code` is the library itself in `tests/models.rs`, and the copy of
//! its files that can be broken in `tests/mutants.rs`.
#![allow(
    clippy::arc_with_non_send_sync,
    reason = "loom runs all threads of a model in one, and what they share need not be Sync"
)]

pub mod budgets;
pub mod forks;
pub mod growing;
pub mod inbox;
pub mod latches;
pub mod leaving;
pub mod life;
pub mod loans;
pub mod members;
pub mod mini;
pub mod mini_fork;
pub mod mini_guest;
pub mod mini_worker;
pub mod offers;
pub mod offices;
pub mod orders;
pub mod parking;
pub mod pull;
pub mod rooms;
pub mod rosters;
pub mod slot;
pub mod slot_waiting;
