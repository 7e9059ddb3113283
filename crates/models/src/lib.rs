//! What the models in `tests/` share: the harness that runs each model in a process of its own, and a second
//! build of the library's files in which single atomic operations can be broken. `docs/MODELS.md` lists
//! models and mutants. Read `harness.rs` first.
#![cfg(longshore_loom)]
#![allow(
    dead_code,
    unused_imports,
    clippy::duplicate_mod,
    clippy::extra_unused_type_parameters,
    clippy::len_without_is_empty,
    clippy::new_without_default,
    reason = "the library's files are compiled as they are, whether used or not"
)]

pub mod harness;
pub mod mutation;
pub mod rings;

#[path = "../../trace/src/record.rs"]
mod record;

/// A word of a ring that says its own number.
pub fn record_word(number: u64) -> record::Word {
    record::Word(number)
}

// The modules of the library's crate root, because its files import from `crate::base` and so on.
mod base;
#[path = "../../../src/limits/mod.rs"]
mod limits;
#[path = "../../../src/queue/mod.rs"]
mod queue;
#[path = "../../../src/sync/mod.rs"]
mod sync;
#[path = "../../../src/task/mod.rs"]
mod task;
#[path = "../../../src/workers/mod.rs"]
mod workers;

/// The files of `longshore::internals`, compiled with a façade that can break an operation.
pub mod mutable {
    pub use crate::base::{barrier, facade, unwind};
    pub use crate::limits::{budget, permits, wait_queue};
    pub use crate::queue::{entry_counter, fork_slot, inbox, mailbox};
    pub use crate::sync::{latch, snapshot, waiter};
    pub use crate::task::{cancel, conditions, counts, erased, outcome, owners, result_slot, work};
    pub use crate::workers::{idle, roster};
}
