//! Pools whose number of workers changes: growth, shrinking, resizing under load, stand-ins. In a binary of
//! its own, one test at a time, because the tests count the threads of the process.

#![allow(
    clippy::duplicate_mod,
    reason = "behaviour of both kinds of pools is stated once and tested with each"
)]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod following;
mod leases;
mod pull;
mod push;
mod resizer;
