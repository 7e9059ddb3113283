//! How a closure becomes a queued task, and how its result comes back.
//!
//! A submission has three steps, the same for both kinds of pool: *admission* decides whether the task may
//! enter (`admission.rs`), *packing* makes a task of the closure and its extras (`pack.rs`, `envelope.rs`),
//! and the pool's intake (`runtime/intake.rs`) queues it. `single.rs`, `batch.rs` and `future.rs` perform
//! these steps for one task, for many tasks, and for one task without blocking a thread. `options.rs` is what
//! a submission says about its task, `target.rs` what it is submitted to, `refusal.rs` how a refusal becomes
//! an error.
//!
//! Called by `api`. Read `single.rs` first; then `handle.rs` (the result) and `lane.rs`, with `resumers.rs`
//! (a queue in front of a pool).

pub mod admission;
pub mod batch;
pub mod envelope;
pub mod future;
pub mod handle;
pub mod lane;
pub mod options;
pub mod pack;
mod refusal;
mod resumers;
pub mod single;
pub mod target;
