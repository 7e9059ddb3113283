//! Small synchronisation types that know nothing of tasks.
//!
//! `latch.rs` is a one-time event with one waiter; `snapshot.rs` is a list that is read without a lock and
//! replaced as a whole; `grow_table.rs` is a table whose entries are made on demand and never move;
//! `waiter.rs` is a thread or a future that waits to be woken once.
//!
//! Used by `limits`, `task` and all folders above them. Atomics, locks and cells come from
//! `base/facade.rs`. Read `waiter.rs` first, then `latch.rs`.

pub mod grow_table;
pub mod latch;
pub mod snapshot;
pub mod waiter;
