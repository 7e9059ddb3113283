//! The pool at work: what its threads share, what each owns, how tasks find a worker and how it starts and stops.

#[cfg(not(longshore_loom))]
pub mod addressed;
#[cfg(not(longshore_loom))]
pub mod admission;
#[cfg(not(longshore_loom))]
pub mod config;
#[cfg(not(longshore_loom))]
pub mod core;
#[cfg(not(longshore_loom))]
pub mod crew;
#[cfg(not(longshore_loom))]
pub mod current;
#[cfg(not(longshore_loom))]
pub mod dispatcher;
#[cfg(not(longshore_loom))]
pub mod door;
#[cfg(not(longshore_loom))]
pub mod escort;
#[cfg(not(longshore_loom))]
pub mod guest;
pub mod idle;
#[cfg(not(longshore_loom))]
mod injector;
#[cfg(not(longshore_loom))]
pub mod lane;
#[cfg(not(longshore_loom))]
pub mod lifecycle;
#[cfg(not(longshore_loom))]
pub mod metrics;
#[cfg(not(longshore_loom))]
pub mod orders;
#[cfg(not(longshore_loom))]
pub mod pull;
#[cfg(not(longshore_loom))]
pub mod ranks;
#[cfg(not(longshore_loom))]
pub mod report;
pub mod roster;
#[cfg(not(longshore_loom))]
pub mod scoped;
#[cfg(not(longshore_loom))]
pub mod shared;
#[cfg(not(longshore_loom))]
pub mod supervisor;
#[cfg(not(longshore_loom))]
pub mod threads;
#[cfg(not(longshore_loom))]
pub mod worker;
