//! The ground floor: the std/loom façade, the panic guard, counters and the random generator. Imports nothing
//! from the rest of the crate.

pub mod barrier;
pub mod counter;
pub mod error;
pub mod facade;
#[cfg(not(longshore_loom))]
pub mod histogram;
pub mod rng;
#[cfg(not(longshore_loom))]
pub mod span;
pub mod unwind;
