//! [`AnyPool`]: what the kinds of pools have in common, for code that is to run on either.

use crate::policy::overflow::OnFull;
use crate::runtime::control::{Phase, Request};
use crate::runtime::lifecycle;
use crate::runtime::model::Model;
use crate::submit::future::SubmitFuture;
use crate::submit::{batch, single};
use std::fmt;
use std::time::{Duration, Instant};

use crate::api::blocking;
use crate::api::builder::PoolBuilder;
use crate::api::group::Group;
use crate::api::lane::LaneBuilder;
use crate::api::pool::Pool;
use crate::api::pull_pool::PullPool;
use crate::api::task_builder::TaskBuilder;
use crate::api::worker_local::WorkerLocal;
use crate::api::workers::Workers;
use crate::base::error::{BatchError, ResizeError, ShutdownError, SubmitError};
use crate::runtime::metrics::PoolStats;
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::target::Start;

/// A pool of either kind: [`Pool`], which pushes, or [`PullPool`].
///
/// It exists for programs that choose the kind when they run, or compare the two: written once against this trait they
/// run on both, without a box or a virtual call. [`Pool`] has the same methods of its own; a program that uses a
/// [`PullPool`] imports this trait.
///
/// It cannot be implemented outside of this library, so that it may grow with the pools.
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
pub trait AnyPool: Start<Intake: Model> + fmt::Debug + Sized + Send + Sync + 'static {
    /// See [`Pool::builder`].
    fn builder() -> PoolBuilder<Self> {
        PoolBuilder::new()
    }

    /// See [`Pool::execute`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&**self.intake(), task, None)
    }

    /// See [`Pool::submit`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&**self.intake(), task, None)
    }

    /// See [`Pool::try_execute`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&**self.intake(), task, Some(OnFull::Reject))
    }

    /// See [`Pool::try_submit`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&**self.intake(), task, Some(OnFull::Reject))
    }

    /// See [`Pool::execute_timeout`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&**self.intake(), task, Some(OnFull::BlockFor(timeout)))
    }

    /// See [`Pool::submit_timeout`].
    ///
    /// # Errors
    /// As there.
    #[inline]
    fn submit_timeout<F, T>(&self, task: F, timeout: Duration) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&**self.intake(), task, Some(OnFull::BlockFor(timeout)))
    }

    /// See [`Pool::submit_async`].
    fn submit_async<F, T>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<JoinHandle<T>, SubmitError<F>>> + Send + use<Self, F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        SubmitFuture::new(self.intake().clone(), TaskOptions::default(), task)
    }

    /// See [`Pool::lane`].
    fn lane(&self, limit: usize) -> LaneBuilder<'_, Self> {
        LaneBuilder::new(self, limit)
    }

    /// See [`Pool::group`].
    fn group<T, E>(&self) -> Group<T, E, Self>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }

    /// See [`Pool::task`].
    fn task(&self) -> TaskBuilder<'_, Self> {
        TaskBuilder::new(self)
    }

    /// See [`Pool::execute_batch`].
    ///
    /// # Errors
    /// As there.
    fn execute_batch<I, F>(&self, tasks: I) -> Result<usize, BatchError<F, ()>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() + Send + 'static,
    {
        batch::execute_batch(&**self.intake(), tasks)
    }

    /// See [`Pool::submit_batch`].
    ///
    /// # Errors
    /// As there.
    fn submit_batch<I, F, T>(&self, tasks: I) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        batch::submit_batch(&**self.intake(), tasks)
    }

    /// See [`Pool::broadcast`].
    ///
    /// # Errors
    /// As there.
    fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        single::broadcast(&**self.intake(), f)
    }

    /// See [`Pool::worker_local`].
    fn worker_local<T: Send + 'static>(
        &self,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> WorkerLocal<T> {
        WorkerLocal::new(self.intake(), make)
    }

    /// See [`Pool::workers`].
    fn workers(&self) -> usize {
        self.intake().roster.live()
    }

    /// See [`Pool::set_workers`].
    ///
    /// # Errors
    /// As there.
    fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError> {
        let Workers { min, max } = workers.into();
        lifecycle::resize(self.intake(), min, max)
    }

    /// See [`Pool::blocking`].
    fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
        blocking::blocking_in(self.intake().id, f)
    }

    /// See [`Pool::capacity`].
    fn capacity(&self) -> Option<usize> {
        self.intake().config.capacity
    }

    /// See [`Pool::stats`].
    fn stats(&self) -> PoolStats {
        self.intake().stats()
    }

    /// See [`Pool::pause`].
    fn pause(&self) -> bool {
        lifecycle::pause(&**self.intake())
    }

    /// See [`Pool::resume`].
    fn resume(&self) {
        lifecycle::resume(&**self.intake());
    }

    /// See [`Pool::is_paused`].
    fn is_paused(&self) -> bool {
        self.intake().control().asks(Request::Pause)
    }

    /// See [`Pool::purge`].
    fn purge(&self) -> u64 {
        lifecycle::purge(&**self.intake())
    }

    /// See [`Pool::shutdown`].
    ///
    /// # Errors
    /// As there.
    fn shutdown(&self) -> Result<(), ShutdownError> {
        lifecycle::end(&**self.intake(), Phase::Draining, None)
    }

    /// See [`Pool::shutdown_timeout`].
    ///
    /// # Errors
    /// As there.
    fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        lifecycle::end(&**self.intake(), Phase::Draining, Instant::now().checked_add(timeout))
    }

    /// See [`Pool::shutdown_now`].
    ///
    /// # Errors
    /// As there.
    fn shutdown_now(&self) -> Result<u64, ShutdownError> {
        lifecycle::end(&**self.intake(), Phase::Stopping, None)?;
        Ok(self.intake().metrics.discarded.get())
    }
}

impl AnyPool for Pool {}

impl AnyPool for PullPool {}
