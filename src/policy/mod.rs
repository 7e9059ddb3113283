//! Decisions. Each is a function of what it is shown (counts, depths, a generator, a moment); none touches a thread, a
//! clock or a queue, so that each can be tested and simulated as it is.

pub mod overflow;
pub mod placement;
pub mod scaling;
pub mod spin;
pub mod victim;
