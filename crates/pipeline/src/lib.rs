//! The resize example's pipeline as a library, so that what is measured is what runs, and is compiled once.

#[path = "../../../examples/resize/pipeline.rs"]
mod pipeline;

pub use pipeline::{Encoding, Format, Resized, forget, resize};
