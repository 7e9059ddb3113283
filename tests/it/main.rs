//! The behaviour of the public API. Tests that need a process of their own are in `process_*.rs`, heavy ones
//! in `stress/`.

#![allow(
    clippy::duplicate_mod,
    reason = "behaviour of both kinds of pools is stated once and tested with each"
)]

#[path = "../support/mod.rs"]
mod support;

mod closing_lanes;
mod joins;
mod pull;
mod push;
mod scopes;
