//! Every error of the library: what went wrong, and the value or the closure it is about.

use std::any::Any;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

/// What a task, or a hook, panicked with.
#[derive(Debug)]
pub struct PanicPayload {
    message: Option<String>,
    /// In a lock only to be `Sync`, which errors are expected to be.
    payload: Mutex<Box<dyn Any + Send>>,
}

impl PanicPayload {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(text) => Some((*text).to_owned()),
            None => payload.downcast_ref::<String>().cloned(),
        };
        PanicPayload { message, payload: Mutex::new(payload) }
    }

    /// The message, if the panic had one (as those of `panic!` do).
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The payload itself, for example for [`std::panic::resume_unwind`].
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().unwrap_or("a payload that is not a message"))
    }
}

/// Why [`PoolBuilder::build`](crate::PoolBuilder::build) made no pool. No thread is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A pool of no workers was asked for.
    ZeroWorkers,
    /// A lane was asked for that never runs anything.
    ZeroLimit,
    /// More workers than the library is willing to start.
    TooManyWorkers {
        /// What was asked for.
        asked: usize,
        /// [`MAX_WORKERS`](crate::MAX_WORKERS).
        max: usize,
    },
    /// A range of workers whose least is above its most.
    EmptyRange {
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// The environment variable `LONGSHORE_THREADS` does not hold a number of workers.
    InvalidEnvironment {
        /// What it holds.
        value: String,
    },
    /// A thread name with a NUL character, which no operating system takes.
    InvalidThreadName {
        /// The name.
        name: String,
    },
    /// A stack size above what is sensible; the operating system would only say that it has no resources.
    StackTooLarge {
        /// What was asked for, in bytes.
        asked: usize,
        /// [`MAX_STACK_SIZE`](crate::MAX_STACK_SIZE).
        max: usize,
    },
    /// More tasks shall be able to wait than the library counts.
    CapacityTooLarge {
        /// What was asked for.
        asked: usize,
        /// [`MAX_CAPACITY`](crate::MAX_CAPACITY).
        max: usize,
    },
    /// A budget of 0 was asked for, in which no task with a weight ever fits.
    ZeroBudget,
    /// `Pinning::Cores` with an empty list.
    NoCores,
    /// A core that `Pinning::Cores` names twice.
    DuplicateCore {
        /// The core.
        core: usize,
    },
    /// A core that this process may not run on, or that does not exist.
    CoreNotAllowed {
        /// The core.
        core: usize,
    },
    /// The operating system refused a thread. The workers before it were stopped and joined.
    Spawn {
        /// The number of the worker that could not be started.
        worker: usize,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused the thread that has an elastic pool grow. The workers were stopped and joined.
    SpawnAutoscaler {
        /// What the operating system said.
        source: io::Error,
    },
    /// More workers that stand in for blocked ones than the library is willing to start.
    TooManyStandIns {
        /// What was asked for.
        asked: usize,
        /// [`MAX_WORKERS`](crate::MAX_WORKERS).
        max: usize,
    },
    /// The start hook panicked on this worker. All workers were stopped and joined.
    StartHookPanicked {
        /// The number of the worker.
        worker: usize,
        /// What the hook panicked with.
        payload: PanicPayload,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::ZeroWorkers => f.write_str("a pool needs at least one worker, 0 were asked for"),
            BuildError::ZeroLimit => f.write_str("a lane must let at least one task run, 0 were asked for"),
            BuildError::TooManyWorkers { asked, max } => {
                write!(f, "{asked} workers were asked for, the limit is {max}")
            }
            BuildError::EmptyRange { min, max } => {
                write!(f, "a range of workers from {min} to {max} holds no number")
            }
            BuildError::SpawnAutoscaler { source } => {
                write!(f, "the thread that has the pool grow could not be started: {source}")
            }
            BuildError::TooManyStandIns { asked, max } => {
                write!(f, "{asked} workers to stand in for others were asked for, the limit is {max}")
            }
            BuildError::InvalidEnvironment { value } => {
                write!(f, "LONGSHORE_THREADS is {value:?}, not a number of workers from 1 to 4096")
            }
            BuildError::InvalidThreadName { name } => {
                write!(f, "the thread name {name:?} has a NUL character in it")
            }
            BuildError::StackTooLarge { asked, max } => {
                write!(f, "a stack of {asked} bytes was asked for, the limit is {max}")
            }
            BuildError::CapacityTooLarge { asked, max } => {
                write!(f, "a queue for {asked} tasks was asked for, the limit is {max}")
            }
            BuildError::ZeroBudget => f.write_str("a budget of 0 was asked for, in which no task fits"),
            BuildError::NoCores => f.write_str("the list of cores to pin to is empty"),
            BuildError::DuplicateCore { core } => write!(f, "core {core} is named twice"),
            BuildError::CoreNotAllowed { core } => {
                write!(f, "core {core} is not one that this process may run on")
            }
            BuildError::Spawn { worker, source } => {
                write!(f, "the thread of worker {worker} could not be started: {source}")
            }
            BuildError::StartHookPanicked { worker, payload } => {
                write!(f, "the start hook panicked on worker {worker}: {payload}")
            }
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Spawn { source, .. } | BuildError::SpawnAutoscaler { source } => Some(source),
            _ => None,
        }
    }
}

/// Why the number of workers was not changed, or not as far as was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResizeError {
    /// A pool of no workers was asked for.
    ZeroWorkers,
    /// A range of workers whose least is above its most.
    EmptyRange {
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// More workers than the pool was built for.
    AboveMaximum {
        /// What was asked for.
        asked: usize,
        /// What it was built for.
        max: usize,
    },
    /// The pool is shutting down, or has.
    Closed,
    /// This process is a fork of the one that built the pool; the workers exist only there.
    Forked,
    /// The operating system refused a thread. The pool goes on with those it has; the same call again tries again.
    Spawn {
        /// Workers that it has now.
        live: usize,
        /// What the operating system said.
        source: io::Error,
    },
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResizeError::ZeroWorkers => f.write_str("a pool needs at least one worker, 0 were asked for"),
            ResizeError::EmptyRange { min, max } => {
                write!(f, "a range of workers from {min} to {max} holds no number")
            }
            ResizeError::AboveMaximum { asked, max } => {
                write!(f, "{asked} workers were asked for, the pool was built for at most {max}")
            }
            ResizeError::Closed => f.write_str("the pool is shut down"),
            ResizeError::Forked => f.write_str("the pool belongs to the parent of this forked process"),
            ResizeError::Spawn { live, source } => {
                write!(f, "a thread could not be started, the pool goes on with {live} workers: {source}")
            }
        }
    }
}

impl Error for ResizeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ResizeError::Spawn { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a task was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitErrorKind {
    /// The pool is shutting down, or has.
    Closed,
    /// There is no room: as many tasks wait as may.
    Full,
    /// This process is a fork of the one that built the pool; the workers exist only there.
    Forked,
    /// The pool has no worker of this number.
    NoSuchWorker {
        /// The number that was asked for.
        worker: usize,
    },
    /// [`execute`](crate::execute) or [`submit`](crate::submit) was called outside of every pool.
    NoPool,
    /// There was no room, and none came in the time that the caller would wait.
    TimedOut,
    /// The task weighs more than the pool's whole [budget](crate::PoolBuilder::budget).
    Overweight,
}

impl fmt::Display for SubmitErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SubmitErrorKind::Closed => "the pool is shut down",
            SubmitErrorKind::Full => "the queue is full",
            SubmitErrorKind::Forked => "the pool belongs to the parent of this forked process",
            SubmitErrorKind::NoSuchWorker { worker } => return write!(f, "the pool has no worker {worker}"),
            SubmitErrorKind::NoPool => "this thread is not a worker of any pool",
            SubmitErrorKind::TimedOut => "the queue was full for the whole time",
            SubmitErrorKind::Overweight => "the task weighs more than the budget of the pool",
        })
    }
}

/// A task that was not accepted comes back with the reason.
pub struct SubmitError<F> {
    /// The closure, as it was given.
    pub task: F,
    /// Why it was refused.
    pub kind: SubmitErrorKind,
}

impl<F> SubmitError<F> {
    /// The closure, as it was given.
    pub fn into_inner(self) -> F {
        self.task
    }
}

impl<F> fmt::Debug for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<F> fmt::Display for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task was not accepted: {}", self.kind)
    }
}

impl<F> Error for SubmitError<F> {}

/// A batch of which not all was accepted.
pub struct BatchError<F, H> {
    /// What was accepted, the first of the batch: these tasks run. Handles, or `()` for each task without one.
    pub accepted: Vec<H>,
    /// The closures that were not accepted, in order.
    pub rejected: Vec<F>,
    /// Why.
    pub kind: SubmitErrorKind,
}

impl<F, H> fmt::Debug for BatchError<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchError")
            .field("accepted", &self.accepted.len())
            .field("rejected", &self.rejected.len())
            .field("kind", &self.kind)
            .finish()
    }
}

impl<F, H> fmt::Display for BatchError<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accepted, rejected) = (self.accepted.len(), self.rejected.len());
        write!(f, "{rejected} of {} tasks were not accepted: {}", accepted + rejected, self.kind)
    }
}

impl<F, H> Error for BatchError<F, H> {}

/// Why a handle has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// The task panicked.
    Panicked(PanicPayload),
    /// The task never ran: it was cancelled by its handle or a token, or thrown away by a purge or a shutdown.
    Cancelled,
    /// The task never ran: its deadline came first.
    Expired,
    /// The task never ran: there was no room for it, and its pool drops tasks then.
    Dropped,
    /// This process is a fork of the one that the task was submitted in; it will never run here.
    Forked,
    /// The result was taken by an earlier call.
    Taken,
    /// A chain of tasks that wait for each other has used up the worker's stack, and the operating system gave no
    /// further thread to continue on. The task waited for still runs.
    NoStack(io::Error),
}

impl JoinError {
    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JoinError::Cancelled)
    }

    /// Whether the task never began: cancelled, expired or dropped.
    pub fn never_ran(&self) -> bool {
        matches!(self, JoinError::Cancelled | JoinError::Expired | JoinError::Dropped)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }

    /// Goes on with the task's panic, if that is what happened; else panics with this error.
    ///
    /// # Panics
    /// Always.
    pub fn resume(self) -> ! {
        match self {
            JoinError::Panicked(payload) => std::panic::resume_unwind(payload.into_inner()),
            other => panic!("{other}"),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Panicked(payload) => write!(f, "the task panicked: {payload}"),
            JoinError::Cancelled => f.write_str("the task was cancelled before it started"),
            JoinError::Expired => f.write_str("the deadline came before the task had started"),
            JoinError::Dropped => f.write_str("the task was dropped, for the pool was full"),
            JoinError::Forked => f.write_str("the task belongs to the parent of this forked process"),
            JoinError::Taken => f.write_str("the result was taken before"),
            JoinError::NoStack(source) => {
                write!(
                    f,
                    "the worker's stack is used up and no thread to continue on was to be had: {source}"
                )
            }
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            JoinError::NoStack(source) => Some(source),
            _ => None,
        }
    }
}

/// Why a shutdown did not (yet) end the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// Called by a task or hook of this very pool, which would wait for itself.
    FromWorker,
    /// The time was not enough. The pool is closed and goes on draining.
    TimedOut,
    /// This process is a fork of the one that built the pool; there is nothing to shut down here.
    Forked,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShutdownError::FromWorker => "a pool cannot be shut down by one of its own workers",
            ShutdownError::TimedOut => "the pool still works on accepted tasks",
            ShutdownError::Forked => "the pool belongs to the parent of this forked process",
        })
    }
}

impl Error for ShutdownError {}
