//! [`Pool`]: owns a set of workers; submits, counts, resizes, pauses and ends.
//!
//! A thin layer: each method calls `submit` or `runtime/lifecycle.rs` with the shared half of the pool. Any
//! thread may call any method. Other groups of methods of `Pool` are in the files of what they make:
//! `builder.rs`, `join.rs`, `scope.rs`, `loops`, `stream.rs`, `group.rs`, `lane.rs`, `task_builder.rs`.
//! Guarded by `tests/it/push.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::api::workers::Workers;
#[cfg(doc)]
use crate::base::error::SubmitErrorKind;
use crate::base::error::{BatchError, BuildError, IdleError, ResizeError, ShutdownError, SubmitError};
use crate::policy::overflow::OnFull;
use crate::push::shared::PushShared;
use crate::runtime::config::Config;
use crate::runtime::control::{Phase, Request};
use crate::runtime::lifecycle;
use crate::runtime::metrics::PoolStats;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::quiet::{self, Registration};
use crate::submit::handle::JoinHandle;
use crate::submit::target::{Start, SubmitTarget};
use crate::submit::{batch, single};

/// A pool of worker threads for CPU-bound tasks, with push dispatch and work stealing.
///
/// Any thread may submit, also a task. The pool pushes the task to one worker: an idle worker if there is
/// one, else the worker to which the submitting thread keeps. Any other worker may steal it from there. A
/// task that is submitted by a task stays on the same worker, which runs the newest first, while thieves take
/// the oldest first.
///
/// Dropping the pool finishes all accepted tasks and joins the threads. A pool that is dropped by one of its
/// own tasks closes, and its threads end by themselves when they have finished the accepted tasks. In a
/// forked child of the process that built the pool the drop does nothing, because the threads exist only in
/// the parent.
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
#[doc(alias = "ThreadPool")]
#[doc(alias = "Executor")]
#[doc(alias = "ForkJoinPool")]
pub struct Pool {
    pub(crate) shared: Arc<PushShared>,
}

impl Pool {
    /// Runs `task` on the pool, without a handle.
    ///
    /// Captures of up to 24 bytes need no memory besides the queue. Larger captures are stored in a recycled
    /// block, and captures above about 1 KiB in an allocation of their own. If the task panics, the
    /// [panic handler](crate::PoolBuilder::panic_handler) receives the payload.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let (sender, receiver) = mpsc::channel();
    /// pool.execute(move || sender.send(6 * 7).expect("the receiver exists"))?;
    /// assert_eq!(receiver.recv()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task, with the reason in [`SubmitError::kind`]:
    /// - [`SubmitErrorKind::Closed`] if the pool is shut down. A task of the pool may still submit while
    ///   [`Pool::shutdown`] drains the pool, but not after [`Pool::shutdown_now`].
    /// - [`SubmitErrorKind::Full`] or [`SubmitErrorKind::TimedOut`] if the pool is full and was built with
    ///   [`OnFull::Reject`] or [`OnFull::BlockFor`].
    /// - [`SubmitErrorKind::Forked`] in a forked child of the process that built the pool.
    #[doc(alias = "fire_and_forget")]
    #[inline]
    pub fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, None)
    }

    /// The same as [`Pool::execute`], which is the main name. For programs that come from rayon, tokio or
    /// std, where this is the word. Unlike there, a submission may be refused.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.spawn(|| println!("hello"))?;
    /// pool.shutdown()?; // after this the line is printed
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Pool::execute`].
    #[inline]
    pub fn spawn<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.execute(task)
    }

    /// Runs `task` on the pool and returns a handle for its result.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let answer = pool.submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is shut down or full, or in a forked child.
    /// [`Pool::execute`] lists the reasons.
    #[doc(alias = "spawn")]
    #[doc(alias = "spawn_blocking")]
    #[doc(alias = "async")]
    #[inline]
    pub fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, None)
    }

    /// Runs `task` on the pool, without a handle, or returns it at once if the pool is full. Replaces the
    /// [policy](OnFull) of the pool with [`OnFull::Reject`] for this call.
    ///
    /// ```
    /// use longshore::{Pool, SubmitErrorKind};
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(100).build()?;
    /// if let Err(refused) = pool.try_execute(|| println!("hello")) {
    ///     assert_eq!(refused.kind, SubmitErrorKind::Full);
    ///     refused.into_inner()(); // runs here
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task: with [`SubmitErrorKind::Full`] if the pool is full, or because the
    /// pool is shut down or belongs to the parent of a forked child, as [`Pool::execute`] says.
    #[inline]
    pub fn try_execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, Some(OnFull::Reject))
    }

    /// Runs `task` on the pool and returns a handle, or returns the task at once if the pool is full.
    /// Replaces the [policy](OnFull) of the pool with [`OnFull::Reject`] for this call.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().queue_capacity(100).build()?;
    /// let answer = pool.try_submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task: with [`SubmitErrorKind::Full`] if the pool is full, or because the
    /// pool is shut down or belongs to the parent of a forked child, as [`Pool::execute`] says.
    #[inline]
    pub fn try_submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, Some(OnFull::Reject))
    }

    /// Runs `task` on the pool, without a handle. If the pool is full, waits for a permit for at most
    /// `timeout`. Replaces the [policy](OnFull) of the pool with [`OnFull::BlockFor`] for this call.
    ///
    /// A timeout of zero tries once. A timeout beyond the range of the clock never ends. A task of the pool
    /// does not wait: it runs the new task inside the call (see [`OnFull`]).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::builder().queue_capacity(100).build()?;
    /// pool.execute_timeout(|| println!("hello"), Duration::from_secs(1))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task: with [`SubmitErrorKind::TimedOut`] if the pool was full for the
    /// whole time, or because the pool is shut down or belongs to the parent of a forked child, as
    /// [`Pool::execute`] says.
    #[inline]
    pub fn execute_timeout<F>(&self, task: F, timeout: Duration) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.shared, task, Some(OnFull::BlockFor(timeout)))
    }

    /// Runs `task` on the pool and returns a handle. If the pool is full, waits for a permit for at most
    /// `timeout`. [`Pool::execute_timeout`] says how.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::builder().queue_capacity(100).build()?;
    /// let answer = pool.submit_timeout(|| 6 * 7, Duration::from_secs(1))?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task: with [`SubmitErrorKind::TimedOut`] if the pool was full for the
    /// whole time, or because the pool is shut down or belongs to the parent of a forked child, as
    /// [`Pool::execute`] says.
    #[inline]
    pub fn submit_timeout<F, T>(&self, task: F, timeout: Duration) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.shared, task, Some(OnFull::BlockFor(timeout)))
    }

    /// Runs many tasks without handles; returns how many. Costs less than one call of [`Pool::execute`] for
    /// each task, because tasks are queued 32 at a time. The portions are spread over the workers.
    ///
    /// If the pool has a capacity, each task for which there is no permit is treated by the [policy](OnFull)
    /// of the pool.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let count = pool.execute_batch((0..1_000u64).map(|n| move || _ = n * n))?;
    /// assert_eq!(count, 1_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`BatchError`] if a task is refused, for one of the reasons that [`Pool::execute`] lists. The tasks
    /// that were accepted before it run. The other tasks are returned in order. An iterator that does not
    /// know how many tasks are left (its `size_hint` is not exact) may wait or be endless, so it is not drawn
    /// any further: the refused task is returned, and an iterator that is passed by `by_ref` holds the rest.
    ///
    /// # Panics
    /// With a panic of the iterator. The tasks that were accepted before it run.
    pub fn execute_batch<I, F>(&self, tasks: I) -> Result<usize, BatchError<F, ()>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() + Send + 'static,
    {
        batch::execute_batch(&*self.shared, tasks)
    }

    /// Runs many tasks and returns a handle for each, in the order of the tasks. Costs less than one call of
    /// [`Pool::submit`] for each task, because tasks are queued 32 at a time.
    ///
    /// If the pool has a capacity, each task for which there is no permit is treated by the [policy](OnFull)
    /// of the pool.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let handles = pool.submit_batch((0..4u64).map(|n| move || n * n))?;
    /// let squares = handles.into_iter().map(|handle| handle.join()).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(squares, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`BatchError`] if a task is refused, for one of the reasons that [`Pool::execute`] lists. The tasks
    /// that were accepted before it run, and the error holds their handles. The other tasks are returned in
    /// order, as [`Pool::execute_batch`] says.
    ///
    /// # Panics
    /// With a panic of the iterator. The tasks that were accepted before it run.
    pub fn submit_batch<I, F, T>(&self, tasks: I) -> Result<Vec<JoinHandle<T>>, BatchError<F, JoinHandle<T>>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        batch::submit_batch(&*self.shared, tasks)
    }

    /// Runs `f` once on each worker, with the worker's number, and returns the handles in the order of the
    /// numbers.
    ///
    /// No worker runs the task of another worker. A parked worker is woken. A busy worker runs the task after
    /// its current task, or while that waits for something that this worker cannot run. All workers run the
    /// broadcasts of a pool in the same order. While an external thread acts as a worker (in a scope, join or
    /// loop), that thread runs the task.
    ///
    /// A task of the pool that joins one of these handles runs the broadcast tasks of its own worker
    /// meanwhile. So does every wait of a task that lasts, and a poll of a handle inside a task: a broadcast
    /// task must not take a lock that a task holds while it waits. A worker whose task blocks in another way
    /// runs its broadcast tasks afterwards.
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
    /// A [`SubmitError`] returns `f`, with [`SubmitErrorKind::Closed`] if the pool is shut down or drains, or
    /// with [`SubmitErrorKind::Forked`] in a forked child.
    pub fn broadcast<F, T>(&self, f: F) -> Result<Vec<JoinHandle<T>>, SubmitError<F>>
    where
        F: Fn(usize) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        single::broadcast(&*self.shared, f)
    }

    /// Returns the number of workers, including [stand-ins](crate::blocking()). The number of an elastic pool
    /// may change at any moment.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(3).build()?;
    /// assert_eq!(pool.workers(), 3);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    #[doc(alias = "current_num_threads")]
    #[doc(alias = "num_threads")]
    #[doc(alias = "max_count")]
    #[doc(alias = "getPoolSize")]
    pub fn workers(&self) -> usize {
        self.shared.roster.live()
    }

    /// Sets how many workers the pool has: a number (`4`), or a range (`2..=8`) in which the number follows
    /// the load. The limit is the largest number that was given to
    /// [`PoolBuilder::workers`](crate::PoolBuilder::workers).
    ///
    /// Missing workers have been started when this returns. Surplus workers retire one by one, each after its
    /// current task and all that runs within that. This call does not wait for them; [`Pool::workers`] says
    /// how many there still are. The tasks in the queues of a worker that retires are handed to the other
    /// workers. May be called from any thread, also inside a task.
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
    /// - [`ResizeError::ZeroWorkers`], [`ResizeError::EmptyRange`] or [`ResizeError::AboveMaximum`] if the
    ///   number is not possible, [`ResizeError::Closed`] if the pool is shut down, [`ResizeError::Forked`] in
    ///   a forked child. Nothing has changed.
    /// - [`ResizeError::Spawn`] if the operating system starts no thread. The range has changed, and the pool
    ///   works with the workers that it has. An elastic pool tries again by itself.
    #[doc(alias = "resize")]
    #[doc(alias = "set_num_threads")]
    #[doc(alias = "setCorePoolSize")]
    pub fn set_workers(&self, workers: impl Into<Workers>) -> Result<(), ResizeError> {
        let Workers { min, max } = workers.into();
        lifecycle::resize(&self.shared, min, max)
    }

    /// Returns how many tasks may wait, or `None` if the pool has no
    /// [capacity](crate::PoolBuilder::queue_capacity). [`PoolStats::waiting`] says how many tasks wait.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().queue_capacity(100).build()?;
    /// assert_eq!(pool.capacity(), Some(100));
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        self.shared.config.capacity
    }

    /// Takes a snapshot of the pool's counters. [`PoolStats`] says how exact they are.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.submit(|| 6 * 7)?.join()?;
    /// pool.shutdown()?;
    /// assert_eq!(pool.stats().completed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "active_count")]
    #[doc(alias = "queued_count")]
    #[doc(alias = "getActiveCount")]
    pub fn stats(&self) -> PoolStats {
        self.shared.stats()
    }

    /// Waits until the pool has no task: everything that was submitted before this call, and everything that
    /// these tasks submitted, has ended. The pool stays open.
    ///
    /// Exact, and without polling: the last worker that parks wakes the caller. Joins, scopes and loops of
    /// other threads count as well, and so do tasks that wait in a [`Lane`](crate::Lane). A task that its
    /// submitter runs itself, because the pool is full, counts as a part of the submission. If other threads
    /// never stop submitting, there may be no moment without a task; a [`Group`](crate::Group) or a
    /// [`scope`](Pool::scope) waits for its own tasks only. A paused pool with queued tasks does not get idle
    /// before it resumes, or before these tasks are cancelled, expire or are purged.
    ///
    /// Of a pool that is shut down this waits for the accepted tasks, after
    /// [`shutdown_now`](Pool::shutdown_now) for the running ones. A task of another pool may call this; a
    /// stand-in works for its worker meanwhile.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// static COUNT: AtomicU32 = AtomicU32::new(0);
    ///
    /// let pool = longshore::Pool::new()?;
    /// for _ in 0..10 {
    ///     pool.execute(|| {
    ///         longshore::execute(|| _ = COUNT.fetch_add(1, Ordering::Relaxed)).expect("inside a task");
    ///     })?;
    /// }
    /// pool.wait_idle()?;
    /// assert_eq!(COUNT.load(Ordering::Relaxed), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`IdleError::FromWorker`] if a task or hook of this pool calls it. [`IdleError::Forked`] in a forked
    /// child.
    #[doc(alias = "join")]
    #[doc(alias = "awaitQuiescence")]
    pub fn wait_idle(&self) -> Result<(), IdleError> {
        Registration::new(&self.shared)?.block(None)
    }

    /// Waits like [`Pool::wait_idle`], but for at most `timeout`. A timeout beyond the range of the clock
    /// never ends.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::new()?;
    /// pool.execute(|| println!("hello"))?;
    /// pool.wait_idle_timeout(Duration::from_secs(60))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`IdleError::TimedOut`] if the pool had tasks for the whole time, and the errors of
    /// [`Pool::wait_idle`].
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<(), IdleError> {
        Registration::new(&self.shared)?.block(Instant::now().checked_add(timeout))
    }

    /// Returns a future that is ready when the pool has no task, like [`Pool::wait_idle`] for an async
    /// program. The wait begins with this call, and dropping the future ends it.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.execute(|| println!("hello"))?;
    /// # pollster::block_on(async {
    /// pool.wait_idle_async().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Pool::wait_idle`].
    pub fn wait_idle_async(&self) -> impl Future<Output = Result<(), IdleError>> + Send + use<> {
        quiet::future(&self.shared)
    }

    /// Keeps the workers from starting tasks until [`Pool::resume`]. Returns whether the pool is paused now:
    /// `false` if it is shut down, and in a forked child.
    ///
    /// Running tasks continue, and so do the tasks that they wait for, except tasks of a [lane](Pool::lane):
    /// these wait until the pool resumes. A worker that is just about to start a task may still start it. The
    /// pool accepts tasks as before. Repeated calls have no effect. A shutdown ends the pause.
    ///
    /// Joins, loops and scopes that an external thread calls may run on that thread meanwhile.
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

    /// Ends a [`Pool::pause`]. Has no effect on a pool that is not paused.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.pause();
    /// pool.resume();
    /// assert!(!pool.is_paused());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn resume(&self) {
        lifecycle::resume(&*self.shared);
    }

    /// Returns whether the pool is [paused](Pool::pause).
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert!(!pool.is_paused());
    /// assert!(pool.pause() && pool.is_paused());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn is_paused(&self) -> bool {
        self.shared.control().asks(Request::Pause)
    }

    /// Discards the tasks that are queued now and have not started. Returns how many tasks were discarded.
    /// Their handles return [`JoinError::Cancelled`](crate::JoinError::Cancelled).
    ///
    /// Tasks of scopes stay queued, because the caller of a scope waits for them. A task that a worker moves
    /// between two queues at the same moment may be missed; pause the pool first to discard all.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.pause();
    /// let handles = pool.submit_batch((0..100).map(|n| move || n))?;
    /// pool.purge();
    /// pool.resume();
    /// assert!(handles.into_iter().any(|handle| handle.join().is_err()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn purge(&self) -> u64 {
        lifecycle::purge(&*self.shared)
    }

    /// Ends the pool: refuses new tasks from outside, finishes all accepted tasks and all tasks that these
    /// submit, and returns when every thread has ended.
    ///
    /// Any number of threads may call it, and all of them wait. Repeated calls have no effect.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// pool.execute(|| println!("hello"))?;
    /// pool.shutdown()?; // after this the line is printed
    /// assert!(pool.execute(|| ()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShutdownError::FromWorker`] if a task or hook of this pool calls it, which would wait for itself;
    /// the pool stays open. [`ShutdownError::Forked`] in a forked child. [`ShutdownError::ThreadEnding`] in
    /// the destructor of a thread-local on Windows, where it does not wait.
    #[doc(alias = "close")]
    #[doc(alias = "awaitTermination")]
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Draining, None)
    }

    /// Ends the pool like [`Pool::shutdown`], but waits for at most `timeout`. A timeout beyond the range of
    /// the clock never ends.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use longshore::{Pool, ShutdownError};
    ///
    /// let pool = Pool::new()?;
    /// pool.execute(|| println!("hello"))?;
    /// if pool.shutdown_timeout(Duration::from_secs(10)) == Err(ShutdownError::TimedOut) {
    ///     pool.shutdown_now()?; // discards what has not started
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShutdownError::TimedOut`] if the pool has not ended in that time. It is closed and keeps draining:
    /// call this again, or [`Pool::shutdown_now`]. [`ShutdownError::FromWorker`] if a task or hook of this
    /// pool calls it. [`ShutdownError::Forked`] in a forked child. [`ShutdownError::ThreadEnding`] in the
    /// destructor of a thread-local on Windows, where it does not wait.
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Draining, Instant::now().checked_add(timeout))
    }

    /// Ends the pool without finishing the accepted tasks: refuses all new tasks, also from tasks, discards
    /// the tasks that have not started, and returns when the running tasks and every thread have ended.
    ///
    /// Returns how many tasks all calls together have discarded. The handles of these tasks return
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled), before this call begins to wait.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let handles = pool.submit_batch((0..1_000).map(|n| move || n))?;
    /// let discarded = pool.shutdown_now()?;
    /// let failed = handles.into_iter().filter_map(|handle| handle.join().err());
    /// assert_eq!(failed.count() as u64, discarded);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ShutdownError::FromWorker`] if a task or hook of this pool calls it, which would wait for itself;
    /// the pool stays open. [`ShutdownError::Forked`] in a forked child. [`ShutdownError::ThreadEnding`] in
    /// the destructor of a thread-local on Windows, where it does not wait.
    #[doc(alias = "shutdownNow")]
    #[doc(alias = "abort")]
    pub fn shutdown_now(&self) -> Result<u64, ShutdownError> {
        lifecycle::end(&*self.shared, Phase::Stopping, None)?;
        Ok(self.shared.metrics.discarded.get())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.debug_struct("Pool").field("shared", &self.shared).finish();
        }
        self.shared.debug_line(f, "Pool")
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
