//! Longshore is a thread pool for CPU-bound work, with push dispatch and work stealing.
//!
//! A *dispatcher* pushes each task into the inbox of one worker, from where any idle worker may steal it.
//! Tasks for which no inbox has a place are queued in a global injector. Threads can be pinned to cores.
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
//! A [`Pool`] owns the workers. A [`PoolBuilder`] configures it. A [`JoinHandle`] waits for a result. Inside
//! a task the free functions [`execute`] and [`submit`] reach the pool that runs the task. A [`PullPool`] has
//! one queue that all workers share, and the methods of the trait [`AnyPool`], which are those of a [`Pool`]
//! without joins, scopes, loops and streams. It serves for comparison, and for long tasks that must start in
//! order.
//!
//! The [guide] helps to choose, to port programs from other pools, and to understand compile errors.
//! `docs/DESIGN.md` in the repository explains how the pool works and why.
//!
//! # Three ways to use it
//! - **Tasks**: [`Pool::execute`] and [`Pool::submit`], one by one or in batches, from any thread.
//! - **Scopes**: [`Pool::scope`] for any number of tasks that borrow data of the caller.
//! - **Joins and loops**: [`join()`] for two halves of a computation, at about the price of a function call,
//!   and loops built on it, which split by demand and vectorise: [`Pool::for_each`], [`Pool::map`],
//!   [`Pool::map_reduce`], [`Pool::find_first`], [`Pool::sort`] and so on.
//!
//! # Threads
//! A *worker* is a thread of a pool. A thread that is not a worker of any pool is an *external thread*. An
//! external thread that calls a join, scope or loop acts as a parked worker of the pool until the call ends,
//! so that it takes part in the work.
//!
//! # What may run while a task waits
//! While a task waits, its worker may run other work on top of it on the same stack, and that work must end
//! first. So a worker runs only what the wait needs. With two exceptions, unrelated work never runs on top of
//! a task that holds a lock, or for which another task waits:
//!
//! | wait | the worker runs meanwhile |
//! |---|---|
//! | [`JoinHandle::join`] | the awaited task, if it has not started; tasks submitted by the waiting task |
//! | the end of a [`join()`] or loop | parts of the half that another worker has taken |
//! | the end of a [`scope()`] | tasks of this scope, and of scopes inside it |
//! | a result of [`Pool::map_unordered`] | items of the stream that have not started |
//! | anything else: another pool, a [`Lane`], a permit, the end of a pool | nothing |
//!
//! If there is no such work, the worker sleeps. While a task is queued and no other worker is idle, a
//! *stand-in* works for it, at most [`PoolBuilder::blocking_limit`] at a time; for a wait within its own pool
//! the worker waits for a millisecond first. The exceptions: a [broadcast](Pool::broadcast) task of the
//! worker runs on top of a wait that lasts, because no other worker may run it. And when no stand-in can be
//! had, a wait of the last row runs any task. [`yield_now`] runs any task on purpose.
//!
//! So **any pattern of waits without a cycle ends, on one worker**, whatever the tasks wait for: a handle
//! (`join` or `.await`, in any executor), a group, a stream, a scope, a join, a task of a lane or of another
//! pool, a permit or a budget, a broadcast, the start or the end of another pool. As waiting count also: a
//! task that waits for a task of its pool waits for the tasks that it has submitted; a task that submits to
//! its own full pool waits for the new task; a task holds its weight of a budget, and the permit of a pool of
//! capacity 0, until it has ended; a broadcast task waits until its worker's task waits in the library or has
//! ended. Not covered: what the library cannot see (locks, channels, threads of your own), a paused pool, and
//! more waits at a time than there may be stand-ins. Wrap a wait that the library cannot see in [`blocking`].
//!
//! With `LONGSHORE_STALL=5s` in the environment, a wait of more than five seconds makes the process print
//! which tasks and threads wait for what.
//!
//! # Bounded pools
//! [`PoolBuilder::queue_capacity`] limits how many tasks wait. [`OnFull`] says what happens to a task that is
//! submitted to a full pool. [`PoolBuilder::budget`] limits what tasks [weigh](TaskBuilder::weight) together.
//! Threads and futures that wait for a permit get it in the order of arrival.
//!
//! A **task that submits to its own full pool** never waits for it. Where another thread would wait, the task
//! runs the new task inside the call. When such calls are nested so deeply that half of the stack is used,
//! the new task is queued beyond the capacity. With [`OnFull::Reject`] and [`OnFull::Drop`] a task is treated
//! like any other thread. Scopes, joins and loops are accepted beyond the capacity, whichever thread calls
//! them. While a task waits for a permit of *another* pool, a stand-in serves its own pool.
//!
//! # Features
//! No feature is on by default.
//!
//! | feature | effect |
//! |---|---|
//! | `trace` | a program makes pages and reports of recordings itself ([`Recorder`]); forks are counted |
//! | `serde` | statistics and settings can be serialized and deserialized |
//! | `tracing` | a task runs in the span of its submitter; workers report their start and end |
//! | `metrics` | `PoolStats::publish` passes a snapshot to the `metrics` facade |
//! | `rayon`, `orx-parallel` | the parallel iterators of these crates run on a pool |
//!
//! # What it is not for
//! - Tasks that wait for I/O. An async runtime holds ten thousand of those, a pool as many as it has threads.
//! - Tasks that must run in strict order.
//! - Tasks far below a microsecond that can run where they are.

#![cfg_attr(
    longshore_loom,
    allow(
        dead_code,
        clippy::extra_unused_type_parameters,
        clippy::len_without_is_empty,
        clippy::new_without_default,
        reason = "the model checker compiles these modules as public items, without the code that uses them"
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
    api::free::{current_worker, enter, execute, for_each, map, spawn, submit, try_map},
    api::group::{Group, GroupError, TaskError},
    api::guide,
    api::join::{Context, join, with_context, yield_local, yield_now},
    api::lane::{Lane, LaneBuilder},
    api::memory::release_memory,
    api::pool::Pool,
    api::pull_pool::PullPool,
    api::recording::{Recording, label},
    api::scope::{Scope, ScopedJoinHandle, scope},
    api::source::adaptors::{Chain, Enumerate, Rev, Zip, chain, enumerate, rev, zip},
    api::source::elements::Elements,
    api::source::slices::{Chunks, ChunksMut, Windows, chunks, chunks_mut, windows},
    api::source::{Grained, IntoSource, Source},
    api::stream::{MapOrdered, MapUnordered},
    api::task_builder::TaskBuilder,
    api::worker_local::WorkerLocal,
    api::workers::Workers,
    base::error::{
        BatchError, BuildError, IdleError, JoinError, PanicPayload, ResizeError, ShutdownError, SubmitError,
        SubmitErrorKind,
    },
    base::histogram::Histogram,
    base::record_error::RecordError,
    policy::overflow::{OnFull, Overweight},
    policy::placement::{Placement, PlacementRule, PlacementView},
    policy::scaling::{Release, Scaling},
    runtime::config::Histograms,
    runtime::metrics::{PinStatus, PoolStats, WorkerState, WorkerStats},
    runtime::priority::Priority,
    runtime::recorder_settings::Recorder,
    submit::future::SubmitFuture,
    submit::handle::JoinHandle,
    submit::lane::LaneStats,
    sys::affinity::Urgency,
    task::cancel::CancelToken,
};

#[cfg(not(longshore_loom))]
#[doc(hidden)]
pub use self::api::rayon_core_support;

#[cfg(all(feature = "rayon", not(longshore_loom)))]
pub use self::api::rayon::{OnPool, OnPoolExt, RunsOnPool};

/// The modules that the model checker explores; see `docs/MODELS.md`. Not part of the public interface.
#[cfg(longshore_loom)]
#[doc(hidden)]
pub mod internals {
    pub use crate::base::{barrier, facade, unwind};
    pub use crate::limits::{budget, permits, wait_queue};
    pub use crate::queue::{entry_counter, fork_slot, inbox, mailbox};
    pub use crate::sync::{latch, snapshot, waiter};
    pub use crate::task::{cancel, conditions, counts, erased, outcome, owners, result_slot, work};
    pub use crate::workers::{idle, roster};
}
