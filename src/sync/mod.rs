//! Small synchronisation tools that know nothing of tasks.
//!
//! `latch.rs` is a one-time event with one waiter, `snapshot.rs` a list that is read without a lock and replaced whole,
//! `grow_table.rs` an array whose cells are made when they are first needed and then stay,
//! `waiter.rs` a thread or a future that wants to be woken.
//!
//! The façade over `std` and the model checker is in `base/sync.rs`.

pub mod grow_table;
pub mod latch;
pub mod snapshot;
pub mod waiter;
