//! What longshore asks of the operating system: affinity masks, the layout of the processor, CPU quotas,
//! forks, and the depth of a stack.
//!
//! Owner: the lowest layer; it imports nothing from the rest of the crate. The only state kept here is the
//! fork counter of [`fork`]; everything else is read when asked for and owned by the caller.
//! Threads: [`affinity`] acts on the calling thread; [`topology`] and [`quota`] read files and so belong to
//! building a pool, never to its hot path; [`fork`] and [`stack`] are called by any thread at any time.
//!
//! Nothing here fails: what cannot be read is replaced by a stated fallback, because a pool on an unusual
//! machine should be slower at worst, never absent.

pub mod affinity;
pub mod barrier;
pub mod clock;
pub mod fork;
pub mod memory;
pub mod quota;
pub mod stack;
pub mod topology;

#[cfg(test)]
mod fixture;
