//! [`AnyPool`]: what the kinds of pools have in common, for code that is to run on either.

use std::fmt;
use std::time::Duration;

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
use crate::submit::target::Start;

/// A pool of either kind: [`Pool`], which pushes, or [`PullPool`].
///
/// It exists for programs that choose the kind when they run, or compare the two: written once against this trait they
/// run on both, without a box or a virtual call. A program that has chosen has no use for it, for both types have the same
/// methods of their own, which these are.
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
pub trait AnyPool: Start + fmt::Debug + Sized + Send + Sync + 'static {
    /// See [`Pool::builder`].
    fn builder() -> PoolBuilder<Self>;

    /// See [`Pool::execute`].
    ///
    /// # Errors
    /// As there.
    fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static;

    /// See [`Pool::submit`].
    ///
    /// # Errors
    /// As there.
    fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// See [`Pool::try_execute`].
    ///
    /// # Errors
    /// As there.
    fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static;

    /// See [`Pool::try_submit`].
    ///
    /// # Errors
    /// As there.
    fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// See [`Pool::execute_timeout`].
    ///
    /// # Errors
    /// As there.
    fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static;

    /// See [`Pool::submit_timeout`].
    ///
    /// # Errors
    /// As there.
    fn submit_timeout<F, T>(&self, task: F, timeout: Duration) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// See [`Pool::submit_async`].
    fn submit_async<F, T>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<JoinHandle<T>, SubmitError<F>>> + Send + use<Self, F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

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
        F: FnOnce() + Send + 'static;

    /// See [`Pool::submit_batch`].
    ///
    /// # Errors
    /// As there.
    fn submit_batch<I, F, T>(&self, tasks: I) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static;

    /// See [`Pool::broadcast`].
    ///
    /// # Errors
    /// As there.
    fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static;

    /// See [`Pool::worker_local`].
    fn worker_local<T: Send + 'static>(&self, make: impl Fn() -> T + Send + Sync + 'static)
    -> WorkerLocal<T>;

    /// See [`Pool::workers`].
    fn workers(&self) -> usize;

    /// See [`Pool::set_workers`].
    ///
    /// # Errors
    /// As there.
    fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError>;

    /// See [`Pool::blocking`].
    fn blocking<R>(&self, f: impl FnOnce() -> R) -> R;

    /// See [`Pool::capacity`].
    fn capacity(&self) -> Option<usize>;

    /// See [`Pool::stats`].
    fn stats(&self) -> PoolStats;

    /// See [`Pool::pause`].
    fn pause(&self) -> bool;

    /// See [`Pool::resume`].
    fn resume(&self);

    /// See [`Pool::is_paused`].
    fn is_paused(&self) -> bool;

    /// See [`Pool::purge`].
    fn purge(&self) -> u64;

    /// See [`Pool::shutdown`].
    ///
    /// # Errors
    /// As there.
    fn shutdown(&self) -> Result<(), ShutdownError>;

    /// See [`Pool::shutdown_timeout`].
    ///
    /// # Errors
    /// As there.
    fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError>;

    /// See [`Pool::shutdown_now`].
    ///
    /// # Errors
    /// As there.
    fn shutdown_now(&self) -> Result<u64, ShutdownError>;
}

/// The methods of each are its own.
macro_rules! is_a_pool {
    ($($pool:ty),*) => {$(
        impl AnyPool for $pool {
            fn builder() -> PoolBuilder<Self> {
                <$pool>::builder()
            }

            #[inline]
            fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
            where
                F: FnOnce() + Send + 'static,
            {
                self.execute(task)
            }

            #[inline]
            fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                self.submit(task)
            }

            #[inline]
            fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
            where
                F: FnOnce() + Send + 'static,
            {
                self.try_execute(task)
            }

            #[inline]
            fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                self.try_submit(task)
            }

            #[inline]
            fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
            where
                F: FnOnce() + Send + 'static,
            {
                self.execute_timeout(task, timeout)
            }

            #[inline]
            fn submit_timeout<F, T>(
                &self,
                task: F,
                timeout: Duration,
            ) -> Result<JoinHandle<T>, SubmitError<F>>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                self.submit_timeout(task, timeout)
            }

            fn submit_async<F, T>(
                &self,
                task: F,
            ) -> impl Future<Output = Result<JoinHandle<T>, SubmitError<F>>> + Send + use<F, T>
            where
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                self.submit_async(task)
            }

            fn execute_batch<I, F>(&self, tasks: I) -> Result<usize, BatchError<F, ()>>
            where
                I: IntoIterator<Item = F>,
                F: FnOnce() + Send + 'static,
            {
                self.execute_batch(tasks)
            }

            fn submit_batch<I, F, T>(
                &self,
                tasks: I,
            ) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
            where
                I: IntoIterator<Item = F>,
                F: FnOnce() -> T + Send + 'static,
                T: Send + 'static,
            {
                self.submit_batch(tasks)
            }

            fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
            where
                F: Fn(usize) -> T + Send + Sync + 'static,
                T: Send + 'static,
            {
                self.broadcast(f)
            }

            fn worker_local<T: Send + 'static>(
                &self,
                make: impl Fn() -> T + Send + Sync + 'static,
            ) -> WorkerLocal<T> {
                self.worker_local(make)
            }

            fn workers(&self) -> usize {
                self.workers()
            }

            fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError> {
                self.set_workers(workers)
            }

            fn blocking<R>(&self, f: impl FnOnce() -> R) -> R {
                self.blocking(f)
            }

            fn capacity(&self) -> Option<usize> {
                self.capacity()
            }

            fn stats(&self) -> PoolStats {
                self.stats()
            }

            fn pause(&self) -> bool {
                self.pause()
            }

            fn resume(&self) {
                self.resume();
            }

            fn is_paused(&self) -> bool {
                self.is_paused()
            }

            fn purge(&self) -> u64 {
                self.purge()
            }

            fn shutdown(&self) -> Result<(), ShutdownError> {
                self.shutdown()
            }

            fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
                self.shutdown_timeout(timeout)
            }

            fn shutdown_now(&self) -> Result<u64, ShutdownError> {
                self.shutdown_now()
            }
        }
    )*};
}

is_a_pool!(Pool, PullPool);
