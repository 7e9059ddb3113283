//! The behaviour of the public API. What needs a process of its own is in `process_*.rs`, what needs weight in
//! `stress.rs`.

#![allow(clippy::duplicate_mod, reason = "what both kinds of pools do is stated once and tested with each")]

#[path = "../support/mod.rs"]
mod support;

mod closing_lanes;
mod joins;
mod loops;
mod pull;
mod push;
mod scopes;
