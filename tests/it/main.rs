//! The behaviour of the public API, a module for each part of it. What needs a process of its own is in
//! `process_*.rs`, what needs weight in `stress.rs`.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod batches;
mod big_closures;
mod builder;
mod cancel;
mod dispatch;
mod dropping;
mod fairness;
mod futures;
mod handles;
mod hooks;
mod joins;
mod nesting;
mod panicking_drops;
mod panics;
mod pinning;
mod shutdown;
mod shutdown_now;
mod statistics;
mod thread_locals;
