//! What both kinds of pool have: the life of the pool and of its threads.
//!
//! `core.rs` is the state that every pool contains. `lifecycle.rs` starts, pauses and ends a pool; `worker_thread.rs` is the
//! life of one thread; `worker_loop.rs` is the loop that every worker runs; `autoscaler.rs` decides how many workers there
//! should be.
//!
//! Called by `submit` and `api`, implemented for each kind by `push` and `pull` (`lifecycle::Model`). Read `core.rs` first.

pub mod autoscaler;
pub mod awaited_latch;
pub mod broadcast;
pub mod broadcast_gate;
pub mod capacity;
pub mod config;
pub mod control;
pub mod core;
pub mod current;
pub mod current_intake;
pub mod intake;
pub mod lifecycle;
pub mod metrics;
pub mod model;
pub mod pause;
pub mod priority;
pub mod record;
pub mod report;
mod stats;
pub mod stripe;
pub mod thread_role;
pub mod threads;
pub mod wait;
pub mod worker_loop;
pub mod worker_thread;
