//! The push pool: a dispatcher chooses a worker for each task, and idle workers steal from their peers.
//!
//! `dispatcher.rs` is the submitting side, `worker/` is what a worker's thread does, and `shared.rs` holds
//! what any thread may touch: the queues of each worker and the injector, which `queues.rs` lists. On top of
//! these: forked work (`job.rs`), scopes (`scope.rs`, `scope_state.rs`, `batched_count.rs`), leases of parked
//! workers to external threads (`lease.rs`), tasks sent to one worker (`affinity.rs`), broadcasts without
//! handles (`scope_broadcast.rs`), start and end (`kind.rs`).
//!
//! `api` and `submit` call it, mostly through the traits `Intake`, `PoolKind` and `CurrentWorker` of
//! `runtime`. Read `shared.rs` first, then `dispatcher.rs` and `worker/mod.rs`. The other kind of pool is in
//! `pull`.

pub mod affinity;
pub mod batched_count;
pub mod dispatcher;
pub mod job;
mod kind;
pub mod lease;
pub mod queues;
pub mod scope;
pub mod scope_broadcast;
pub mod scope_state;
pub mod shared;
pub mod worker;
