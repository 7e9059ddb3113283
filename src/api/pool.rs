//! [`Pool`]: the owner of a set of workers, and the ways to give it work.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::workers::Workers;
use crate::base::error::{BatchError, BuildError, ResizeError, ShutdownError, SubmitError, SubmitErrorKind};
use crate::policy::overflow::OnFull;
use crate::push::shared::PushShared;
use crate::push::worker::PushWorker;
use crate::runtime::config::Config;
use crate::runtime::control::{Phase, Request};
use crate::runtime::current::{self, CurrentWorker};
use crate::runtime::current_intake::CurrentIntake;
use crate::runtime::lifecycle;
use crate::runtime::metrics::PoolStats;
use crate::runtime::model::Model;
use crate::submit::handle::JoinHandle;
use crate::submit::target::{Start, SubmitTarget};
use crate::submit::{batch, single};

/// A pool of worker threads for CPU-bound tasks, with push dispatch and work stealing.
///
/// Any thread may submit, also from inside a task. The task goes straight to one worker (an idle one if there is one,
/// else the one this thread has used before), and any other worker may take it from there. Tasks submitted by a
/// task stay on its worker, the newest first, until somebody steals them, the oldest first.
///
/// Dropping the pool finishes everything that was accepted and joins the threads. Dropped by one of its own tasks (or
/// in a forked child), it closes and leaves the threads to end by themselves.
///
/// ```
/// use longshore::Pool;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let squares = pool.submit_batch((0..10u64).map(|i| move || i * i))?;
/// let sum: u64 = squares.into_iter().map(|square| square.join().expect("no panic")).sum();
/// assert_eq!(sum, 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    pub(crate) shared: Arc<PushShared>,
}

// A panic of user code never leaves a pool half-changed: it is caught before it reaches one.
impl UnwindSafe for Pool {}
impl RefUnwindSafe for Pool {}

impl Pool {
    /// Runs `task` on the pool; its result, if any, is not wanted. Costs no allocation for captures of up to 24 bytes.
    ///
    /// A panic in it goes to the [panic handler](PoolBuilder::panic_handler).
    ///
    /// # Errors
    /// The task comes back if the pool is shut down, or in a forked child of the process that built it. A task of the
    /// pool may still submit while a [`Pool::shutdown`] drains, but not after [`Pool::shutdown_now`]. It also comes back from a
    /// [bounded](PoolBuilder::queue_capacity) pool that is full, if its [policy](OnFull) says so.
    #[inline]
    pub fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, None)
    }

    /// Runs `task` on the pool and returns a handle for its result.
    ///
    /// # Errors
    /// As [`Pool::execute`].
    #[inline]
    pub fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, None)
    }

    /// As [`Pool::execute`], but never waits: when there is no room, the task comes back at once, whatever
    /// [`OnFull`] says.
    ///
    /// # Errors
    /// As [`Pool::execute`]; [`SubmitErrorKind::Full`].
    #[inline]
    pub fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, Some(OnFull::Reject))
    }

    /// As [`Pool::submit`], but never waits, see [`Pool::try_execute`].
    ///
    /// # Errors
    /// As [`Pool::try_execute`].
    #[inline]
    pub fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, Some(OnFull::Reject))
    }

    /// As [`Pool::execute`], but waits for room for at most `timeout`, whatever [`OnFull`] says. Zero tries once; a time beyond
    /// the range of the clock waits for ever. A task of the pool does not wait, see [`OnFull`].
    ///
    /// # Errors
    /// As [`Pool::execute`]; [`SubmitErrorKind::TimedOut`].
    #[inline]
    pub fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, Some(OnFull::BlockFor(timeout)))
    }

    /// As [`Pool::submit`], but waits for room for at most `timeout`, see [`Pool::execute_timeout`].
    ///
    /// # Errors
    /// As [`Pool::execute_timeout`].
    #[inline]
    pub fn submit_timeout<F, T>(&self, task: F, timeout: Duration) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, Some(OnFull::BlockFor(timeout)))
    }

    /// Runs many tasks whose results are not wanted; returns how many. Cheaper than as many calls of
    /// [`Pool::execute`]: tasks are handed over in portions, spread over the workers.
    ///
    /// # Errors
    /// What was accepted before the pool closed runs; the rest comes back, in order.
    pub fn execute_batch<I, F>(&self, tasks: I) -> Result<usize, BatchError<F, ()>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() + Send + 'static,
    {
        batch::execute_batch(&*self.shared, tasks)
    }

    /// Runs many tasks and returns a handle for each, in order. Cheaper than as many calls of [`Pool::submit`].
    ///
    /// # Errors
    /// What was accepted before the pool closed runs, and its handles are in the error; the rest comes back, in order.
    pub fn submit_batch<I, F, T>(&self, tasks: I) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        batch::submit_batch(&*self.shared, tasks)
    }

    /// Runs `f` once on each worker, with the worker's number, and returns a handle for each in the order of the numbers.
    ///
    /// Nobody takes these tasks from one another. A worker that sleeps is woken; one that is busy comes to it after its
    /// present task, or when that waits for something that this worker cannot run. All broadcasts of a pool reach every
    /// worker in the same order. While a thread from outside acts as a worker (in a scope, join or loop) it is that thread
    /// that runs it.
    ///
    /// A task of the pool that joins one of these handles serves its pool meanwhile without limits, as if it waited for
    /// another pool.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// let pool = Pool::builder().workers(3).build()?;
    /// let handles = pool.broadcast(|worker| worker * 10)?;
    /// let results: Result<Vec<usize>, _> = handles.into_iter().map(|handle| handle.join()).collect();
    /// assert_eq!(results?, [0, 10, 20]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `f` comes back if the pool is shut down, also while it drains, and in a forked child.
    pub fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        single::broadcast(&*self.shared, f)
    }

    /// The number of workers, those that [stand in](crate::blocking) for others among them. Of an elastic pool it may be
    /// another one in a moment.
    pub fn workers(&self) -> usize {
        self.shared.roster.live()
    }

    /// Sets how many workers the pool has: a number (`4`), or a range (`2..=8`) in which it then follows its load. Up to the
    /// number that it was built for.
    ///
    /// Workers that are missing have been started when this returns. Those that are too many go one by one, each when it has
    /// ended the task that it runs (and all that runs within it); this does not wait for them, and [`Pool::workers`] says
    /// how many are left. What a worker has in its queues is handed to the others. May be called from anywhere, also
    /// inside a task.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(1..=4).build()?;
    /// pool.set_workers(4)?;
    /// assert_eq!(pool.workers(), 4);
    /// pool.set_workers(1..=2)?;
    /// assert!(pool.set_workers(5).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ResizeError::ZeroWorkers`], [`ResizeError::EmptyRange`] and [`ResizeError::AboveMaximum`] change nothing, nor do
    /// [`ResizeError::Closed`] and [`ResizeError::Forked`]. [`ResizeError::Spawn`] says that the operating system refused a
    /// thread: the pool goes on with those that it has, an elastic one tries again by itself.
    pub fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError> {
        let Workers { min, max } = workers.into();
        lifecycle::resize(&self.shared, min, max)
    }

    /// How many tasks may wait, if the pool is [bounded](PoolBuilder::queue_capacity). How many do is in
    /// [`PoolStats::waiting`].
    pub fn capacity(&self) -> Option<usize> {
        self.shared.config.capacity
    }

    /// What the pool has done so far. See [`PoolStats`] for how exact it is.
    pub fn stats(&self) -> PoolStats {
        self.shared.stats()
    }

    /// Has the workers begin no further task until [`Pool::resume`]; returns whether the pool is paused now, which it is
    /// unless it is shut down (or this is a forked child). What runs goes on, with what it waits for; a worker that was
    /// just about to begin a task still does. Work is accepted as before. Calling it again is harmless.
    ///
    /// Joins, loops and scopes called from outside may run on the calling thread meanwhile. A shutdown ends the pause.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// pool.pause();
    /// let answer = pool.submit(|| 6 * 7)?;
    /// assert!(pool.is_paused());
    /// pool.resume();
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self) -> bool {
        lifecycle::pause(&*self.shared)
    }

    /// Ends a [`Pool::pause`].
    pub fn resume(&self) {
        lifecycle::resume(&*self.shared);
    }

    /// Whether the pool is paused.
    pub fn is_paused(&self) -> bool {
        self.shared.control().asks(Request::Pause)
    }

    /// Throws away what is queued now and has not started; handles of these tasks resolve as
    /// [cancelled](crate::JoinError::Cancelled). Returns how many tasks that were. Tasks of scopes stay, for somebody's
    /// frame depends on them. What a worker is moving between two queues at this very moment may escape: who wants all of
    /// it pauses the pool first.
    pub fn purge(&self) -> u64 {
        lifecycle::purge(&*self.shared)
    }

    /// Refuses new work from outside, finishes what was accepted (with all that these tasks submit), and returns when
    /// every thread has ended. Any number of threads may call it, and all of them wait. Calling it again is harmless.
    ///
    /// # Errors
    /// [`ShutdownError::FromWorker`] inside a task or hook of this pool (the pool is left as it is), and
    /// [`ShutdownError::Forked`].
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Draining, None)
    }

    /// As [`Pool::shutdown`], but returns after `timeout` at the latest. A timeout beyond the range of the clock
    /// waits for ever.
    ///
    /// # Errors
    /// As [`Pool::shutdown`], and [`ShutdownError::TimedOut`]: the pool is closed and goes on draining; call again
    /// to wait on, or [`Pool::shutdown_now`].
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Draining, Instant::now().checked_add(timeout))
    }

    /// Refuses all new work, also from tasks, throws away what has not started and returns when the tasks that run
    /// have ended and every thread is gone. Handles of the thrown-away tasks resolve as
    /// [cancelled](crate::JoinError::Cancelled) before this waits. Returns how many tasks were thrown away (by all
    /// calls of this together).
    ///
    /// # Errors
    /// As [`Pool::shutdown`].
    pub fn shutdown_now(&self) -> Result<u64, ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Stopping, None)?;
        Ok(self.shared.metrics.discarded.get())
    }
}

impl SubmitTarget for Pool {
    type Intake = PushShared;

    fn intake(&self) -> &Arc<PushShared> {
        &self.shared
    }
}

impl Start for Pool {
    fn start(config: Config) -> Result<Pool, BuildError> {
        lifecycle::start(config).map(|shared| Pool { shared })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lifecycle::end_on_drop(&*self.shared);
    }
}

/// Runs `task` on the pool whose task calls this: [`Pool::execute`] without the pool at hand.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let pool = longshore::Pool::new()?;
/// let count = Arc::new(AtomicU32::new(0));
/// let counted = count.clone();
/// pool.execute(move || {
///     for _ in 0..10 {
///         let counted = counted.clone();
///         longshore::execute(move || _ = counted.fetch_add(1, Ordering::Relaxed)).expect("a task has a pool");
///     }
/// })?;
/// pool.shutdown()?;
/// assert_eq!(count.load(Ordering::Relaxed), 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`Pool::execute`]; [`SubmitErrorKind::NoPool`] on a thread that is not a worker.
#[inline]
pub fn execute<F>(task: F) -> Result<(), SubmitError<F>>
where
    F: FnOnce() + Send + 'static,
{
    PushWorker::with_current(|worker| match worker {
        // The short way of the kind of pool for which the cost of a task matters most.
        Some(worker) => single::execute(&**worker.shared(), task, None),
        None => current::with(|worker| match worker {
            Some(worker) => single::execute(&CurrentIntake::new(worker), task, None),
            None => Err(SubmitError { task, kind: SubmitErrorKind::NoPool }),
        }),
    })
}

/// Runs `task` on the pool whose task calls this and returns a handle: [`Pool::submit`] without the pool at hand.
///
/// # Errors
/// As [`Pool::submit`]; [`SubmitErrorKind::NoPool`] on a thread that is not a worker.
#[inline]
pub fn submit<F, T>(task: F) -> Result<JoinHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    PushWorker::with_current(|worker| match worker {
        // The short way of the kind of pool for which the cost of a task matters most.
        Some(worker) => single::submit(&**worker.shared(), task, None),
        None => current::with(|worker| match worker {
            Some(worker) => single::submit(&CurrentIntake::new(worker), task, None),
            None => Err(SubmitError { task, kind: SubmitErrorKind::NoPool }),
        }),
    })
}

/// The number of the worker that this code runs on, or `None` outside of every pool.
pub fn current_worker() -> Option<usize> {
    current::with(|worker| worker.map(CurrentWorker::index))
}
