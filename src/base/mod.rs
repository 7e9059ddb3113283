//! The lowest layer: the std/loom façade, errors, the panic guard, counters, histograms, random numbers, an
//! asymmetric fence (`barrier.rs`), the spans of `tracing` (`span.rs`), the tracks of recordings
//! (`recording.rs`), their pages and errors (`page.rs`, `record_error.rs`), and a macro for `Debug`
//! (`debug.rs`).
//!
//! Imports nothing from the rest of the crate; every other folder imports from here. Read `facade.rs` first:
//! it decides whether a type comes from the standard library or from the model checker. Then read
//! `unwind.rs`: all user code runs inside its `catch`.

pub mod barrier;
pub mod counter;
pub mod debug;
pub mod error;
pub mod facade;
#[cfg(not(longshore_loom))]
pub mod histogram;
#[cfg(not(longshore_loom))]
pub mod page;
pub mod record_error;
pub mod recording;
pub mod rng;
#[cfg(not(longshore_loom))]
pub mod span;
pub mod unwind;
