//! Limits that producers may have to wait for: how many tasks wait, and how much they weigh.
//!
//! `permits.rs` is the counting semaphore of a bounded pool, `budget.rs` the one for weights, and `wait_queue.rs` the FIFO
//! queue of waiters that both contain.
//!
//! Used by `submit/admission.rs` and, to return permits, by `task/counts.rs`. Read `wait_queue.rs` first.

pub mod budget;
pub mod permits;
pub mod wait_queue;
