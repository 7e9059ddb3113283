//! [`Group`]: many tasks with one end; results in the order of submission; stops at the first failure, if
//! asked to.
//!
//! A group is a list of handles and a token. Its clones share both behind a mutex, which is held while a task
//! is queued, so that the list has the order of the pool. An output adapter in each task cancels the token if
//! the task fails. A group ends exactly: a task that adds tasks does so before it ends, so an empty list
//! after the last join means that all have ended. Guarded by `tests/it/behaviour/groups.rs`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::api::pool::Pool;
use crate::base::error::{JoinError, SubmitError};
use crate::base::facade::{Mutex, lock};
use crate::runtime::intake::Intake;
use crate::submit::admission;
use crate::submit::envelope::OutputAdapter;
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::pack;
use crate::submit::single::{self, Submission};
use crate::submit::target::SubmitTarget;
use crate::task::cancel::CancelToken;
use crate::task::conditions::Conditions;

/// Tasks that belong together: [`Group::join`] waits for all of them and returns their results in the order
/// of submission. On request the group [stops at the first failure](Group::stop_at_first_failure).
///
/// Clones are the same group. So a task of the group may add tasks to it, and [`Group::join`] returns exactly
/// when the whole recursion has ended. The group keeps a handle and a result for each task until it is
/// joined. For millions of tasks without results a [`scope`](crate::scope()) costs less. A group of a
/// [`Lane`](crate::Lane) has bounded concurrency.
///
/// `T` is the result of a task, `E` the error of a task that may fail, and `P` the [`Pool`], the
/// [`PullPool`](crate::PullPool) or the [`Lane`](crate::Lane) that runs the tasks. A group whose tasks return
/// no error needs a type annotation:
///
/// ```
/// use longshore::{Group, Pool};
///
/// let pool = Pool::new()?;
/// let squares: Group<u64> = pool.group();
/// for n in 0..4 {
///     squares.submit(move || n * n)?;
/// }
/// assert_eq!(squares.join()?, [0, 1, 4, 9]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A group that stops at the first failure:
///
/// ```
/// use longshore::{Pool, TaskError};
///
/// let pool = Pool::new()?;
/// let group = pool.group().stop_at_first_failure();
/// for text in ["1", "2", "three", "4"] {
///     group.submit_fallible(move || text.parse::<u32>())?;
/// }
/// let failure = group.join().expect_err("one is no number");
/// assert_eq!(failure.index, 2);
/// assert!(matches!(failure.error, TaskError::Failed(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Group<T, E = Infallible, P: SubmitTarget = Pool> {
    intake: Arc<P::Intake>,
    shared: Arc<GroupShared<T, E>>,
}

struct GroupShared<T, E> {
    token: CancelToken,
    state: Mutex<GroupState<T, E>>,
}

struct GroupState<T, E> {
    /// What the failure of a task cancels: the group, if it stops at the first failure.
    stop: Option<CancelToken>,
    /// The tasks that are not joined yet, in the order of submission.
    handles: VecDeque<JoinHandle<Result<T, E>>>,
    /// How many tasks were joined before these.
    joined: usize,
}

impl<T, E, P> Group<T, E, P>
where
    T: Send + 'static,
    E: Send + 'static,
    P: SubmitTarget,
{
    pub(crate) fn new(target: &P) -> Self {
        let state = GroupState { stop: None, handles: VecDeque::new(), joined: 0 };
        Group {
            intake: target.intake().clone(),
            shared: Arc::new(GroupShared { token: CancelToken::new(), state: Mutex::new(state) }),
        }
    }

    /// Makes the first task that panics or returns an error cancel the tasks that have not started. Applies
    /// to tasks that are added afterwards.
    ///
    /// [`Group::join`] still waits for running tasks. They may ask the [token](Group::token) of the group.
    ///
    /// ```
    /// use longshore::Pool;
    ///
    /// let pool = Pool::new()?;
    /// let group = pool.group().stop_at_first_failure();
    /// group.submit_fallible(|| Err::<(), _>("no such file"))?;
    /// let failure = group.join().expect_err("the task fails");
    /// assert_eq!(failure.to_string(), "task 0 of the group: no such file");
    /// assert!(group.token().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_at_first_failure(self) -> Self {
        lock(&self.shared.state).stop = Some(self.token());
        self
    }

    /// Adds a task that returns a result. It fails only by a panic.
    ///
    /// A group that is cancelled accepts the task, which then never starts.
    ///
    /// ```
    /// use longshore::{Group, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let group: Group<u32> = pool.group();
    /// group.submit(|| 6 * 7)?;
    /// assert_eq!(group.join()?, [42]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is shut down or full, or in a forked child.
    /// [`Pool::execute`] lists the reasons.
    pub fn submit<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.add(task, Ok)
    }

    /// Adds a task that returns a [`Result`]. An error is a failure of the task.
    ///
    /// A group that is cancelled accepts the task, which then never starts.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let group = pool.group();
    /// group.submit_fallible(|| "42".parse::<u32>())?;
    /// assert_eq!(group.join()?, [42]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`SubmitError`] returns the task if the pool is shut down or full, or in a forked child.
    /// [`Pool::execute`] lists the reasons.
    pub fn submit_fallible<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        self.add(task, |result| result)
    }

    fn add<F, R, C>(&self, task: F, convert: C) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
        C: FnOnce(R) -> Result<T, E> + Send + 'static,
    {
        let conditions = Conditions { deadline: None, token: Some(self.token()) };
        let options = TaskOptions { conditions, ..TaskOptions::default() };
        // Before the lock is taken, because this may wait.
        let (admitted, permit) = match admission::admit_with(&*self.intake, &options) {
            Ok(admitted) => admitted,
            Err(kind) => return Err(admission::refuse(&self.intake, task, kind)),
        };
        // The lock is held while the task is queued, so that the list has the order of the pool. The task
        // does not run under the lock.
        let mut list = lock(&self.shared.state);
        let stop = StopOnFailure { token: list.stop.clone(), is_armed: false };
        let adapter = GroupTask { convert, stop };
        let pool = self.intake.handle_pool_id();
        let pack = |task, extras, conditions| pack::pack_adapted(pool, task, adapter, extras, conditions);
        let submitted = single::finish_submit_packed(&*self.intake, admitted, permit, options, task, pack);
        let submitted = submitted.map(|Submission { handle, rest }| {
            list.handles.push_back(handle);
            rest
        });
        drop(list);
        submitted.inspect_err(|_| admitted.go_on())?.finish(&*self.intake, admitted);
        Ok(())
    }

    /// Cancels the tasks that have not started, and all tasks that are added later. Running tasks may ask the
    /// [token](Group::token).
    ///
    /// ```
    /// use longshore::{Group, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let group: Group<u32> = pool.group();
    /// group.cancel();
    /// group.submit(|| 6 * 7)?;
    /// assert!(group.join().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) {
        self.shared.token.cancel();
    }

    /// Returns the token of the group, which tells a running task whether the group is cancelled.
    ///
    /// ```
    /// use longshore::{Group, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let group: Group<()> = pool.group();
    /// let token = group.token();
    /// group.submit(move || {
    ///     while !token.is_cancelled() {
    ///         std::thread::yield_now(); // a step of the work
    ///     }
    /// })?;
    /// group.cancel();
    /// let _ = group.join(); // the task has stopped, or has never started
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn token(&self) -> CancelToken {
        self.shared.token.clone()
    }

    /// Waits for all tasks, including tasks that are added meanwhile, and returns their results in the order
    /// of submission.
    ///
    /// Each result is returned once. Concurrent calls divide the results between them.
    ///
    /// ```
    /// use longshore::{Group, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let group: Group<u32> = pool.group();
    /// let inner = group.clone();
    /// group.submit(move || {
    ///     inner.submit(|| 2).expect("the pool is open");
    ///     1
    /// })?;
    /// assert_eq!(group.join()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A [`GroupError`] with the first task, in the order of submission, that returned an error, panicked,
    /// expired or was dropped. If there is none, the first task that was cancelled. All tasks have been
    /// joined, and their results are lost.
    pub fn join(&self) -> Result<Vec<T>, GroupError<E>> {
        let mut results = Vec::new();
        let mut failure: Option<GroupError<E>> = None;
        while let Some((index, result)) = self.join_next() {
            match result {
                Ok(result) => results.push(result),
                Err(error) => {
                    let outweighs =
                        |known: &GroupError<E>| known.error.is_consequence() && !error.is_consequence();
                    if failure.as_ref().is_none_or(outweighs) {
                        failure = Some(GroupError { index, error });
                    }
                }
            }
        }
        failure.map_or(Ok(results), Err)
    }

    /// Waits for all tasks, including tasks that are added meanwhile, and returns the result or the error of
    /// each, in the order of submission.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let group = pool.group();
    /// for text in ["1", "two", "3"] {
    ///     group.submit_fallible(move || text.parse::<u32>())?;
    /// }
    /// let good = group.join_all().into_iter().filter_map(Result::ok);
    /// assert_eq!(good.collect::<Vec<_>>(), [1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_all(&self) -> Vec<Result<T, TaskError<E>>> {
        std::iter::from_fn(|| self.join_next()).map(|(_, result)| result).collect()
    }

    /// Joins the first task that is not joined yet. Returns its number and its result.
    fn join_next(&self) -> Option<(usize, Result<T, TaskError<E>>)> {
        let (index, handle) = {
            let mut list = lock(&self.shared.state);
            let handle = list.handles.pop_front()?;
            list.joined += 1;
            (list.joined - 1, handle)
        };
        let result = match handle.join() {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(TaskError::Failed(error)),
            Err(error) => Err(TaskError::NotFinished(error)),
        };
        Some((index, result))
    }
}

impl<T, E, P: SubmitTarget> Clone for Group<T, E, P> {
    fn clone(&self) -> Self {
        Group { intake: self.intake.clone(), shared: self.shared.clone() }
    }
}

impl<T, E, P: SubmitTarget> fmt::Debug for Group<T, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = lock(&self.shared.state);
        f.debug_struct("Group")
            .field("joined", &list.joined)
            .field("to_join", &list.handles.len())
            .field("token", &self.shared.token)
            .finish_non_exhaustive()
    }
}

/// Why a task of a [`Group`] has no result.
#[derive(Debug)]
pub enum TaskError<E> {
    /// The task returned this error.
    Failed(E),
    /// The task panicked, or never ran.
    NotFinished(JoinError),
}

impl<E> TaskError<E> {
    /// Returns whether the task was cancelled, so that the failure of another task is the cause.
    fn is_consequence(&self) -> bool {
        matches!(self, TaskError::NotFinished(error) if error.is_cancelled())
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Failed(error) => error.fmt(f),
            TaskError::NotFinished(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TaskError::Failed(error) => error.source(),
            TaskError::NotFinished(error) => error.source(),
        }
    }
}

/// The first failure of a [`Group`]. Returned by [`Group::join`].
#[derive(Debug)]
pub struct GroupError<E> {
    /// The number of the failed task, from 0 in the order of submission.
    pub index: usize,
    /// Why it has no result.
    pub error: TaskError<E>,
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} of the group: {}", self.index, self.error)
    }
}

impl<E: Error + 'static> Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The output adapter of one task of a group.
struct GroupTask<C> {
    /// Makes a [`Result`] of what the closure returns.
    convert: C,
    stop: StopOnFailure,
}

/// Cancels the group when it is dropped while armed: the task has panicked or failed.
struct StopOnFailure {
    /// The token of a group that stops at the first failure.
    token: Option<CancelToken>,
    is_armed: bool,
}

impl Drop for StopOnFailure {
    fn drop(&mut self) {
        if let Some(token) = self.token.as_ref().filter(|_| self.is_armed) {
            token.cancel();
        }
    }
}

impl<C, R, T, E> OutputAdapter<R> for GroupTask<C>
where
    C: FnOnce(R) -> Result<T, E> + Send,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Result<T, E>;

    fn start(&mut self) {
        self.stop.is_armed = true;
    }

    fn adapt(mut self, output: R) -> Result<T, E> {
        let result = (self.convert)(output);
        self.stop.is_armed = result.is_err();
        result
    }

    fn has_failed(output: &Result<T, E>) -> bool {
        output.is_err()
    }
}

/// Groups of a pool.
impl Pool {
    /// Makes an empty [`Group`] of tasks.
    ///
    /// ```
    /// use longshore::{Group, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let group: Group<u32> = pool.group();
    /// group.submit(|| 6 * 7)?;
    /// assert_eq!(group.join()?, [42]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group<T, E>(&self) -> Group<T, E, Pool>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }
}
