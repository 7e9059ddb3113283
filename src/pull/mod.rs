//! The pull pool: all workers take their tasks from one shared queue.
//!
//! The counterpart of `push`. `runtime`, `submit` and `api` call it through the same traits. `shared.rs` is
//! the pool, `queue.rs` its queue, `intake.rs` the submitting side, `worker.rs` what a worker's thread does,
//! and `kind.rs` start and end. Read `shared.rs` first.

mod intake;
mod kind;
pub mod queue;
pub mod shared;
pub mod worker;
