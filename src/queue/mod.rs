//! The queues that tasks pass through on their way to a worker, each usable and checkable alone.
//!
//! `inbox.rs` is where producers push (bounded, taken in batches), `mailbox.rs` holds what is sent to one
//! worker on purpose, `fork_slot.rs` shows the oldest fork of a worker to thieves, `injector.rs` takes from
//! crossbeam's injector, `batch.rs` travels between them, and `entry_counter.rs` counts the tasks that enter
//! a queue which cannot be closed.
//!
//! Used by `runtime`, `push` and `pull`. All but `batch.rs` and `injector.rs` are model-checked
//! (`docs/MODELS.md`). Read `inbox.rs` first.

pub mod batch;
pub mod entry_counter;
pub mod fork_slot;
pub mod inbox;
#[cfg(not(longshore_loom))]
pub mod injector;
pub mod mailbox;
