//! [`Lane`]: a part of a pool with its own limit, queue and statistics.

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

/// Tasks that run on a pool's workers, but never more than so many of them at a time; the others wait in a queue of the
/// lane's own, in the order of arrival. For work that shares something scarce: connections, a licence, memory, a disk.
///
/// Clones are the same lane. A lane may outlive its pool, and then refuses what is submitted. Tasks of a lane may submit to
/// it, and may wait for each other as tasks of another pool do: a worker that waits for one serves its own pool meanwhile,
/// so a task must not hold a lock over such a wait that others want. If the pool is shut down, a lane's tasks are drained
/// or thrown away with the others. A purge of the pool throws away those of a lane that are in the pool's queues.
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

/// Configures a lane. Made by [`Pool::lane`](crate::Pool::lane).
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

    /// How many tasks may wait besides those that were given to the pool; more are refused with
    /// [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full). 0 refuses whatever cannot go to the pool at once. Without this call there is
    /// no such limit.
    pub fn queue_capacity(mut self, tasks: usize) -> Self {
        self.capacity = tasks;
        self
    }

    /// The priority at which the lane's tasks go to the pool. See [`TaskBuilder::priority`].
    pub fn priority(mut self, priority: Priority) -> Self {
        self.route = Route::of(priority);
        self
    }

    /// Makes the lane.
    ///
    /// # Errors
    /// [`BuildError::ZeroLimit`].
    pub fn build(self) -> Result<Lane<P>, BuildError> {
        if self.limit == 0 {
            return Err(BuildError::ZeroLimit);
        }
        let shared = LaneShared::new(self.pool.intake().clone(), self.limit, self.capacity, self.route);
        Ok(Lane { intake: Arc::new(LaneIntake(Arc::new(shared))) })
    }
}

impl<P: SubmitTarget> Lane<P> {
    /// As [`Pool::execute`](crate::Pool::execute).
    ///
    /// # Errors
    /// As there, and [`SubmitErrorKind::Full`](crate::SubmitErrorKind::Full).
    pub fn execute<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        single::execute(&*self.intake, task, None)
    }

    /// As [`Pool::submit`](crate::Pool::submit).
    ///
    /// # Errors
    /// As for [`Lane::execute`].
    pub fn submit<F, T>(&self, task: F) -> Result<JoinHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        single::submit(&*self.intake, task, None)
    }

    /// A task with a deadline or a token. (Its priority is that of the lane.)
    pub fn task(&self) -> TaskBuilder<'_, Lane<P>> {
        TaskBuilder::new(self)
    }

    /// A group whose tasks go through this lane: at most so many of them run at a time.
    pub fn group<T, E>(&self) -> Group<T, E, Lane<P>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }

    /// What the lane has done so far.
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
    /// A part of this pool in which at most `limit` tasks run at a time; see [`Lane`](crate::Lane).
    pub fn lane(&self, limit: usize) -> LaneBuilder<'_, Pool> {
        LaneBuilder::new(self, limit)
    }
}
