//! [`TaskBuilder`]: submits a task with options: a priority, a worker, a deadline, a token, a weight.
//!
//! A thin layer that fills in `submit/options.rs`. The builder belongs to the submitting thread. Guarded by
//! `tests/it/behaviour/conditions.rs`, `priorities.rs`, `affinity.rs` and `weights.rs`.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use crate::api::pool::Pool;
use crate::base::error::SubmitError;
use crate::policy::overflow::OnFull;
use crate::runtime::intake::Route;
use crate::runtime::priority::Priority;
use crate::submit::future::SubmitFuture;
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::single;
use crate::submit::target::SubmitTarget;
use crate::task::cancel::CancelToken;

/// Submits one task with options. Made by [`Pool::task`](crate::Pool::task) and
/// [`Lane::task`](crate::Lane::task). A task without options is the same as a task of [`Pool::submit`].
///
/// ```
/// use std::time::Duration;
/// use longshore::{CancelToken, JoinError, Pool, Priority};
///
/// let pool = Pool::new()?;
/// let token = CancelToken::new();
/// let urgent = pool.task().priority(Priority::High).token(&token).submit(|| 6 * 7)?;
/// assert_eq!(urgent.join()?, 42);
///
/// // The deadline has passed before the task can start:
/// let late = pool.task().start_within(Duration::ZERO).submit(|| 6 * 7)?;
/// assert!(matches!(late.join(), Err(JoinError::Expired)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a task builder does nothing until `submit` or `execute` is called"]
pub struct TaskBuilder<'p, P: SubmitTarget> {
    pool: &'p P,
    options: TaskOptions,
}

impl<'p, P: SubmitTarget> TaskBuilder<'p, P> {
    pub(crate) fn new(pool: &'p P) -> Self {
        TaskBuilder { pool, options: TaskOptions::default() }
    }

    /// Sets the priority of the task. The default is [`Priority::Normal`].
    ///
    /// No priority starves: of the tasks that a worker starts, one in 16 is a normal task even while high
    /// tasks wait, and one in 64 is a low task whatever else waits.
    ///
    /// Tasks of high and low priority are held in two queues that all workers share. From the first such task
    /// on, every worker checks these queues before each task.
    ///
    /// ```
    /// use longshore::{Pool, Priority};
    ///
    /// let pool = Pool::new()?;
    /// assert_eq!(pool.task().priority(Priority::High).submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        if !matches!(self.options.route, Route::Worker(_) | Route::Key(_)) {
            self.options.route = Route::of(priority);
        }
        self
    }

    /// Sends the task to the worker with this number, from 0, so that it finds its data in the caches of that
    /// worker's core. The last call of `worker` or [`key`](TaskBuilder::key) wins. A
    /// [priority](TaskBuilder::priority) is then ignored.
    ///
    /// The task waits while this worker is busy. Another worker takes it only if it finds no other task, and
    /// has searched for as long as it searches before it parks. Tasks sent to a worker start in their order,
    /// unless another worker takes some. While the pool is shut down, any worker takes them.
    ///
    /// A [`PullPool`](crate::PullPool) checks the number, but has one queue for all workers. A
    /// [lane](crate::Lane) ignores the number.
    ///
    /// # Errors
    /// The submission returns [`SubmitErrorKind::NoSuchWorker`](crate::SubmitErrorKind::NoSuchWorker) if the
    /// pool has no worker with this number at that moment. This is checked first, also if the pool is full.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(2).build()?;
    /// let answer = pool.task().worker(1).submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// assert!(pool.task().worker(2).execute(|| ()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worker(mut self, worker: usize) -> Self {
        self.options.route = Route::Worker(worker);
        self
    }

    /// Sends the task to the worker that gets all tasks with the same key, so that it finds the data of the
    /// key in the caches of that worker's core. The last call of `key` or [`worker`](TaskBuilder::worker)
    /// wins. A [priority](TaskBuilder::priority) is then ignored.
    ///
    /// The worker of a key stays the same as long as that worker exists. A worker that joins the pool takes
    /// its share of the keys, and no other key moves. While more than 256 tasks wait for the worker of a key,
    /// and at most half as many for the second choice of the key, new tasks are sent to the second choice.
    /// Equal keys must have equal hashes, as in a `HashMap`.
    ///
    /// [`TaskBuilder::worker`] says when another worker takes the task. A [`PullPool`](crate::PullPool) and a
    /// [lane](crate::Lane) ignore the key. A key is no promise of order, because other workers may take
    /// tasks.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().workers(2).build()?;
    /// for picture in ["a.png", "b.png", "a.png"] {
    ///     pool.task().key(picture).execute(move || assert!(picture.ends_with("png")))?;
    /// }
    /// pool.shutdown()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key(mut self, key: impl Hash) -> Self {
        // The hasher has no random seed, so that keys name the same workers in every run of a program.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.options.route = Route::Key(hasher.finish());
        self
    }

    /// Sets the latest start. A task that has not started by then never starts, and its handle returns
    /// [`JoinError::Expired`](crate::JoinError::Expired). A running task is not interrupted. A deadline in
    /// the past is allowed: the task is accepted and expires. The last call of `deadline` or
    /// [`start_within`](TaskBuilder::start_within) wins.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let pool = longshore::Pool::new()?;
    /// let latest_start = Instant::now() + Duration::from_secs(60);
    /// assert_eq!(pool.task().deadline(latest_start).submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deadline(mut self, latest_start: Instant) -> Self {
        self.options.conditions.deadline = Some(latest_start);
        self
    }

    /// Sets the [deadline](TaskBuilder::deadline) to `time` after this call. A time beyond the range of the
    /// clock is no deadline.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use longshore::JoinError;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let late = pool.task().start_within(Duration::ZERO).submit(|| 6 * 7)?;
    /// assert!(matches!(late.join(), Err(JoinError::Expired)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start_within(mut self, time: Duration) -> Self {
        self.options.conditions.deadline = Instant::now().checked_add(time);
        self
    }

    /// Sets a token that cancels the task, if the task has not started when the token is cancelled. A token
    /// that is cancelled already is allowed: the task is accepted and never starts. The last call wins; a
    /// [child](CancelToken::child) of one token serves as a second token.
    ///
    /// ```
    /// use longshore::{CancelToken, JoinError, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let token = CancelToken::new();
    /// token.cancel();
    /// let task = pool.task().token(&token).submit(|| 6 * 7)?;
    /// assert!(matches!(task.join(), Err(JoinError::Cancelled)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.options.conditions.token = Some(token.clone());
        self
    }

    /// Sets how much of the pool's [budget](crate::PoolBuilder::budget) the task holds, from submission until
    /// it ends or is cancelled. The default is 0. Ignored by a pool without a budget.
    ///
    /// A submission by a task of the pool never waits for the budget. Where another thread would wait, it
    /// exceeds the budget.
    ///
    /// ```
    /// let pool = longshore::Pool::builder().budget(100).build()?;
    /// let heavy = pool.task().weight(60).submit(|| "heavy")?;
    /// let next = pool.task().weight(60).submit(|| "next")?; // waits until `heavy` has ended
    /// assert_eq!((heavy.join()?, next.join()?), ("heavy", "next"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn weight(mut self, weight: u64) -> Self {
        self.options.weight = weight;
        self
    }

    /// Sets what a [recording](crate::Recorder) calls the task. Tasks of one label have one colour and are
    /// summed up together; a recording knows up to 4,095 labels. Without a recording a label costs what any
    /// option costs. Inside a task [`label`](crate::label()) does the same.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// assert_eq!(pool.task().label("decode").submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn label(mut self, label: &'static str) -> Self {
        self.options.label = Some(label);
        self
    }

    /// Sets what happens to this task if the pool is full, instead of what the
    /// [pool was built with](crate::PoolBuilder::on_full). `OnFull::Reject` tries once,
    /// `OnFull::BlockFor(time)` waits for at most `time`.
    ///
    /// ```
    /// use longshore::{OnFull, Pool, SubmitErrorKind};
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(1).build()?;
    /// # let (_open, gate) = std::sync::mpsc::channel::<()>();
    /// # pool.execute(move || _ = gate.recv())?;
    /// # while pool.stats().running == 0 {
    /// #     std::thread::yield_now();
    /// # }
    /// // The only worker is busy with another task.
    /// pool.execute(|| ())?;
    /// let refused = pool.task().on_full(OnFull::Reject).execute(|| ()).expect_err("one task waits already");
    /// assert_eq!(refused.kind, SubmitErrorKind::Full);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.options.on_full = Some(on_full);
        self
    }

    /// Submits `task` with these options, without a handle.
    ///
    /// ```
    /// use longshore::{Pool, Priority};
    ///
    /// let pool = Pool::new()?;
    /// pool.task().priority(Priority::Low).execute(|| println!("hello"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task:
    /// - with [`SubmitErrorKind::Overweight`](crate::SubmitErrorKind::Overweight) if it weighs more than the
    ///   whole budget,
    /// - with [`SubmitErrorKind::NoSuchWorker`](crate::SubmitErrorKind::NoSuchWorker) if the pool has no
    ///   worker with the number that was set,
    /// - because the pool is shut down or full, or belongs to the parent of a forked child, as
    ///   [`Pool::execute`] says.
    pub fn execute<F>(self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute_with(&**self.pool.intake(), self.options, task)
    }

    /// Submits `task` with these options and returns a handle for its result.
    ///
    /// ```
    /// use longshore::{Pool, Priority};
    ///
    /// let pool = Pool::new()?;
    /// let answer = pool.task().priority(Priority::High).submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if it is too heavy, if its worker does not exist, or if the pool is
    /// shut down or full. [`TaskBuilder::execute`] lists the reasons.
    pub fn submit<F, T>(self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit_with(&**self.pool.intake(), self.options, task)
    }

    /// Submits `task` with these options, without a handle, or returns it at once if the pool is full:
    /// replaces [`on_full`](TaskBuilder::on_full) with [`OnFull::Reject`].
    ///
    /// ```
    /// let pool = longshore::Pool::builder().budget(100).build()?;
    /// pool.task().weight(60).try_execute(|| println!("hello"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task, with [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full) if
    /// the pool or its budget is full, or for the other reasons that [`TaskBuilder::execute`] lists.
    pub fn try_execute<F>(self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.on_full(OnFull::Reject).execute(task)
    }

    /// Submits `task` with these options and returns a handle, or returns the task at once if the pool is
    /// full: replaces [`on_full`](TaskBuilder::on_full) with [`OnFull::Reject`].
    ///
    /// ```
    /// let pool = longshore::Pool::builder().budget(100).build()?;
    /// let answer = pool.task().weight(60).try_submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task, for the reasons that [`TaskBuilder::try_execute`] lists.
    pub fn try_submit<F, T>(self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.on_full(OnFull::Reject).submit(task)
    }

    /// Submits `task` with these options, for asynchronous code: the future is pending while the pool is
    /// full. [`Pool::submit_async`](crate::Pool::submit_async) says how. The option
    /// [`on_full`](TaskBuilder::on_full) is ignored.
    ///
    /// ```
    /// # pollster::block_on(async {
    /// let pool = longshore::Pool::builder().budget(100).build()?;
    /// let answer = pool.task().weight(60).submit_async(|| 6 * 7).await?;
    /// assert_eq!(answer.await?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).expect("runs");
    /// ```
    ///
    /// # Errors
    /// When it is awaited, a [`SubmitError`] returns the task if it is too heavy, if its worker does not
    /// exist, or if the pool is shut down. [`TaskBuilder::execute`] lists the reasons.
    ///
    /// # Panics
    /// The future panics if it is polled again after it was ready.
    pub fn submit_async<F, T>(
        self,
        task: F,
    ) -> impl Future<Output = Result<JoinHandle<T>, SubmitError<F>>> + Send + use<P, F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        SubmitFuture::new(self.pool.intake().clone(), self.options, task)
    }
}

impl<P: SubmitTarget> fmt::Debug for TaskBuilder<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Tasks with options, and submissions by asynchronous code.
impl Pool {
    /// Starts a task with options: a priority, a worker, a deadline, a token, a weight. [`TaskBuilder`] lists
    /// them.
    ///
    /// ```
    /// use longshore::{Pool, Priority};
    ///
    /// let pool = Pool::new()?;
    /// let answer = pool.task().priority(Priority::High).submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task(&self) -> TaskBuilder<'_, Pool> {
        TaskBuilder::new(self)
    }

    /// Runs `task` on the pool and returns a handle, for asynchronous code. While the pool is full, the
    /// future is pending, and no thread waits. The [policy](OnFull) of the pool is ignored. Works with any
    /// executor.
    ///
    /// Waiting futures and threads get permits in the order of arrival. Nothing happens before the first
    /// poll. A permit that is granted to a waiting future is reserved for it, so a future that was polled
    /// should be polled again or dropped. A dropped future submits nothing and passes its permit on.
    ///
    /// A task of the pool that polls the future does not wait: it runs the new task inside the poll (see
    /// [`OnFull`]).
    ///
    /// ```
    /// # pollster::block_on(async {
    /// let pool = longshore::Pool::builder().workers(1).queue_capacity(10).build()?;
    /// let mut handles = Vec::new();
    /// for n in 0..1_000u64 {
    ///     handles.push(pool.submit_async(move || n * n).await?);
    /// }
    /// assert_eq!(handles.pop().expect("a thousand").await?, 998_001);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).expect("runs");
    /// ```
    ///
    /// # Errors
    /// When it is awaited, a [`SubmitError`] returns the task if the pool is shut down, or in a forked child.
    ///
    /// # Panics
    /// The future panics if it is polled again after it was ready.
    pub fn submit_async<F, T>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<JoinHandle<T>, SubmitError<F>>> + Send + use<F, T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        SubmitFuture::new(self.shared.clone(), TaskOptions::default(), task)
    }
}
