//! [`TaskBuilder`]: a task that is more than a closure, with a priority, a deadline or a token.

use crate::api::pool::Pool;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

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

/// Says how a task is to be treated, and submits it. Made by [`Pool::task`](crate::Pool::task); what is not said is as for
/// tasks without it.
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
/// // Too late before it could begin:
/// let late = pool.task().start_within(Duration::ZERO).submit(|| 6 * 7)?;
/// assert!(matches!(late.join(), Err(JoinError::Expired)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it submits nothing by itself"]
pub struct TaskBuilder<'p, P: SubmitTarget> {
    pool: &'p P,
    options: TaskOptions,
}

impl<'p, P: SubmitTarget> TaskBuilder<'p, P> {
    pub(crate) fn new(pool: &'p P) -> Self {
        TaskBuilder { pool, options: TaskOptions::default() }
    }

    /// Before or after other tasks, within bounds that keep everyone alive: of the tasks that a worker begins, one in 16 is a
    /// normal one even while high ones wait, and one in 64 a low one whatever else waits.
    ///
    /// A task of high or low priority lies in a queue that all workers share. So a pool pays for priorities from the first
    /// such task on: two looks at these queues before each task of any kind.
    pub fn priority(mut self, priority: Priority) -> Self {
        if !matches!(self.options.route, Route::Worker(_) | Route::Key(_)) {
            self.options.route = Route::of(priority);
        }
        self
    }

    /// Sends the task to the worker of this number, as [`current_worker`](crate::current_worker) gives them, for the sake of
    /// what that one's core has in its caches. The latest word counts, of this and [`TaskBuilder::key`]; a
    /// [priority](TaskBuilder::priority) is of no effect beside them.
    ///
    /// It waits for this worker while that is busy, but not for ever: another one that finds no other work, and has looked for
    /// some for as long as it would before it sleeps, takes it. Tasks that are sent to a worker are begun in their order,
    /// unless others take some. Once the pool is being shut down tasks go to whoever is free.
    ///
    /// In a [`PullPool`](crate::PullPool) and in a [lane](crate::Lane) it has no effect (but of the pool the number is checked).
    ///
    /// # Errors
    /// SubmitFuture returns [`SubmitErrorKind::NoSuchWorker`](crate::SubmitErrorKind::NoSuchWorker) if the pool has no such
    /// worker just now, also if it is full and would have the task wait, run here or be dropped.
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

    /// Sends the task where the other tasks with the same key go: to one worker, in whose core's caches the data may still be
    /// that the key stands for. Otherwise as [`TaskBuilder::worker`].
    ///
    /// Which worker that is stays the same as long as that worker is there; one that joins takes its share of all keys, and no
    /// others move. While more than 256 tasks wait for a worker and at most half as many for the key's second choice, its
    /// tasks go there. Keys that are equal must hash alike, as in a `HashMap`.
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
        // Not keyed at random, so that a program's keys go to the same workers whenever it runs.
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        self.options.route = Route::Key(hasher.finish());
        self
    }

    /// The moment at which it is too late to begin. A task that has not begun by then never does, and its handle says
    /// [`JoinError::Expired`](crate::JoinError::Expired); one that has is not interrupted. In the past it is too late at once: the task
    /// is accepted, and expires. The latest word counts, of this and [`TaskBuilder::start_within`].
    pub fn deadline(mut self, latest_start: Instant) -> Self {
        self.options.conditions.deadline = Some(latest_start);
        self
    }

    /// As [`TaskBuilder::deadline`], so long after this call. Beyond the range of the clock there is no deadline.
    pub fn start_within(mut self, time: Duration) -> Self {
        self.options.conditions.deadline = Instant::now().checked_add(time);
        self
    }

    /// Cancels the task if it has not begun when the token is cancelled, also if that has happened already: the task is
    /// accepted, and never begins. For a second token, make one that is a [child](CancelToken::child) of the first.
    pub fn token(mut self, token: &CancelToken) -> Self {
        self.options.conditions.token = Some(token.clone());
        self
    }

    /// What the task takes of the pool's [budget](crate::PoolBuilder::budget), from now until it has ended or turns out never to
    /// begin. 0, the default, is nothing; in a pool without a budget a weight says nothing. A task of the pool does not wait
    /// for its share, and takes it beyond the budget where others would wait.
    pub fn weight(mut self, weight: u64) -> Self {
        self.options.weight = weight;
        self
    }

    /// What happens if the pool is full, for this task instead of what the [pool was built with](crate::PoolBuilder::on_full):
    /// `OnFull::Reject` tries once, `OnFull::BlockFor(time)` waits for so long at most.
    ///
    /// ```
    /// use longshore::{OnFull, Pool, SubmitErrorKind};
    ///
    /// let pool = Pool::builder().workers(1).queue_capacity(1).build()?;
    /// pool.pause();
    /// pool.execute(|| ())?;
    /// let refused = pool.task().on_full(OnFull::Reject).execute(|| ()).expect_err("one task waits already");
    /// assert_eq!(refused.kind, SubmitErrorKind::Full);
    /// # pool.resume();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.options.on_full = Some(on_full);
        self
    }

    /// As [`Pool::execute`](crate::Pool::execute).
    ///
    /// # Errors
    /// As there, and [`SubmitErrorKind::Overweight`](crate::SubmitErrorKind::Overweight).
    pub fn execute<F>(self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute_with(&**self.pool.intake(), self.options, task)
    }

    /// As [`Pool::submit`](crate::Pool::submit).
    ///
    /// # Errors
    /// As for [`TaskBuilder::execute`].
    pub fn submit<F, T>(self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit_with(&**self.pool.intake(), self.options, task)
    }

    /// As [`Pool::submit_async`](crate::Pool::submit_async).
    ///
    /// # Errors
    /// As for [`TaskBuilder::execute`], when it is awaited.
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

/// Tasks with options, and tasks of asynchronous code.
impl Pool {
    /// A task with a priority, a deadline or a token; see [`TaskBuilder`].
    pub fn task(&self) -> TaskBuilder<'_, Pool> {
        TaskBuilder::new(self)
    }

    /// As [`Pool::submit`] for asynchronous code: when there is no room, the future is pending until there is, whatever
    /// [`OnFull`] says, and no thread waits. Futures and threads get room in the order in which they came.
    ///
    /// Nothing happens before the first poll. A future that is dropped has submitted nothing; if its turn had come already, it
    /// goes to the next. So a future that has been polled should be polled on or dropped: its turn is kept for it. Any
    /// executor will do.
    ///
    /// ```
    /// # futures_executor::block_on(async {
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
    /// As [`Pool::execute`], when it is awaited.
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
