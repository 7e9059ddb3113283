//! [`Lane`]: a queue in front of a pool, with a limit of concurrent tasks and statistics of its own.
//!
//! A thin layer over `submit/lane.rs`. All clones of a lane share one state, which any thread may use.
//! Guarded by `tests/it/behaviour/lanes.rs` and `tests/it/closing_lanes.rs`.

use std::fmt;
use std::sync::Arc;

use crate::api::group::Group;
use crate::api::pool::Pool;
use crate::api::task_builder::TaskBuilder;
use crate::base::error::{BuildError, SubmitError};
use crate::runtime::intake::Route;
use crate::runtime::priority::Priority;
use crate::submit::handle::JoinHandle;
use crate::submit::lane::{LaneIntake, LaneShared, LaneStats};
use crate::submit::single;
use crate::submit::target::SubmitTarget;

/// A queue in front of a pool, of which at most a fixed number of tasks run at a time. The other tasks wait
/// in the lane, in the order of arrival. For tasks that share something scarce: connections, a licence,
/// memory, a disk.
///
/// Clones are the same lane. A lane may outlive its pool; it then refuses all tasks. A shutdown of the pool
/// drains or discards the tasks of the lane with those of the pool, a purge discards those that have not
/// started, and the statistics of the pool count them. In a bounded pool a task of a lane holds a permit from
/// the moment at which the lane accepts it until it starts, like any other task: a long backlog of a lane
/// keeps other tasks out of the pool. [`LaneBuilder::queue_capacity`] limits the backlog.
///
/// A task of a lane may submit to it, and wait for another task of the lane. A task that waits for long (for
/// a task of the same lane or of another pool, for anything else that the library lets tasks wait for, or for
/// a task of its pool for more than about a millisecond) gives its place in the limit to the next task. When
/// its wait is over it goes on as soon as a place is free, before tasks that the lane has not passed to the
/// pool. A wait with a time limit is kept: when the time is up, the task goes on even if that is one task too
/// many. So a task that holds what the lane stands for, for example a connection, returns it before it waits
/// for other tasks. A task that polls a handle which is not ready gives its place away at once, and gets one
/// again with the poll that is ready, or at the end of its next wait; what it does in between is not counted.
/// A task that blocks in another way, or in [`blocking`](crate::blocking()), keeps its place.
///
/// ```
/// let pool = longshore::Pool::builder().workers(4).build()?;
/// let database = pool.lane(2).build()?;
/// let rows: Vec<_> = (0..10u32).map(|n| database.submit(move || n * n)).collect::<Result<_, _>>()?;
/// let sum = rows.into_iter().map(|row| row.join()).sum::<Result<u32, _>>()?;
/// assert_eq!(sum, 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Lane<P: SubmitTarget = Pool> {
    intake: Arc<LaneIntake<P::Intake>>,
}

/// Configures a [`Lane`]. Made by [`Pool::lane`](crate::Pool::lane).
///
/// ```
/// use longshore::{Pool, Priority};
///
/// let pool = Pool::new()?;
/// let reports = pool.lane(2).queue_capacity(100).priority(Priority::Low).build()?;
/// assert_eq!(reports.submit(|| 6 * 7)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct LaneBuilder<'p, P: SubmitTarget = Pool> {
    pool: &'p P,
    limit: usize,
    capacity: usize,
    route: Route,
}

impl<'p, P: SubmitTarget> LaneBuilder<'p, P> {
    pub(crate) fn new(pool: &'p P, limit: usize) -> Self {
        LaneBuilder { pool, limit, capacity: usize::MAX, route: Route::Any }
    }

    /// Sets how many tasks may wait in the lane, besides the tasks that it has passed to the pool. The lane
    /// refuses more with [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full). With 0 it refuses every
    /// task that it cannot pass to the pool at once. By default memory is the only limit.
    ///
    /// ```
    /// use longshore::{Pool, SubmitErrorKind};
    ///
    /// let pool = Pool::new()?;
    /// let lane = pool.lane(1).queue_capacity(0).build()?;
    /// let (open, gate) = std::sync::mpsc::channel::<()>();
    /// lane.execute(move || _ = gate.recv())?;
    /// let refused = lane.execute(|| ()).expect_err("one task is in the pool");
    /// assert_eq!(refused.kind, SubmitErrorKind::Full);
    /// drop(open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_capacity(mut self, tasks: usize) -> Self {
        self.capacity = tasks;
        self
    }

    /// Sets the priority of the lane's tasks in the pool. The default is [`Priority::Normal`].
    /// [`TaskBuilder::priority`] says what a priority does.
    ///
    /// ```
    /// use longshore::{Pool, Priority};
    ///
    /// let pool = Pool::new()?;
    /// let clicks = pool.lane(4).priority(Priority::High).build()?;
    /// assert_eq!(clicks.submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.route = Route::of(priority);
        self
    }

    /// Makes the lane.
    ///
    /// ```
    /// use longshore::{BuildError, Pool};
    ///
    /// let pool = Pool::new()?;
    /// assert!(pool.lane(2).build().is_ok());
    /// assert!(matches!(pool.lane(0).build(), Err(BuildError::ZeroLimit)));
    /// # Ok::<(), BuildError>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::ZeroLimit`] if the limit is 0.
    pub fn build(self) -> Result<Lane<P>, BuildError> {
        if self.limit == 0 {
            return Err(BuildError::ZeroLimit);
        }
        let shared = LaneShared::new(self.pool.intake().clone(), self.limit, self.capacity, self.route);
        shared.register();
        Ok(Lane { intake: Arc::new(LaneIntake(shared)) })
    }
}

impl<P: SubmitTarget> Lane<P> {
    /// Runs `task` on the pool when its turn in the lane comes, without a handle.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let printer = pool.lane(1).build()?;
    /// for page in 1..=3 {
    ///     printer.execute(move || println!("page {page}"))?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task: with [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full) if
    /// the [capacity](LaneBuilder::queue_capacity) of the lane is used up, or because the pool is shut down
    /// or full, as [`Pool::execute`] says.
    pub fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.intake, task, None)
    }

    /// Runs `task` on the pool when its turn in the lane comes, and returns a handle for its result.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let lane = pool.lane(1).build()?;
    /// assert_eq!(lane.submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the lane is full, or if the pool is shut down or full.
    /// [`Lane::execute`] has the details.
    pub fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.intake, task, None)
    }

    /// Starts a task with options: a deadline, a token, a weight. Its priority is that of the lane, and a
    /// worker or a key has no effect.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = longshore::Pool::new()?;
    /// let lane = pool.lane(1).build()?;
    /// let answer = lane.task().start_within(Duration::from_secs(60)).submit(|| 6 * 7)?;
    /// assert_eq!(answer.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task(&self) -> TaskBuilder<'_, Lane<P>> {
        TaskBuilder::new(self)
    }

    /// Makes an empty [`Group`] whose tasks go through this lane, so that at most `limit` of them run at a
    /// time.
    ///
    /// ```
    /// use longshore::{Group, Lane, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let lane = pool.lane(2).build()?;
    /// let group: Group<u32, std::convert::Infallible, Lane> = lane.group();
    /// for n in 0..4 {
    ///     group.submit(move || n * n)?;
    /// }
    /// assert_eq!(group.join()?, [0, 1, 4, 9]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group<T, E>(&self) -> Group<T, E, Lane<P>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }

    /// Takes a snapshot of the lane's counters.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let lane = pool.lane(2).build()?;
    /// lane.submit(|| 6 * 7)?.join()?;
    /// assert_eq!(lane.stats().submitted, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> LaneStats {
        self.intake.0.stats()
    }
}

impl<P: SubmitTarget> SubmitTarget for Lane<P> {
    type Intake = LaneIntake<P::Intake>;

    fn intake(&self) -> &Arc<LaneIntake<P::Intake>> {
        &self.intake
    }
}

impl<P: SubmitTarget> Clone for Lane<P> {
    fn clone(&self) -> Self {
        Lane { intake: self.intake.clone() }
    }
}

impl<P: SubmitTarget> fmt::Debug for Lane<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("stats", &self.stats()).finish()
    }
}

impl<P: SubmitTarget> fmt::Debug for LaneBuilder<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneBuilder")
            .field("limit", &self.limit)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// Lanes of a pool.
impl Pool {
    /// Configures a [`Lane`]: a queue in front of this pool, of which at most `limit` tasks run at a time.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let database = pool.lane(2).build()?;
    /// assert_eq!(database.submit(|| 6 * 7)?.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lane(&self, limit: usize) -> LaneBuilder<'_, Pool> {
        LaneBuilder::new(self, limit)
    }
}
