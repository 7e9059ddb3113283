//! What both kinds of pool have: the life of the pool, of its workers and of its threads.
//!
//! `core.rs` is the state that every pool contains; its parts are `config.rs`, `control.rs`, `pause.rs`,
//! `broadcast_gate.rs` (for `broadcast.rs`), `priority.rs`, `record.rs`, `capacity.rs`, `metrics.rs`,
//! `backlog.rs`, `quiet_waits.rs` (for `quiet.rs`), `caller_state.rs`, `recorder_slot.rs` and `threads.rs`.
//! `lifecycle.rs` starts, resizes, pauses and ends a pool; `worker_thread.rs` is the life of one thread;
//! `worker_loop.rs` (with `loop_state.rs`) is what a worker does without a task; `autoscaler.rs` adds and
//! releases workers; `in_caller.rs` is a pool without threads, `supplied.rs` one with threads of the user.
//! `wait.rs`, `awaited_latch.rs`, `long_wait.rs` and `held_pass.rs` are waits, `stall.rs` prints waits
//! without an end, `early_end.rs` ends queued tasks. `current.rs`, `current_intake.rs`, `current_pool.rs` and
//! `stripe.rs` say what the calling thread is to the pools; `stats.rs` and `report.rs` sum up and print,
//! `process_end.rs` warns; `recorder.rs`, `recorder_settings.rs` and `active_recording.rs` record a pool.
//!
//! Called by `submit`, `push`, `pull` and `api`; `push` and `pull` implement the traits of `pool_kind.rs`,
//! `intake.rs`, `current.rs` and `worker_loop.rs`. Read `core.rs` first, then `worker_loop.rs`.

pub mod active_recording;
pub mod autoscaler;
pub mod awaited_latch;
pub mod backlog;
pub mod broadcast;
pub mod broadcast_gate;
pub mod caller_state;
pub mod capacity;
pub mod config;
pub mod control;
pub mod core;
pub mod current;
pub mod current_intake;
pub mod current_pool;
pub mod early_end;
pub mod held_pass;
pub mod in_caller;
pub mod intake;
pub mod lifecycle;
pub mod long_wait;
pub mod loop_state;
pub mod metrics;
pub mod pause;
pub mod pool_kind;
pub mod priority;
pub mod process_end;
pub mod quiet;
pub mod quiet_waits;
pub mod record;
pub mod recorder;
pub mod recorder_settings;
pub mod recorder_slot;
pub mod report;
pub mod stall;
mod stats;
pub mod stripe;
pub mod supplied;
pub mod threads;
pub mod wait;
pub mod worker_loop;
pub mod worker_thread;
