//! Limits that producers may have to wait for: how many tasks wait, and how much they weigh together.
//!
//! `permits.rs` is the counting semaphore of a bounded pool, `budget.rs` the semaphore for weights, and
//! `wait_queue.rs` the FIFO queue of waiters that both contain.
//!
//! `submit/admission.rs` and `submit/future.rs` acquire; `task/counts.rs` returns permits. Read
//! `wait_queue.rs` first.

pub mod budget;
pub mod permits;
pub mod wait_queue;
