//! Pools whose number of workers changes: growth, shrinking, resizing under load, workers that stand in for others. In a
//! binary of its own, one test at a time, for the threads of this process are counted.

#![allow(clippy::duplicate_mod, reason = "what both kinds of pools do is stated once and tested with each")]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod following;
mod guests;
mod pull;
mod push;
mod resizer;
