//! Pure decisions: what to do with a task when the pool is full, which worker gets a task, which peer to
//! steal from, how long to spin, how many items of a loop to run at a time, how many workers to have.
//!
//! Each is a function of its arguments (counts, depths, a random generator, a moment). None uses a thread, a
//! clock or a queue, so each can be tested and simulated alone.
//!
//! Used by `runtime`, `submit`, `push` and `api`. Read `placement.rs` first.

pub mod overflow;
pub mod pace;
pub mod placement;
pub mod scaling;
pub mod spin;
pub mod victim;
