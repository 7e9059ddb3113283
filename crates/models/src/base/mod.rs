//! Stands for the library's `base`: its files, but for the façade.

#[path = "../../../../src/base/barrier.rs"]
pub mod barrier;
#[path = "../../../../src/base/counter.rs"]
pub mod counter;
#[path = "../../../../src/base/sync.rs"]
mod real;
pub mod sync;
#[path = "../../../../src/base/unwind.rs"]
pub mod unwind;
