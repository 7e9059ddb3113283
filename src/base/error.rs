//! Every error of the library: what went wrong, and the value or the closure concerned.
//!
//! Plain values that move to the caller; all are public. Each message names the offending value. Guarded by
//! `tests/it/behaviour/bad_input.rs` and, for each error, by the test of the call that returns it.

use std::any::Any;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

use crate::base::record_error::RecordError;

/// The payload of a panic in a task or a hook.
#[derive(Debug)]
pub struct PanicPayload {
    message: Option<String>,
    /// In a lock only to be `Sync`, because errors are expected to be `Sync`.
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

    /// The message, if the payload is a string (as with `panic!`).
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The payload, for example for [`std::panic::resume_unwind`].
    pub fn into_inner(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().unwrap_or("a payload that is not a string"))
    }
}

const ZERO_WORKERS: &str = "a pool needs at least one worker, 0 were requested";
const SHUT_DOWN: &str = "the pool is shut down";
const FORKED: &str = "the pool belongs to the parent of this forked process";

fn empty_range(f: &mut fmt::Formatter<'_>, min: usize, max: usize) -> fmt::Result {
    write!(f, "a range of workers from {min} to {max} contains no number")
}

/// Why [`PoolBuilder::build`](crate::PoolBuilder::build) built no pool. No thread of it is left running.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The requested number of workers is 0.
    ZeroWorkers,
    /// The requested limit of a lane is 0, so its tasks would never run.
    ZeroLimit,
    /// The requested number of workers is above the limit.
    TooManyWorkers {
        /// The requested number.
        asked: usize,
        /// [`MAX_WORKERS`](crate::MAX_WORKERS).
        max: usize,
    },
    /// The range of workers is empty: its minimum is above its maximum.
    EmptyRange {
        /// The minimum.
        min: usize,
        /// The maximum.
        max: usize,
    },
    /// The environment variable `LONGSHORE_THREADS` does not hold a number of workers.
    InvalidEnvironment {
        /// The name of the variable.
        variable: &'static str,
        /// The value of the variable.
        value: String,
    },
    /// The thread name contains a NUL character, which no operating system accepts.
    InvalidThreadName {
        /// The name.
        name: String,
    },
    /// The requested stack size is above the limit. (The operating system would only report a lack of
    /// resources.)
    StackTooLarge {
        /// The requested size in bytes.
        asked: usize,
        /// [`MAX_STACK_SIZE`](crate::MAX_STACK_SIZE).
        max: usize,
    },
    /// The requested queue capacity is above the limit.
    CapacityTooLarge {
        /// The requested number.
        asked: usize,
        /// [`MAX_CAPACITY`](crate::MAX_CAPACITY).
        max: usize,
    },
    /// The requested budget is 0, in which no task with a weight ever fits.
    ZeroBudget,
    /// The platform has no clock, which a pool needs: WebAssembly without WASI.
    NoClock,
    /// The list in `Pinning::Cores` is empty.
    NoCores,
    /// `Pinning::Cores` names a core twice.
    DuplicateCore {
        /// The number of the core.
        core: usize,
    },
    /// `Pinning::Cores` names a core on which this process may not run, or which does not exist.
    CoreNotAllowed {
        /// The number of the core.
        core: usize,
    },
    /// The operating system refused to start a thread. The workers before it were stopped and joined.
    Spawn {
        /// The number of the worker without a thread.
        worker: usize,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system refused to start the autoscaler thread of an elastic pool. The workers were
    /// stopped and joined.
    SpawnAutoscaler {
        /// The error of the operating system.
        source: io::Error,
    },
    /// The requested number of stand-ins for blocked workers is above the limit.
    TooManyStandIns {
        /// The requested number.
        asked: usize,
        /// [`MAX_WORKERS`](crate::MAX_WORKERS).
        max: usize,
    },
    /// The process has a [global pool](crate::Pool::global) already, because
    /// [`build_global`](crate::PoolBuilder::build_global) was called before, or because the pool was used.
    GlobalExists,
    /// The start hook panicked on a worker. All workers were stopped and joined.
    StartHookPanicked {
        /// The number of the worker.
        worker: usize,
        /// The payload of the panic.
        payload: PanicPayload,
    },
    /// The [recorder](crate::PoolBuilder::recorder) could not begin.
    Recorder {
        /// The reason.
        source: RecordError,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroWorkers => f.write_str(ZERO_WORKERS),
            Self::ZeroLimit => f.write_str("a lane must allow at least one task to run; the limit is 0"),
            Self::TooManyWorkers { asked, max } => write!(f, "{asked} workers requested, the limit is {max}"),
            Self::EmptyRange { min, max } => empty_range(f, *min, *max),
            Self::SpawnAutoscaler { source } => write!(f, "the autoscaler could not be started: {source}"),
            Self::TooManyStandIns { asked, max } => {
                write!(f, "{asked} stand-ins requested, the limit is {max}")
            }
            Self::InvalidEnvironment { variable, value } => {
                write!(f, "{variable} is {value:?}, not a number of workers from 1 to 4096")
            }
            Self::InvalidThreadName { name } => {
                write!(f, "the thread name {name:?} contains a NUL character")
            }
            Self::StackTooLarge { asked, max } => write!(f, "stack of {asked} bytes, the limit is {max}"),
            Self::CapacityTooLarge { asked, max } => write!(f, "queue for {asked} tasks, the limit is {max}"),
            Self::ZeroBudget => f.write_str("no task fits into a budget of 0"),
            Self::GlobalExists => {
                f.write_str("there is a global pool already, built or used before this call")
            }
            Self::NoClock => f.write_str("a pool needs a clock, and this platform has none"),
            Self::NoCores => f.write_str("the list of cores to pin to is empty"),
            Self::DuplicateCore { core } => write!(f, "core {core} is named twice"),
            Self::CoreNotAllowed { core } => write!(f, "this process may not run on core {core}"),
            Self::Spawn { worker, source } => {
                write!(f, "worker {worker} could not be started: {source}")?;
                if source.kind() == io::ErrorKind::Unsupported {
                    f.write_str("; this platform starts no threads, and `in_caller` makes a pool without")?;
                }
                Ok(())
            }
            Self::StartHookPanicked { worker, payload } => {
                write!(f, "the start hook panicked on worker {worker}: {payload}")
            }
            Self::Recorder { source } => write!(f, "the pool cannot be recorded: {source}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn { source, .. } | Self::SpawnAutoscaler { source } => Some(source),
            Self::Recorder { source } => Some(source),
            _ => None,
        }
    }
}

/// Why the number of workers was not changed, or only in part.
#[derive(Debug)]
#[non_exhaustive]
pub enum ResizeError {
    /// The requested number of workers is 0.
    ZeroWorkers,
    /// The range of workers is empty: its minimum is above its maximum.
    EmptyRange {
        /// The minimum.
        min: usize,
        /// The maximum.
        max: usize,
    },
    /// The requested number of workers is above what the pool was built for.
    AboveMaximum {
        /// The requested number.
        asked: usize,
        /// The maximum that the pool was built for.
        max: usize,
    },
    /// The pool is shutting down or has ended.
    Closed,
    /// This process is a fork of the process that built the pool. The workers exist only in that process.
    Forked,
    /// The operating system refused to start a thread. The pool continues with the workers that it has; the
    /// same call tries again.
    Spawn {
        /// The number of workers now.
        live: usize,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl fmt::Display for ResizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroWorkers => f.write_str(ZERO_WORKERS),
            Self::EmptyRange { min, max } => empty_range(f, *min, *max),
            Self::AboveMaximum { asked, max } => write!(f, "{asked} workers requested, the maximum is {max}"),
            Self::Closed => f.write_str(SHUT_DOWN),
            Self::Forked => f.write_str(FORKED),
            Self::Spawn { live, source } => {
                write!(f, "a thread could not be started, the pool continues with {live} workers: {source}")
            }
        }
    }
}

impl Error for ResizeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spawn { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a task was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitErrorKind {
    /// The pool is shutting down or has ended.
    Closed,
    /// The pool is full: the number of waiting tasks has reached its capacity.
    Full,
    /// This process is a fork of the process that built the pool. The workers exist only in that process.
    Forked,
    /// The pool has no worker of this number.
    NoSuchWorker {
        /// The requested number.
        worker: usize,
    },
    /// [`execute`](crate::execute) or [`submit`](crate::submit) was called outside of every pool, and the
    /// [global pool](crate::Pool::global) cannot be built; or on the thread of a worker that has left its
    /// pool.
    NoPool,
    /// The pool stayed full for as long as the caller was willing to wait.
    TimedOut,
    /// The task's weight is above the whole [budget](crate::PoolBuilder::budget) of the pool.
    Overweight {
        /// The task's weight.
        weight: u64,
        /// The pool's budget.
        budget: u64,
    },
}

impl fmt::Display for SubmitErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => SHUT_DOWN,
            Self::Full => "the queue is full",
            Self::Forked => FORKED,
            Self::NoSuchWorker { worker } => return write!(f, "the pool has no worker {worker}"),
            Self::NoPool => {
                "this thread has no pool, and the global pool cannot be used (`Pool::global()` says why)"
            }
            Self::TimedOut => "the queue was full for the whole time",
            Self::Overweight { weight, budget } => {
                return write!(f, "the task weighs {weight}, and the whole budget of the pool is {budget}");
            }
        })
    }
}

/// A task that was not accepted: its closure, and the reason.
///
/// The error is `Sync` and unwind-safe whatever the closure captures, because the closure can only be moved
/// out of it. So `?` converts the error into `Box<dyn Error + Send + Sync>` and the like.
///
/// ```
/// use std::error::Error;
/// use std::sync::mpsc::Receiver;
///
/// fn print_on(pool: &longshore::Pool, numbers: Receiver<u32>) -> Result<(), Box<dyn Error + Send + Sync>> {
///     pool.execute(move || numbers.iter().for_each(|n| println!("{n}")))?; // a `Receiver` is not `Sync`
///     Ok(())
/// }
/// # let pool = longshore::Pool::new()?;
/// # print_on(&pool, std::sync::mpsc::channel().1).expect("accepted");
/// # Ok::<(), longshore::BuildError>(())
/// ```
pub struct SubmitError<F> {
    /// The closure, in a lock only to be `Sync`.
    task: Mutex<F>,
    /// Why the task was refused.
    pub kind: SubmitErrorKind,
}

impl<F> SubmitError<F> {
    #[cold]
    pub(crate) fn new(task: F, kind: SubmitErrorKind) -> Self {
        SubmitError { task: Mutex::new(task), kind }
    }

    /// The closure, as it was passed.
    pub fn into_inner(self) -> F {
        self.task.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The closure, as it was passed, and the reason.
    pub fn into_parts(self) -> (F, SubmitErrorKind) {
        let kind = self.kind;
        (self.into_inner(), kind)
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

/// A batch of which only a part was accepted, or no task.
///
/// Like a [`SubmitError`], the error is `Sync` whatever the closures capture.
pub struct BatchError<F, H> {
    /// The accepted tasks, which are the first of the batch and will run: their handles, or `()` for each
    /// task without a handle.
    pub accepted: Vec<H>,
    /// The closures that were not accepted, in their order; in a lock only to be `Sync`.
    rejected: Mutex<Vec<F>>,
    /// Why the rest was refused.
    pub kind: SubmitErrorKind,
}

impl<F, H> BatchError<F, H> {
    #[cold]
    pub(crate) fn new(accepted: Vec<H>, rejected: Vec<F>, kind: SubmitErrorKind) -> Self {
        BatchError { accepted, rejected: Mutex::new(rejected), kind }
    }

    /// The number of closures that were not accepted.
    pub fn rejected(&self) -> usize {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The closures that were not accepted, in their order. If the iterator did not know how many were left
    /// (by an exact `size_hint`), only those that were drawn.
    pub fn into_rejected(self) -> Vec<F> {
        self.into_parts().1
    }

    /// What was accepted, and the closures that were not, each in their order.
    pub fn into_parts(self) -> (Vec<H>, Vec<F>) {
        (self.accepted, self.rejected.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F, H> fmt::Debug for BatchError<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchError")
            .field("accepted", &self.accepted.len())
            .field("rejected", &self.rejected())
            .field("kind", &self.kind)
            .finish()
    }
}

impl<F, H> fmt::Display for BatchError<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accepted, rejected) = (self.accepted.len(), self.rejected());
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
    /// The task never ran: it was cancelled by its handle or a token, or discarded by a purge or a shutdown.
    Cancelled,
    /// The task never ran: its deadline passed first.
    Expired,
    /// The task never ran: the pool was full, and its overflow policy drops tasks.
    Dropped,
    /// This process is a fork of the process in which the task was submitted. The task will never run here.
    Forked,
    /// The result was taken by an earlier call.
    Taken,
    /// A chain of tasks that wait for each other has used up the worker's stack, and the operating system
    /// refused to start a thread to continue on. The awaited task still runs.
    NoStack(io::Error),
}

impl JoinError {
    /// Whether the task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, JoinError::Cancelled)
    }

    /// Whether the task never started: it was cancelled, expired or dropped.
    pub fn never_ran(&self) -> bool {
        matches!(self, JoinError::Cancelled | JoinError::Expired | JoinError::Dropped)
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self, JoinError::Panicked(_))
    }

    /// Resumes the panic of the task, if it panicked; otherwise panics with this error as the message.
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
        f.write_str(match self {
            Self::Panicked(payload) => return write!(f, "the task panicked: {payload}"),
            Self::Cancelled => "the task was cancelled before it started",
            Self::Expired => "the deadline passed before the task started",
            Self::Dropped => "the task was dropped because the pool was full",
            Self::Forked => "the task belongs to the parent of this forked process",
            Self::Taken => "the result has been taken before",
            Self::NoStack(source) => {
                return write!(f, "the worker's stack is used up and no thread could be started: {source}");
            }
        })
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoStack(source) => Some(source),
            _ => None,
        }
    }
}

/// Why a wait for the rest of a pool ([`Pool::wait_idle`](crate::Pool::wait_idle)) ended without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdleError {
    /// The caller is a task or a hook of this pool, and would wait for itself.
    FromWorker,
    /// The time limit passed. There was no moment at which the pool had no task.
    TimedOut,
    /// This process is a fork of the process that built the pool. No task ends here.
    Forked,
}

impl fmt::Display for IdleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromWorker => "a task cannot wait until its own pool has no task",
            Self::TimedOut => "the pool had tasks for the whole time",
            Self::Forked => FORKED,
        })
    }
}

impl Error for IdleError {}

/// Why a shutdown has not (yet) ended the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownError {
    /// The caller is a task or a hook of this pool, or a destructor that a helper thread of this pool runs,
    /// and would wait for itself.
    FromWorker,
    /// The time limit passed. The pool is closed and still runs its accepted tasks.
    TimedOut,
    /// This process is a fork of the process that built the pool. There is nothing to shut down here.
    Forked,
    /// The calling thread is ending, and on Windows no other thread can start or end meanwhile. The pool is
    /// closed. It finishes the accepted tasks, and its threads end by themselves. A worker may not have
    /// started yet, and then starts when the calling thread has ended. So a thread that is ending must not
    /// wait for a result.
    ThreadEnding,
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromWorker => "a pool cannot be shut down by one of its own workers",
            Self::TimedOut => "the pool still runs accepted tasks",
            Self::Forked => FORKED,
            Self::ThreadEnding => "a thread that is ending cannot wait for the threads of a pool on Windows",
        })
    }
}

impl Error for ShutdownError {}
