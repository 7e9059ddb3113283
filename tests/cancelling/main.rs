//! What is over is gone: a task that will never run gives back its captures, its place in a bounded queue,
//! its weight and its place in a lane at the moment at which that is certain, whichever way it ends. And
//! calls with a time limit end in time. The tests are stated once and run with both kinds of pools.

#![allow(
    clippy::duplicate_mod,
    reason = "behaviour of both kinds of pools is stated once and tested with each"
)]

#[path = "../support/mod.rs"]
mod support;

mod pull;
mod purging;
mod push;
mod streams;
