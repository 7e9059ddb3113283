//! The push pool: a dispatcher chooses a worker for each task, and idle workers steal.
//!
//! `dispatcher.rs` is the submitting side. `worker/` is what a worker's thread does. `shared.rs` holds what other
//! threads may touch: the queues of each worker, and the injector. On top of that: scopes (`scope.rs`), the threads
//! from outside that work in a parked worker's place (`lease.rs`), and tasks that are sent to one worker
//! (`affinity.rs`).
//!
//! Read `shared.rs` first, then `dispatcher.rs` and `worker/mod.rs`. What both kinds of pool have in common is in
//! `runtime`; the other kind is in `pull`.

pub mod affinity;
pub mod batched_count;
pub mod dispatcher;
pub mod job;
pub mod lease;
mod model;
pub mod queues;
pub mod scope;
pub mod scope_state;
pub mod shared;
pub mod worker;
