//! [`PullPool`]: a pool whose workers share one queue. Its methods are in `any_pool.rs`.
//!
//! It owns the shared half of the pool (`pull/shared.rs`); any thread may use it. Guarded by
//! `tests/it/pull.rs`, which runs `tests/it/behaviour`, and by `tests/it/pulling.rs`.

use std::fmt;
use std::sync::Arc;

use crate::api::builder::PoolBuilder;
use crate::base::error::BuildError;
use crate::pull::shared::PullShared;
use crate::runtime::config::Config;
use crate::runtime::lifecycle;
use crate::submit::target::{Start, SubmitTarget};

/// A pool of worker threads for CPU-bound tasks, with one queue from which all workers take their tasks.
///
/// It has the methods of the trait [`AnyPool`](crate::AnyPool), which are those of a [`Pool`](crate::Pool)
/// without joins, scopes, loops and streams. A program imports the trait to call them:
/// `use longshore::AnyPool;`.
///
/// The differences to a [`Pool`](crate::Pool):
/// - Tasks **start in the order** in which they were submitted, from outside or by tasks. Only an awaited
///   task may run ahead of its turn. A [`Pool`](crate::Pool) keeps that order only roughly, and starts the
///   tasks of a task newest first.
/// - All producers contend for one end of the queue and all workers for the other, for each task. That limits
///   the speed with short tasks and many cores. With tasks of 100 µs it does not matter.
/// - A task that is submitted by a task is taken by any free worker, not by the core whose caches hold its
///   data. A tree of tasks is walked breadth first, so more of its tasks are queued at a time.
/// - A worker that waits inside a task runs the awaited task, if that has not started, and otherwise sleeps.
///   So a child may wait for its parent, unlike in a [`Pool`](crate::Pool) ([`JoinHandle`](crate::JoinHandle)
///   has the rules). A task that waits by other means, such as a channel, for a task in the queue needs a
///   second worker.
/// - There are no joins, scopes and loops, because these need workers with queues of their own. In a task of
///   this pool [`longshore::join`](crate::join()), [`longshore::scope`](crate::scope()) and the loops use the
///   [global pool](crate::Pool::global). For results in order use
///   [`submit_batch`](crate::AnyPool::submit_batch).
/// - In [`WorkerStats`](crate::WorkerStats) the fields `stolen`, `stolen_forks` and `queue_depth` are always
///   0. [`PoolStats::waiting`](crate::PoolStats::waiting) has the length of the queue.
///
/// Dropping the pool finishes all accepted tasks and joins the threads, as for a [`Pool`](crate::Pool).
///
/// ```
/// use longshore::{AnyPool, PullPool};
///
/// let pool = PullPool::builder().workers(2).build()?;
/// let squares = pool.submit_batch((0..10u64).map(|i| move || i * i))?;
/// let sum: u64 = squares.into_iter().map(|square| square.join().expect("no panic")).sum();
/// assert_eq!(sum, 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PullPool {
    shared: Arc<PullShared>,
}

impl PullPool {
    /// Starts a pool with the default settings: one worker for each core that the process may use, and no
    /// capacity.
    ///
    /// ```
    /// use longshore::{AnyPool, PullPool};
    ///
    /// let pool = PullPool::new()?;
    /// assert_eq!(pool.submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::InvalidEnvironment`] if the environment variable `LONGSHORE_THREADS` holds no number of
    /// workers. [`BuildError::Spawn`] if the operating system starts no thread.
    pub fn new() -> Result<PullPool, BuildError> {
        PullPool::builder().build()
    }

    /// Makes a pool that starts no thread: the threads that call it run its tasks, one at a time. See
    /// [`Pool::in_caller`](crate::Pool::in_caller).
    ///
    /// ```
    /// use longshore::{AnyPool, PullPool};
    ///
    /// let pool = PullPool::in_caller();
    /// assert_eq!(pool.submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// On a platform without a clock: WebAssembly without WASI.
    pub fn in_caller() -> PullPool {
        let built = PullPool::builder().workers(1).in_caller().build();
        built.expect("the settings are valid, and no thread is started")
    }

    /// Configures a pool.
    ///
    /// ```
    /// use longshore::{AnyPool, PullPool};
    ///
    /// let pool = PullPool::builder().workers(2).build()?;
    /// assert_eq!(pool.workers(), 2);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn builder() -> PoolBuilder<PullPool> {
        PoolBuilder::unset()
    }
}

impl fmt::Debug for PullPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_struct("PullPool").field("shared", &self.shared).finish();
        }
        self.shared.debug_line(f, "PullPool")
    }
}

impl SubmitTarget for PullPool {
    type Intake = PullShared;

    fn intake(&self) -> &Arc<PullShared> {
        &self.shared
    }
}

impl Start for PullPool {
    fn start(config: Config) -> Result<PullPool, BuildError> {
        lifecycle::start(config).map(|shared| PullPool { shared })
    }
}

impl Drop for PullPool {
    fn drop(&mut self) {
        lifecycle::end_on_drop(&*self.shared);
    }
}
