//! Tests of the recorder, the format and the analysis on runs of a simulated pool.

#[path = "../support/mod.rs"]
mod support;

mod command;
mod damage;
mod edges;
mod export;
mod flags;
mod known;
mod part;
mod recorder;
mod threads;
