//! How a closure becomes a queued task, and how its result comes back.
//!
//! A submission goes through three steps, the same for both kinds of pool: *admission* decides whether there is room
//! (`admission.rs`), *packing* makes a task of the closure and of what travels with it (`pack.rs`, `envelope.rs`), and
//! the pool's intake (`runtime/intake.rs`) queues it. `single.rs`, `batch.rs` and `future.rs` are the three forms of
//! that walk: one task, many tasks, one task of a future.
//!
//! Called by `api`. Read `single.rs` first; `handle.rs` is the way back, `lane.rs` a part of a pool with a queue of its own.

pub mod admission;
pub mod batch;
pub mod envelope;
pub mod future;
pub mod handle;
pub mod lane;
pub mod options;
pub mod pack;
pub mod single;
pub mod target;
