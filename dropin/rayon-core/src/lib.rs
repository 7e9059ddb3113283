//! The interface of rayon-core 1.13.0 on a pool of [Longshore](longshore).
//!
//! A program takes it in place of rayon-core by two lines in its `Cargo.toml`; its sources stay as they are:
//!
//! ```toml
//! [patch.crates-io]
//! rayon-core = { git = "<the repository of Longshore>" }
//! ```
//!
//! Names, signatures, error texts and meanings are those of rayon-core 1.13.0 (MIT OR Apache-2.0, by the rayon
//! developers). `docs/rayon.md` in the repository says what differs, and why.
//!
//! [`join()`] calls two closures, possibly at the same time. [`scope()`] runs any number of tasks that borrow
//! from the caller, and waits for them. [`spawn()`] starts a task that nothing waits for. [`ThreadPool`] is a
//! pool of one's own; all free functions use the pool of the calling thread, and outside of every pool the
//! *global* pool, which starts when it is first used. In a task of a [`longshore::Pool`] the free functions
//! use that pool, and no other threads are started.
//!
//! # Is it on?
//! [`IS_LONGSHORE`] exists in this package only. With `LONGSHORE_STATS=1` in the environment each pool prints a
//! table at its end, the global pool at the end of the program. `longshore_doctor` reads the dependency graph
//! of a project.
//!
//! # A second rayon-core
//! Both packages say `links = "rayon-core"`, so cargo refuses a build in which both would have a pool.

#![deny(missing_debug_implementations, missing_docs, unreachable_pub)]

mod broadcast;
mod builder;
mod error;
mod fifo;
mod join;
mod registry;
mod scope;
mod spawn;
mod thread_builder;
mod thread_pool;

pub use self::broadcast::{BroadcastContext, broadcast, spawn_broadcast};
pub use self::builder::ThreadPoolBuilder;
#[allow(deprecated)]
pub use self::builder::{Configuration, initialize};
pub use self::error::ThreadPoolBuildError;
pub use self::join::{FnContext, join, join_context};
pub use self::scope::{Scope, ScopeFifo, in_place_scope, in_place_scope_fifo, scope, scope_fifo};
pub use self::spawn::{spawn, spawn_fifo};
pub use self::thread_builder::ThreadBuilder;
pub use self::thread_pool::{
    ThreadPool, Yield, current_thread_has_pending_tasks, current_thread_index, yield_local, yield_now,
};

/// Always true. rayon-core has no such constant, so a program that names it does not build without the patch:
///
/// ```
/// const _: () = assert!(rayon_core::IS_LONGSHORE);
/// ```
pub const IS_LONGSHORE: bool = true;

/// Returns the largest number of threads of a pool: 4,096. A larger number in
/// [`ThreadPoolBuilder::num_threads`] or in `RAYON_NUM_THREADS` is lowered to it.
///
/// ```
/// assert_eq!(rayon_core::max_num_threads(), 4096);
/// ```
pub fn max_num_threads() -> usize {
    longshore::MAX_WORKERS
}

/// Returns the number of threads of the current pool: that of the calling thread, else the global pool.
///
/// ```
/// let pool = rayon_core::ThreadPoolBuilder::new().num_threads(3).build()?;
/// assert_eq!(pool.install(rayon_core::current_num_threads), 3);
/// # Ok::<(), rayon_core::ThreadPoolBuildError>(())
/// ```
pub fn current_num_threads() -> usize {
    registry::current_num_threads()
}
