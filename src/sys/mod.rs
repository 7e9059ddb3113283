//! What the library asks of the operating system: affinity masks, processor layout, CPU quotas, forks, stack
//! depth, clock, blocked signals (`signals.rs`), end of the process (`exit.rs`), a signal that has recordings
//! saved (`quit.rs`), the use of the processor (`usage.rs`), a fence in all threads (`barrier.rs`), the
//! return of free memory (`memory.rs`). What differs between systems is behind one trait, with one file for
//! each (`os`).
//!
//! Imports from `base` only. State: the fork counter (`fork.rs`), the pipe and the list of `quit.rs`, and
//! values read once per process or thread (whether there is a single core, the extent of a stack, which clock
//! is usable). Everything else is read at each call and owned by the caller. `affinity` acts on the calling
//! thread. `topology` and `quota` read files, so they are for the construction of a pool, never for a hot
//! path. Nothing here fails: a value that cannot be read is replaced by a stated fallback, because a pool on
//! an unusual machine should be slower, not absent.
//!
//! Used by `runtime`, `submit`, `push` and `api`. Read `os/mod.rs` first.

pub mod affinity;
pub mod barrier;
pub mod clock;
pub mod exit;
pub mod fork;
pub mod memory;
pub mod os;
pub mod quit;
pub mod quota;
pub mod signals;
pub mod stack;
pub mod topology;
pub mod usage;

#[cfg(test)]
mod fixture;
