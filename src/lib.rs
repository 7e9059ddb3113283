//! Longshore is a thread pool for CPU-bound work: push dispatch with work stealing.
//!
//! A *dispatcher* pushes each task into the inbox of one chosen worker, from where any idle worker may steal it; what
//! no inbox has room for goes to a global injector. Threads can be pinned to cores.
//!
//! ```
//! use longshore::Pool;
//!
//! let pool = Pool::new()?;
//! let handles = pool.submit_batch((1..=4u64).map(|n| move || (1..=n).product::<u64>()))?;
//! let factorials = handles.into_iter().map(|handle| handle.join()).collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(factorials, [1, 2, 6, 24]);
//! pool.shutdown()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to begin
//! [`Pool`] owns the workers; [`PoolBuilder`] configures it; [`JoinHandle`] waits for a result. Inside a task the free
//! functions [`execute`] and [`submit`] reach the pool that runs it. `docs/DESIGN.md` in the repository explains how
//! it works and why.
//!
//! # What it is not for
//! Tasks that wait for I/O (an async runtime holds ten thousand of those, a pool as many as it has threads), strict
//! ordering, and tasks far below a microsecond that could as well run where they are.

#![cfg_attr(
    longshore_loom,
    allow(
        dead_code,
        clippy::extra_unused_type_parameters,
        clippy::len_without_is_empty,
        clippy::new_without_default,
        reason = "the model checker sees only the primitives, not those who use all of them, and as public items"
    )
)]

#[cfg(not(longshore_loom))]
mod any_pool;
#[cfg(not(longshore_loom))]
mod builder;
#[cfg(doctest)]
mod compile_fail;
#[cfg(not(longshore_loom))]
mod handle;
#[cfg(not(longshore_loom))]
mod join;
#[cfg(not(longshore_loom))]
mod pool;
#[cfg(not(longshore_loom))]
mod pull_pool;
#[cfg(not(longshore_loom))]
mod submission;

mod base;
#[cfg(not(longshore_loom))]
mod policy;
mod primitives;
mod runtime;
#[cfg(not(longshore_loom))]
mod sys;

#[cfg(not(longshore_loom))]
pub use self::{
    any_pool::AnyPool,
    base::error::{
        BatchError, BuildError, JoinError, PanicPayload, ShutdownError, SubmitError, SubmitErrorKind,
    },
    builder::{DEFAULT_STACK_SIZE, MAX_STACK_SIZE, MAX_WORKERS, MIN_STACK_SIZE, Pinning, PoolBuilder},
    handle::JoinHandle,
    join::{Context, join},
    pool::{Pool, current_worker, execute, submit},
    pull_pool::PullPool,
    runtime::metrics::{PinStatus, PoolStats, WorkerStats},
};

/// What the model checker explores; see `docs/MODELS.md`. Not part of the interface.
#[cfg(longshore_loom)]
#[doc(hidden)]
pub mod internals {
    pub use crate::base::sync;
    pub use crate::primitives::{inbox, members, slot, tally, task};
    pub use crate::runtime::idle;
}
