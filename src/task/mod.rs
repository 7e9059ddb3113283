//! A task: its memory, its states, its end.
//!
//! `work.rs` says what the work of a task is; `erased.rs` is a task of any type in four words;
//! `result_slot.rs` is the cell that task and handle share; `outcome.rs` is what a handle receives.
//! `conditions.rs`, `cancel.rs` (with `slab.rs`) and `deadlines.rs` can keep a task from starting, and
//! `owners.rs` finds the pool that counts it then. `counts.rs` counts starts and ends, and `recycle.rs`
//! allocates the memory.
//!
//! Used by `queue`, `runtime`, `submit`, `push`, `pull` and `api`. Read `erased.rs` first, then
//! `result_slot.rs`.

pub mod cancel;
pub mod conditions;
pub mod counts;
pub mod deadlines;
pub mod erased;
pub mod outcome;
pub mod owners;
pub mod recycle;
pub mod result_slot;
pub mod slab;
pub mod work;
