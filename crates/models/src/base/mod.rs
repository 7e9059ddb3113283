//! Replaces the library's `base`: the same files, except for the façade.

#[path = "../../../../src/base/barrier.rs"]
pub mod barrier;
#[path = "../../../../src/base/counter.rs"]
pub mod counter;
#[path = "../../../../src/base/debug.rs"]
pub mod debug;
pub mod facade;
#[path = "../../../../src/base/facade.rs"]
mod real;
#[path = "../../../../src/base/recording.rs"]
pub mod recording;
#[path = "../../../../src/base/unwind.rs"]
pub mod unwind;
