//! The models. Each file is compiled twice: `crate::code` is the library itself in `tests/models.rs`, and the copy of
//! its files that can be broken in `tests/mutants.rs`.

pub mod inbox;
pub mod life;
pub mod members;
pub mod mini;
pub mod parking;
pub mod slot;
pub mod slot_waiting;
