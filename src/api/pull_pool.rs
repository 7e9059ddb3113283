//! [`PullPool`]: a pool whose workers share one queue.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::blocking;
use crate::api::builder::PoolBuilder;
use crate::api::group::Group;
use crate::api::lane::LaneBuilder;
use crate::api::task_builder::TaskBuilder;
use crate::api::worker_local::WorkerLocal;
use crate::api::workers::Workers;
use crate::base::error::{BatchError, BuildError, ResizeError, ShutdownError, SubmitError};
use crate::policy::overflow::OnFull;
use crate::pull::shared::Shared;
use crate::runtime::config::Config;
use crate::runtime::core::{Phase, Request};
use crate::runtime::lifecycle;
use crate::runtime::metrics::PoolStats;
use crate::runtime::model::Model;
use crate::submit::future::Submitting;
use crate::submit::handle::JoinHandle;
use crate::submit::options::Ticket;
use crate::submit::target::Outlet;
use crate::submit::target::Start;
use crate::submit::{batch, single};

/// A pool of worker threads for CPU-bound tasks that all take their tasks from one shared queue.
///
/// It has the calls of a [`Pool`](crate::Pool), and a program changes from one to the other by changing that word (but for
/// joins, which need workers with queues of their own). What is different:
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
/// - [`longshore::join`](crate::api::join) in a task calls one closure after the other.
/// - In [`WorkerStats`](crate::WorkerStats) `stolen`, `stolen_forks` and `queue_depth` are always 0. The length of the queue
///   is [`PoolStats::waiting`].
///
/// ```
/// use longshore::PullPool;
///
/// let pool = PullPool::builder().workers(2).build()?;
/// let squares = pool.submit_batch((0..10u64).map(|i| move || i * i))?;
/// let sum: u64 = squares.into_iter().map(|square| square.join().expect("no panic")).sum();
/// assert_eq!(sum, 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PullPool {
    shared: Arc<Shared>,
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

    /// As [`Pool::execute`](crate::Pool::execute).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, None)
    }

    /// As [`Pool::submit`](crate::Pool::submit).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, None)
    }

    /// As [`Pool::try_execute`](crate::Pool::try_execute).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, Some(OnFull::Reject))
    }

    /// As [`Pool::try_submit`](crate::Pool::try_submit).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, Some(OnFull::Reject))
    }

    /// As [`Pool::execute_timeout`](crate::Pool::execute_timeout).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, Some(OnFull::BlockFor(timeout)))
    }

    /// As [`Pool::submit_timeout`](crate::Pool::submit_timeout).
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn submit_timeout<F, T>(&self, task: F, timeout: Duration) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, Some(OnFull::BlockFor(timeout)))
    }

    /// As [`Pool::submit_async`](crate::Pool::submit_async).
    ///
    /// # Errors
    /// As there.
    pub fn submit_async<F, T>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<JoinHandle<T>, SubmitError<F>>> + Send + use<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Submitting::new(self.shared.clone(), Ticket::default(), task)
    }

    /// As [`Pool::lane`](crate::Pool::lane).
    pub fn lane(&self, limit: usize) -> LaneBuilder<'_, PullPool> {
        LaneBuilder::new(self, limit)
    }

    /// As [`Pool::group`](crate::Pool::group).
    pub fn group<T, E>(&self) -> Group<T, E, PullPool>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }

    /// As [`Pool::task`](crate::Pool::task).
    pub fn task(&self) -> TaskBuilder<'_, PullPool> {
        TaskBuilder::new(self)
    }

    /// As [`Pool::execute_batch`](crate::Pool::execute_batch). Cheaper than as many calls of [`PullPool::execute`]: tasks are
    /// counted, and workers woken, for many at a time. They are still queued and taken one by one.
    ///
    /// # Errors
    /// As there.
    pub fn execute_batch<I, F>(&self, tasks: I) -> Result<usize, BatchError<F, ()>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() + Send + 'static,
    {
        batch::execute_batch(&*self.shared, tasks)
    }

    /// As [`Pool::submit_batch`](crate::Pool::submit_batch).
    ///
    /// # Errors
    /// As there.
    pub fn submit_batch<I, F, T>(&self, tasks: I) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        batch::submit_batch(&*self.shared, tasks)
    }

    /// As [`Pool::broadcast`](crate::Pool::broadcast).
    ///
    /// # Errors
    /// As there.
    pub fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        single::broadcast(&*self.shared, f)
    }

    /// A value for each worker, made by `make` when it is first needed there; see [`WorkerLocal`].
    pub fn worker_local<T: Send + 'static>(
        &self,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> WorkerLocal<T> {
        WorkerLocal::new(&self.shared, make)
    }

    /// As [`Pool::workers`](crate::Pool::workers).
    pub fn workers(&self) -> usize {
        self.shared.roster.live()
    }

    /// As [`Pool::set_workers`](crate::Pool::set_workers).
    ///
    /// # Errors
    /// As there.
    pub fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError> {
        let Workers { min, max } = workers.into();
        lifecycle::resize(&self.shared, min, max)
    }

    /// As [`Pool::blocking`](crate::Pool::blocking).
    pub fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
        blocking::blocking_in(self.shared.id, f)
    }

    /// As [`Pool::capacity`](crate::Pool::capacity).
    pub fn capacity(&self) -> Option<usize> {
        self.shared.config.capacity
    }

    /// What the pool has done so far. See [`PoolStats`] for how exact it is.
    pub fn stats(&self) -> PoolStats {
        self.shared.stats()
    }

    /// As [`Pool::pause`](crate::Pool::pause).
    pub fn pause(&self) -> bool {
        lifecycle::pause(&*self.shared)
    }

    /// As [`Pool::resume`](crate::Pool::resume).
    pub fn resume(&self) {
        lifecycle::resume(&*self.shared);
    }

    /// As [`Pool::is_paused`](crate::Pool::is_paused).
    pub fn is_paused(&self) -> bool {
        self.shared.condition().asks(Request::Pause)
    }

    /// As [`Pool::purge`](crate::Pool::purge).
    pub fn purge(&self) -> u64 {
        lifecycle::purge(&*self.shared)
    }

    /// As [`Pool::shutdown`](crate::Pool::shutdown).
    ///
    /// # Errors
    /// As there.
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Draining, None)
    }

    /// As [`Pool::shutdown_timeout`](crate::Pool::shutdown_timeout).
    ///
    /// # Errors
    /// As there.
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Draining, Instant::now().checked_add(timeout))
    }

    /// As [`Pool::shutdown_now`](crate::Pool::shutdown_now).
    ///
    /// # Errors
    /// As there.
    pub fn shutdown_now(&self) -> Result<u64, ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Stopping, None)?;
        Ok(self.shared.metrics.swept.get())
    }
}

impl Outlet for PullPool {
    type Shared = Shared;

    fn shared(&self) -> &Arc<Shared> {
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
        lifecycle::leave(&*self.shared);
    }
}
