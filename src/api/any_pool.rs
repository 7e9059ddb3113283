//! [`AnyPool`]: the methods that both kinds of pool have, for code that runs on either kind.
//!
//! A thin layer over `submit` and `runtime/lifecycle.rs`, like `pool.rs`. The bodies are provided methods
//! over the pool's intake, so a kind of pool only says where its intake is. Guarded by `tests/it/behaviour`,
//! which runs on both kinds.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::api::blocking;
use crate::api::builder::PoolBuilder;
use crate::api::group::Group;
use crate::api::lane::LaneBuilder;
use crate::api::pool::Pool;
use crate::api::pull_pool::PullPool;
use crate::api::recording::Recording;
use crate::api::task_builder::TaskBuilder;
use crate::api::worker_local::WorkerLocal;
use crate::api::workers::Workers;
use crate::base::error::{BatchError, IdleError, ResizeError, ShutdownError, SubmitError};
use crate::base::record_error::RecordError;
use crate::policy::overflow::OnFull;
use crate::runtime::control::{Phase, Request};
use crate::runtime::lifecycle;
use crate::runtime::metrics::PoolStats;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::quiet::{self, Registration};
use crate::runtime::recorder_settings::Recorder;
use crate::submit::future::SubmitFuture;
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::target::Start;
use crate::submit::{batch, single};

/// A pool of either kind: a [`Pool`], which pushes, or a [`PullPool`].
///
/// Code that is generic over this trait runs on both kinds, without a box or a virtual call. [`Pool`] also
/// has these methods without the trait. To call them on a [`PullPool`], a program imports the trait:
/// `use longshore::AnyPool;`.
///
/// The methods of [`Pool`] with the same names have the details and an example each. Joins, scopes and loops
/// need workers with queues of their own; only [`Pool`] has them.
///
/// The trait cannot be implemented outside of this library, so that methods can be added to it.
///
/// ```
/// use longshore::{AnyPool, Pool, PullPool};
///
/// fn sum_of_squares<P: AnyPool>() -> Result<u64, Box<dyn std::error::Error>> {
///     let pool = P::builder().workers(2).build()?;
///     let squares = pool.submit_batch((0..10u64).map(|i| move || i * i))?;
///     Ok(squares.into_iter().map(|square| square.join().expect("no panic")).sum())
/// }
///
/// assert_eq!(sum_of_squares::<Pool>()?, sum_of_squares::<PullPool>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pool",
    label = "neither a `Pool` nor a `PullPool`",
    note = "`AnyPool` is implemented by `Pool` and `PullPool`; an `Arc<Pool>` is passed as `&*pool`"
)]
pub trait AnyPool: Start<Intake: PoolKind> + fmt::Debug + Sized + Send + Sync + 'static {
    /// Configures a pool of this kind. See [`Pool::builder`].
    fn builder() -> PoolBuilder<Self> {
        PoolBuilder::unset()
    }

    /// Runs `task`, without a handle. See [`Pool::execute`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is shut down or full, or in a forked child.
    #[inline]
    fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&**self.intake(), task, None)
    }

    /// The same as [`AnyPool::execute`], which is the main name.
    ///
    /// # Errors
    /// Those of [`AnyPool::execute`].
    #[inline]
    fn spawn<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.execute(task)
    }

    /// Runs `task` and returns a handle for its result. See [`Pool::submit`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is shut down or full, or in a forked child.
    #[inline]
    fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&**self.intake(), task, None)
    }

    /// Runs `task`, without a handle, or returns it at once if the pool is full. See [`Pool::try_execute`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is full or shut down, or in a forked child.
    #[inline]
    fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&**self.intake(), task, Some(OnFull::Reject))
    }

    /// Runs `task` and returns a handle, or returns the task at once if the pool is full. See
    /// [`Pool::try_submit`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is full or shut down, or in a forked child.
    #[inline]
    fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&**self.intake(), task, Some(OnFull::Reject))
    }

    /// Runs `task`, without a handle. If the pool is full, waits for a permit for at most `timeout`. See
    /// [`Pool::execute_timeout`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is full for the whole time or shut down, or in a forked
    /// child.
    #[inline]
    fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&**self.intake(), task, Some(OnFull::BlockFor(timeout)))
    }

    /// Runs `task` and returns a handle. If the pool is full, waits for a permit for at most `timeout`. See
    /// [`Pool::submit_timeout`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is full for the whole time or shut down, or in a forked
    /// child.
    #[inline]
    fn submit_timeout<F, T>(&self, task: F, timeout: Duration) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&**self.intake(), task, Some(OnFull::BlockFor(timeout)))
    }

    /// Runs `task` and returns a handle, for asynchronous code: the future is pending while the pool is full.
    /// See [`Pool::submit_async`].
    ///
    /// # Errors
    /// When it is awaited, a [`SubmitError`] returns the task if the pool is shut down, or in a forked child.
    fn submit_async<F, T>(&self, task: F) -> SubmitFuture<Self::Intake, F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        SubmitFuture::new(self.intake().clone(), TaskOptions::default(), task)
    }

    /// Begins to record the pool. See [`Pool::record`].
    ///
    /// # Errors
    /// Those of [`Pool::record`].
    fn record(&self, recorder: Recorder) -> Result<Recording, RecordError> {
        Recording::begin(self.intake(), recorder)
    }

    /// The recording of the pool, if it is recorded. See [`Pool::recording`].
    fn recording(&self) -> Option<Recording> {
        Recording::of(&**self.intake())
    }

    /// Configures a [lane](crate::Lane), in which at most `limit` tasks run at a time. See [`Pool::lane`].
    fn lane(&self, limit: usize) -> LaneBuilder<'_, Self> {
        LaneBuilder::new(self, limit)
    }

    /// Makes an empty [`Group`] of tasks. See [`Pool::group`].
    fn group<T, E>(&self) -> Group<T, E, Self>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }

    /// Starts a task with options: a priority, a deadline, a token, a weight. See [`Pool::task`].
    fn task(&self) -> TaskBuilder<'_, Self> {
        TaskBuilder::new(self)
    }

    /// Runs many tasks without handles; returns how many. See [`Pool::execute_batch`].
    ///
    /// # Errors
    /// A [`BatchError`] returns the tasks that were not accepted, because the pool is shut down or full, or
    /// in a forked child.
    fn execute_batch<I, F>(&self, tasks: I) -> Result<usize, BatchError<F, ()>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() + Send + 'static,
    {
        batch::execute_batch(&**self.intake(), tasks)
    }

    /// Runs many tasks and returns a handle for each, in order. See [`Pool::submit_batch`].
    ///
    /// # Errors
    /// A [`BatchError`] returns the tasks that were not accepted, because the pool is shut down or full, or
    /// in a forked child. It also holds the handles of the accepted tasks.
    fn submit_batch<I, F, T>(&self, tasks: I) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        batch::submit_batch(&**self.intake(), tasks)
    }

    /// Runs `f` once on each worker, with the worker's number. See [`Pool::broadcast`].
    ///
    /// # Errors
    /// A [`SubmitError`] returns `f` if the pool is shut down or drains, or in a forked child.
    fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        single::broadcast(&**self.intake(), f)
    }

    /// Makes a value for each worker by `make`, when a worker first needs it. See [`Pool::worker_local`].
    fn worker_local<T: Send + 'static>(
        &self,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> WorkerLocal<T> {
        WorkerLocal::new(self.intake(), make)
    }

    /// Returns the number of workers. See [`Pool::workers`].
    fn workers(&self) -> usize {
        self.intake().roster.live()
    }

    /// Sets how many workers the pool has: a number, or a range. See [`Pool::set_workers`].
    ///
    /// # Errors
    /// A [`ResizeError`] if the number is not possible, if the pool is shut down, in a forked child, or if
    /// the operating system starts no thread.
    fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError> {
        let Workers { min, max } = workers.into();
        lifecycle::resize(self.intake(), min, max)
    }

    /// Calls `f`, which blocks, while another worker of this pool stands in. See [`Pool::blocking`].
    ///
    /// # Panics
    /// If `f` panics.
    fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
        blocking::blocking_in(self.intake().id, f)
    }

    /// Returns how many tasks may wait, or `None` if there is no limit. See [`Pool::capacity`].
    fn capacity(&self) -> Option<usize> {
        self.intake().config.capacity
    }

    /// Takes a snapshot of the pool's counters. See [`Pool::stats`].
    fn stats(&self) -> PoolStats {
        self.intake().stats()
    }

    /// Keeps the workers from starting tasks until [`AnyPool::resume`]. Returns whether the pool is paused
    /// now. See [`Pool::pause`].
    fn pause(&self) -> bool {
        lifecycle::pause(&**self.intake())
    }

    /// Ends a [`AnyPool::pause`]. See [`Pool::resume`].
    fn resume(&self) {
        lifecycle::resume(&**self.intake());
    }

    /// Returns whether the pool is paused. See [`Pool::is_paused`].
    fn is_paused(&self) -> bool {
        self.intake().control().asks(Request::Pause)
    }

    /// Discards the tasks that are queued now and have not started; returns how many. See [`Pool::purge`].
    fn purge(&self) -> u64 {
        lifecycle::purge(&**self.intake())
    }

    /// Waits until the pool has no task. See [`Pool::wait_idle`].
    ///
    /// # Errors
    /// An [`IdleError`] if a task or hook of this pool calls it, or in a forked child.
    fn wait_idle(&self) -> Result<(), IdleError> {
        Registration::new(self.intake())?.block(None)
    }

    /// Waits until the pool has no task, for at most `timeout`. See [`Pool::wait_idle_timeout`].
    ///
    /// # Errors
    /// An [`IdleError`] if the pool had tasks for the whole time, if a task or hook of this pool calls it, or
    /// in a forked child.
    fn wait_idle_timeout(&self, timeout: Duration) -> Result<(), IdleError> {
        Registration::new(self.intake())?.block(Instant::now().checked_add(timeout))
    }

    /// Returns a future that is ready when the pool has no task. See [`Pool::wait_idle_async`].
    ///
    /// # Errors
    /// An [`IdleError`] if a task or hook of this pool calls it, or in a forked child.
    fn wait_idle_async(&self) -> Pin<Box<dyn Future<Output = Result<(), IdleError>> + Send>> {
        // A box, because before Rust 1.87 the future of a trait's method always borrows `self`.
        Box::pin(quiet::future(self.intake()))
    }

    /// Ends the pool: finishes all accepted tasks and waits for the threads. See [`Pool::shutdown`].
    ///
    /// # Errors
    /// A [`ShutdownError`] if a task or hook of this pool calls it, or in a forked child.
    fn shutdown(&self) -> Result<(), ShutdownError> {
        lifecycle::end(&**self.intake(), Phase::Draining, None)
    }

    /// Ends the pool like [`AnyPool::shutdown`], but waits for at most `timeout`. See
    /// [`Pool::shutdown_timeout`].
    ///
    /// # Errors
    /// A [`ShutdownError`] if the pool has not ended in that time, if a task or hook of this pool calls it,
    /// or in a forked child.
    fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        lifecycle::end(&**self.intake(), Phase::Draining, Instant::now().checked_add(timeout))
    }

    /// Ends the pool and discards the tasks that have not started; returns how many. See
    /// [`Pool::shutdown_now`].
    ///
    /// # Errors
    /// A [`ShutdownError`] if a task or hook of this pool calls it, or in a forked child.
    fn shutdown_now(&self) -> Result<u64, ShutdownError> {
        lifecycle::end(&**self.intake(), Phase::Stopping, None)?;
        Ok(self.intake().metrics.discarded.get())
    }
}

impl AnyPool for Pool {}

impl AnyPool for PullPool {}
