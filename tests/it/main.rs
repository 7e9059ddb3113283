//! The behaviour of the public API, except that of pull pools (`it_pull.rs`). Tests that need a process of
//! their own are in `process_*.rs`, heavy ones in `stress/`.

#[path = "../support/mod.rs"]
mod support;

mod closing_lanes;
mod joins;
mod push;
mod scopes;
