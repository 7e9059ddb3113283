//! What the models in `tests/` share: the harness that runs each in a process of its own, and a second build of the
//! library's files in which single atomic operations can be broken. `docs/MODELS.md` lists models and mutants.
#![cfg(longshore_loom)]
#![allow(
    dead_code,
    unused_imports,
    clippy::duplicate_mod,
    clippy::extra_unused_type_parameters,
    clippy::len_without_is_empty,
    clippy::new_without_default,
    reason = "the library's files are compiled as they are, used or not"
)]

pub mod harness;
pub mod mutation;

// The layout of the library's crate root, for the files below say `crate::base` and `super::block`.
mod base;
#[doc(hidden)]
#[path = "../../../src/runtime/idle.rs"]
pub mod idle;
#[path = "../../../src/primitives/mod.rs"]
mod primitives;
#[doc(hidden)]
#[path = "../../../src/runtime/roster.rs"]
pub mod roster;

/// As `longshore::internals`: the very same files, with a façade that can break an operation.
pub mod mutable {
    pub use crate::base::{barrier, sync};
    pub use crate::primitives::{
        budget, cancel, doors, inbox, latch, line, mailbox, members, offer, room, slot, tally, task, work,
    };
    pub use crate::{idle, roster};
}
