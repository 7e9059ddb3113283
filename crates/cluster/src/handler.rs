//! What a handler gets and returns.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use longshore::CancelToken;

use crate::worker::desk::Desk;

/// What a job has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Bytes, for the statistics.
    pub bytes: u64,
}

impl Finished {
    /// With the number of bytes that it has made.
    pub fn bytes(bytes: u64) -> Finished {
        Finished { bytes }
    }
}

/// Why a job is not done. The kind decides what happens to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The job cannot be done, here or elsewhere (a damaged file): it becomes a dead letter at once.
    Job(String),
    /// Another attempt may do it: the job is tried again after a delay that grows, a limited number of times.
    /// A handler that panics counts as this.
    Attempt(String),
    /// This machine cannot do it (a full disk): the job goes back at once, for another worker, and this
    /// worker takes no jobs for a while, longer each time.
    Machine(String),
    /// The lease has run out, and the handler has written nothing: another worker has the job.
    Lost,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Job(text) | Fault::Attempt(text) | Fault::Machine(text) => f.write_str(text),
            Fault::Lost => f.write_str("the lease has run out"),
        }
    }
}

impl std::error::Error for Fault {}

/// What a handler may ask while it works on a job.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) desk: Arc<Desk>,
    pub(crate) serial: u64,
    pub(crate) attempt: u32,
    pub(crate) token: CancelToken,
}

impl Context {
    /// Whether the job still belongs to this worker. A handler asks this before it writes what it has made,
    /// and returns [`Fault::Lost`] if not: a machine that was cut off or stopped for longer than the lease
    /// then writes nothing, while another machine has the job.
    pub fn is_held(&self) -> bool {
        self.desk.is_held(self.serial)
    }

    /// Cancelled when the job has run for longer than the limit of the worker. The job is a dead letter then,
    /// and the handler should return as soon as it can.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// The number of this attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Waits until the token is cancelled or the time has passed; returns whether it was cancelled.
    pub fn wait(&self, time: Duration) -> bool {
        self.desk.wait_unless(time, &self.token)
    }
}
