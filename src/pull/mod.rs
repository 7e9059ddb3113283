//! The pull pool: all workers take their tasks from one shared queue.
//!
//! The counterpart of `push`, with the same surface towards `runtime` and `submit`: `shared.rs` is the pool, `queue.rs`
//! its queue, `worker.rs` what a worker's thread does. Read `shared.rs` first.

mod intake;
mod model;
pub mod queue;
pub mod shared;
pub mod worker;
