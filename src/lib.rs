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
//! functions [`execute`] and [`submit`] reach the pool that runs it. A [`PullPool`] has the same calls, and one queue that
//! all workers share: to compare with, or to swap in where tasks are long and their order matters. The [guide] helps to choose,
//! and to come from other pools. `docs/DESIGN.md` in the repository explains how it works and why.
//!
//! # Three ways to use it
//! - **Tasks**: [`Pool::execute`] and [`Pool::submit`], singly or in batches, from anywhere.
//! - **Scopes**: [`Pool::scope`] for any number of tasks that borrow from the caller's frame.
//! - **Fork-join**: [`join`] for two halves of a computation, at about the price of a function call, and loops built on
//!   it ([`Pool::for_each`], [`Pool::map`], [`Pool::map_reduce`]), which split by demand.
//!
//! # What may run while a task waits
//! What a worker runs while a task on it waits lies on top of that task on the stack and has to end first. So it runs only
//! what the wait needs, and a task that holds a lock, or that others wait for, is never made to run foreign work:
//!
//! | wait | meanwhile the worker runs |
//! |---|---|
//! | [`JoinHandle::join`] | the awaited task, if nobody has begun it; what the waiting task has submitted |
//! | the end of a [`join`] or loop | parts of the half that another worker has taken |
//! | the end of a [`scope`] | tasks of this scope, and of scopes inside of it |
//! | a task or scope of *another* pool | anything in its own pool, which the other may be waiting for |
//!
//! If there is none of that, it sleeps. [`yield_now`] runs something foreign on purpose.
//!
//! # Bounded pools
//! [`PoolBuilder::queue_capacity`] limits how many tasks wait, [`OnFull`] says what happens to others, and
//! [`PoolBuilder::budget`] limits what tasks [weigh](TaskBuilder::weight) together. Threads and futures that wait for room get it in
//! the order in which they came.
//!
//! A **task that submits to its own full pool** is never blocked by that. Where others would wait, it runs the new task inside
//! the call; when such calls have nested so deeply that half of the stack is used, the new task is queued beyond the capacity.
//! With [`OnFull::Reject`] and [`OnFull::Drop`] it is treated like others. What is structured (scopes, joins, loops) is let in
//! beyond the capacity, whoever comes with it. A task that waits for room in *another* pool serves its own meanwhile.
//!
//! # Features
//! None is on by default. `serde`: statistics and settings can be written and read. `tracing`: tasks run in the span of their
//! submitter, and workers report their start and end. `metrics`: `PoolStats::publish` hands a snapshot to the `metrics` facade.
//! `rayon` and `orx-parallel`: their iterators on a pool.
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
mod api;
mod base;
mod limits;
#[cfg(not(longshore_loom))]
mod policy;
#[cfg(not(longshore_loom))]
mod pull;
#[cfg(not(longshore_loom))]
mod push;
mod queue;
#[cfg(not(longshore_loom))]
mod runtime;
#[cfg(not(longshore_loom))]
mod submit;
mod sync;
#[cfg(not(longshore_loom))]
mod sys;
mod task;
mod workers;

#[cfg(not(longshore_loom))]
pub use self::{
    api::any_pool::AnyPool,
    api::blocking::blocking,
    api::builder::{
        DEFAULT_BLOCKING_LIMIT, DEFAULT_STACK_SIZE, MAX_CAPACITY, MAX_STACK_SIZE, MAX_WORKERS,
        MIN_STACK_SIZE, Pinning, PoolBuilder,
    },
    api::group::{Group, GroupError, TaskError},
    api::guide,
    api::join::{Context, join, with_context, yield_local, yield_now},
    api::lane::{Lane, LaneBuilder},
    api::pool::{Pool, current_worker, execute, submit},
    api::pull_pool::PullPool,
    api::scope::{Scope, ScopedJoinHandle, scope},
    api::source::{Chunks, ChunksMut, Elements, Grained, IntoSource, Source, chunks, chunks_mut},
    api::stream::{MapOrdered, MapUnordered},
    api::task_builder::TaskBuilder,
    api::worker_local::WorkerLocal,
    api::workers::Workers,
    base::error::{
        BatchError, BuildError, JoinError, PanicPayload, ResizeError, ShutdownError, SubmitError,
        SubmitErrorKind,
    },
    base::histogram::Histogram,
    policy::overflow::{OnFull, Overweight},
    policy::placement::{Placement, PlacementRule, PlacementView},
    policy::scaling::{Release, Scaling},
    runtime::config::Histograms,
    runtime::metrics::{PinStatus, PoolStats, WorkerState, WorkerStats},
    runtime::priority::Priority,
    submit::handle::JoinHandle,
    submit::lane::LaneStats,
    task::cancel::CancelToken,
};

#[cfg(all(feature = "rayon", not(longshore_loom)))]
pub use self::api::rayon::{OnPool, OnPoolExt};

/// What the model checker explores; see `docs/MODELS.md`. Not part of the interface.
#[cfg(longshore_loom)]
#[doc(hidden)]
pub mod internals {
    pub use crate::base::{barrier, facade};
    pub use crate::limits::{budget, permits, wait_queue};
    pub use crate::queue::{entry_counter, fork_slot, inbox, mailbox};
    pub use crate::sync::{latch, snapshot, waiter};
    pub use crate::task::{cancel, counts, erased, outcome, result_slot, work};
    pub use crate::workers::{idle, roster};
}
