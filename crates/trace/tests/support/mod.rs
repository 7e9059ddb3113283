//! A pool that is simulated: it runs programs with known work and span on any number of workers, and records
//! itself.
#![allow(dead_code, missing_docs, reason = "each user needs a part of it")]

pub mod pool;
pub mod script;

use std::rc::Rc;

use longshore_trace::format::Recording;
use longshore_trace::run::Run;

pub use pool::{Costs, Pool};
pub use script::*;

/// The recording of a script on `workers` workers.
pub fn record(script: &Rc<Script>, workers: usize) -> Vec<u8> {
    Pool::new(workers, Costs::default()).run_one(script)
}

/// The run of a script.
pub fn run(script: &Rc<Script>, workers: usize) -> Run {
    read(&record(script, workers))
}

/// A recording, put together.
pub fn read(bytes: &[u8]) -> Run {
    Run::new(&Recording::parse(bytes).expect("a whole recording")).expect("all words are records")
}
