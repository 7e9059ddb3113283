//! [`PullPool`]: a pool whose workers share one queue.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::api::builder::PoolBuilder;
use crate::base::error::BuildError;
use crate::pull::shared::PullShared;
use crate::runtime::config::Config;
use crate::runtime::lifecycle;
use crate::submit::target::{Start, SubmitTarget};

/// A pool of worker threads for CPU-bound tasks that all take their tasks from one shared queue.
///
/// It has the calls of a [`Pool`](crate::Pool), in the trait [`AnyPool`](crate::AnyPool): a program changes from one to
/// the other by changing that word and importing the trait (but for joins, which need workers with queues of their own).
/// What is different:
/// - Tasks are **started in the order** in which they were submitted, from outside or by tasks, whichever worker takes them
///   (but for a task that another one waits for, which may run ahead of its turn). In a [`Pool`](crate::Pool) that order
///   holds only roughly, and a task's own tasks are started newest first.
/// - All producers meet at one end of the queue and all workers at the other, for each single task. With short tasks and
///   many cores that is where the time goes; with tasks of a hundred microseconds it does not matter.
/// - Nothing is kept together: tasks that a task submits go to whoever is free, not to the core whose cache has their data.
///   A tree of tasks is walked breadth first, so more of it is in the queue at a time.
/// - A wait inside a task runs the awaited task if nobody has begun it, and else sleeps: there are no tasks "of its own" that
///   it could run meanwhile. So of the two things in "Waiting inside a task" of [`JoinHandle`] that count as waiting as well
///   only the second does here. Tasks may wait for each other in any way that is not a circle, on a single worker too, and to
///   any depth; a wait that the pool knows nothing of (a channel, a lock) for a task in the queue needs a second worker.
/// - [`longshore::join`](crate::join) in a task calls one closure after the other.
/// - In [`WorkerStats`](crate::WorkerStats) `stolen`, `stolen_forks` and `queue_depth` are always 0. The length of the queue
///   is [`PoolStats::waiting`].
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
#[derive(Debug)]
pub struct PullPool {
    shared: Arc<PullShared>,
}

// A panic of user code never leaves a pool half-changed: it is caught before it reaches one.
impl UnwindSafe for PullPool {}
impl RefUnwindSafe for PullPool {}

impl PullPool {
    /// A pool with the default configuration, see [`PoolBuilder`].
    ///
    /// # Errors
    /// As [`PoolBuilder::build`].
    pub fn new() -> Result<PullPool, BuildError> {
        PullPool::builder().build()
    }

    /// Configures a pool.
    pub fn builder() -> PoolBuilder<PullPool> {
        PoolBuilder::new()
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
