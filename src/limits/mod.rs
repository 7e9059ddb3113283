//! Limits that producers may have to wait for: how many tasks wait, and how much they weigh together.
//!
//! `permits.rs` is the counting semaphore of a bounded pool, `budget.rs` the semaphore for weights, and
//! `wait_queue.rs` the FIFO queue of waiters that both contain.
//!
//! `submit/admission.rs` and `submit/future.rs` acquire. Permits are returned by `task/counts.rs` when a task
//! starts or ends, by `runtime/early_end.rs` for a task that ends while it is queued, by
//! `submit/admission.rs` for a task that was admitted and not queued, and by `runtime/core.rs` for a task
//! that is discarded. `runtime/capacity.rs` changes their number. Read `wait_queue.rs` first.

pub mod budget;
pub mod permits;
pub mod wait_queue;
