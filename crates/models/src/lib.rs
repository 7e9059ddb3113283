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

// The layout of the library's crate root, because the files below say `crate::base`.
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

/// As `longshore::internals`: the very same files, with a façade that can break an operation.
pub mod mutable {
    pub use crate::base::{barrier, facade};
    pub use crate::limits::{budget, permits, wait_queue};
    pub use crate::queue::{entry_counter, fork_slot, inbox, mailbox};
    pub use crate::sync::{latch, snapshot, waiter};
    pub use crate::task::{cancel, counts, erased, outcome, result_slot, work};
    pub use crate::workers::{idle, roster};
}
