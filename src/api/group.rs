//! [`Group`]: many tasks with one end, whose results come in the order of their submission.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::api::pool::Pool;
use crate::base::error::{JoinError, SubmitError};
use crate::base::facade::{Mutex, lock};
use crate::submit::admission;
use crate::submit::envelope::OutputAdapter;
use crate::submit::handle::JoinHandle;
use crate::submit::options::TaskOptions;
use crate::submit::single::{self, Submission};
use crate::submit::target::SubmitTarget;
use crate::task::cancel::CancelToken;
use crate::task::conditions::Conditions;

/// Tasks that belong together: wait for all of them, get their results in the order of submission, and, by choice, stop at
/// the first that fails.
///
/// Clones are the same group, so that its tasks may add tasks to it: a recursion ends exactly when
/// [`Group::join`] returns. The group keeps a handle and a result for each task until it is joined; for millions of tasks
/// whose results nobody wants a [`scope`](crate::scope()) is lighter. Of a [`Lane`](crate::Lane) a group has bounded concurrency.
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
    members: Arc<GroupShared<T, E>>,
}

struct GroupShared<T, E> {
    token: CancelToken,
    list: Mutex<GroupState<T, E>>,
}

struct GroupState<T, E> {
    /// What the end of a failed task does to the others.
    on_failure: OnFailure,
    /// Those that nobody has joined, in the order of submission.
    handles: VecDeque<JoinHandle<Result<T, E>>>,
    /// Tasks joined before them.
    joined: usize,
}

#[derive(Debug, Clone, Copy)]
enum OnFailure {
    GoOn,
    Stop,
}

impl<T, E, P> Group<T, E, P>
where
    T: Send + 'static,
    E: Send + 'static,
    P: SubmitTarget,
{
    pub(crate) fn new(target: &P) -> Self {
        let list = GroupState { on_failure: OnFailure::GoOn, handles: VecDeque::new(), joined: 0 };
        Group {
            intake: target.intake().clone(),
            members: Arc::new(GroupShared { token: CancelToken::new(), list: Mutex::new(list) }),
        }
    }

    /// From now on the first task that panics or returns an error cancels those that have not begun. Those that run are
    /// awaited all the same; they may ask the group's [token](Group::token).
    pub fn stop_at_first_failure(self) -> Self {
        lock(&self.members.list).on_failure = OnFailure::Stop;
        self
    }

    /// Adds a task. It cannot fail but by a panic.
    ///
    /// # Errors
    /// As [`Pool::submit`]. Added to a group that has been cancelled a task is accepted, and never begins.
    pub fn submit<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        self.add(task, Succeeds(PhantomData))
    }

    /// Adds a task whose error is a failure.
    ///
    /// # Errors
    /// As for [`Group::submit`].
    pub fn submit_fallible<F>(&self, task: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        self.add(task, MayFail)
    }

    fn add<F, R, V>(&self, task: F, verdict: V) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
        V: GroupOutput<R, Value = T, Error = E> + Send + 'static,
    {
        let token = self.members.token.clone();
        let conditions = Conditions { deadline: None, token: Some(token.clone()) };
        let options = TaskOptions { conditions, ..TaskOptions::default() };
        // Before the lock, because this may wait.
        let (admitted, permit) = match admission::admit_with(&*self.intake, &options) {
            Ok(admitted) => admitted,
            Err(kind) => return Err(SubmitError { task, kind }),
        };
        // Held over the submission, so that the order of the list is that of the pool. No user code runs under it.
        let mut list = lock(&self.members.list);
        let stop = match list.on_failure {
            OnFailure::GoOn => None,
            OnFailure::Stop => Some(token),
        };
        let adapter = GroupTask { verdict, stop: StopOnFailure { token: stop, is_armed: false } };
        let Submission { handle, left } =
            single::finish_submit_adapted(&*self.intake, admitted, permit, options, task, adapter)?;
        list.handles.push_back(handle);
        drop(list);
        left.into_iter().for_each(|task| admission::run_or_drop(&*self.intake, admitted, task));
        Ok(())
    }

    /// Cancels the tasks that have not begun.
    pub fn cancel(&self) {
        self.members.token.cancel();
    }

    /// The token of the group, for its tasks to ask whether to go on.
    pub fn token(&self) -> CancelToken {
        self.members.token.clone()
    }

    /// Waits for all tasks, those included that are added meanwhile, and returns their results in the order of submission.
    /// Calls at the same time share the results between them.
    ///
    /// # Errors
    /// The failure of the first task, in the order of submission, that failed by itself; of one that was cancelled, if there
    /// is no other. All have been awaited by then, and the other results are gone.
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

    /// Waits for all tasks as [`Group::join`] does, and returns what became of each, in the order of submission.
    pub fn join_all(&self) -> Vec<Result<T, TaskError<E>>> {
        std::iter::from_fn(|| self.join_next()).map(|(_, result)| result).collect()
    }

    /// The result of the first that nobody has joined.
    fn join_next(&self) -> Option<(usize, Result<T, TaskError<E>>)> {
        let (index, handle) = {
            let mut list = lock(&self.members.list);
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
        Group { intake: self.intake.clone(), members: self.members.clone() }
    }
}

impl<T, E, P: SubmitTarget> fmt::Debug for Group<T, E, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = lock(&self.members.list);
        f.debug_struct("Group")
            .field("joined", &list.joined)
            .field("to_join", &list.handles.len())
            .field("token", &self.members.token)
            .finish_non_exhaustive()
    }
}

/// Why a task of a group has no result.
#[derive(Debug)]
pub enum TaskError<E> {
    /// It returned this error.
    Failed(E),
    /// It panicked, or never ran.
    NotFinished(JoinError),
}

impl<E> TaskError<E> {
    /// Whether it is the group's end that kept the task from running, and not the task itself that failed.
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

/// The first failure in a group.
#[derive(Debug)]
pub struct GroupError<E> {
    /// The number of the task, from 0 in the order of submission.
    pub index: usize,
    /// What happened to it.
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

/// What a task's output means.
trait GroupOutput<R> {
    type Value;
    type Error;

    fn result(self, output: R) -> Result<Self::Value, Self::Error>;
}

/// Whatever is returned is a result.
struct Succeeds<E>(PhantomData<fn() -> E>);

impl<T, E> GroupOutput<T> for Succeeds<E> {
    type Value = T;
    type Error = E;

    fn result(self, output: T) -> Result<T, E> {
        Ok(output)
    }
}

/// An error is a failure.
struct MayFail;

impl<T, E> GroupOutput<Result<T, E>> for MayFail {
    type Value = T;
    type Error = E;

    fn result(self, output: Result<T, E>) -> Result<T, E> {
        output
    }
}

/// One task's place in its group.
struct GroupTask<V> {
    verdict: V,
    stop: StopOnFailure,
}

/// Cancels the group unless it is told that the task went well.
struct StopOnFailure {
    token: Option<CancelToken>,
    is_armed: bool,
}

impl Drop for StopOnFailure {
    fn drop(&mut self) {
        if self.is_armed
            && let Some(token) = &self.token
        {
            token.cancel();
        }
    }
}

impl<V, R> OutputAdapter<R> for GroupTask<V>
where
    V: GroupOutput<R, Value: Send + 'static, Error: Send + 'static> + Send,
{
    type Output = Result<V::Value, V::Error>;

    fn start(&mut self) {
        self.stop.is_armed = true;
    }

    fn adapt(mut self, output: R) -> Self::Output {
        let result = self.verdict.result(output);
        self.stop.is_armed = result.is_err();
        result
    }

    fn has_failed(output: &Self::Output) -> bool {
        output.is_err()
    }
}

/// Groups of a pool.
impl Pool {
    /// Tasks that belong together; see [`Group`].
    pub fn group<T, E>(&self) -> Group<T, E, Pool>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Group::new(self)
    }
}
