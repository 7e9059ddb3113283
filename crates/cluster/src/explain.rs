//! Why a job is not running: what the broker and the workers know about it.

use std::fmt;

use serde::Serialize;

use crate::batch::{Batch, BatchError, note_key, read};
use crate::engine::{Place, Table};
use crate::id::JobId;
use crate::message::{Job, Note, Record};
use crate::status::Status;

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Explanation {
    /// It has ended: it is done, or a dead letter.
    Ended(Record),
    /// A worker has it.
    With {
        /// The worker's name.
        worker: String,
        /// Seconds for which it runs; 0 if it waits in the pool.
        seconds: f64,
        /// Whether the worker is silent: then another one gets the job when the lease has run out.
        is_silent: bool,
    },
    /// It is to be given out again.
    Again(Note),
    /// It was given out, and no worker says that it has it. It is given out again when the lease has run
    /// out.
    Unclaimed,
    /// It was never given out.
    Waiting {
        /// Jobs before it.
        ahead: u64,
        /// Threads of the workers that work; without any, nothing happens.
        threads: usize,
    },
    /// The broker does not know it: it was never published, or the broker has lost it.
    Unknown,
}

impl<J: Job> Batch<J> {
    /// What happens to a job.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`] if there is no such batch; the broker cannot be reached, or refuses.
    pub fn explain(&self, id: &JobId) -> Result<Explanation, BatchError> {
        let status = self.status()?;
        let get = |table, key: &str| {
            Ok::<_, BatchError>(self.engine().get(table, &[key.to_owned()])?.pop().flatten())
        };
        for table in [Table::Done, Table::Dead] {
            if let Some(record) = get(table, id.as_str())?.and_then(|entry| read(&entry)) {
                return Ok(Explanation::Ended(record));
            }
        }
        if let Some(with) = with(&status, id) {
            return Ok(with);
        }
        let note = get(Table::Meta, &note_key(id.as_str()))?.and_then(|entry| read(&entry));
        Ok(match self.engine().find(std::slice::from_ref(id))?.pop().flatten() {
            None => Explanation::Unknown,
            Some(Place::Waiting(ahead)) => Explanation::Waiting { ahead, threads: status.threads() },
            Some(Place::GivenOut) => note.map_or(Explanation::Unclaimed, Explanation::Again),
        })
    }
}

/// The worker that says that it has the job; one that is not silent first.
fn with(status: &Status, id: &JobId) -> Option<Explanation> {
    let mut holders: Vec<_> = status.workers.iter().filter(|worker| !worker.beat.has_ended).collect();
    holders.sort_by_key(|worker| worker.is_silent);
    holders.into_iter().find_map(|worker| {
        let (_, seconds) = worker.beat.jobs.iter().find(|(job, _)| job == id.as_str())?;
        let (name, is_silent) = (worker.beat.worker.clone(), worker.is_silent);
        Some(Explanation::With { worker: name, seconds: *seconds, is_silent })
    })
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Explanation::Ended(record) => match &record.error {
                None => write!(f, "done by {} in {:.2} s", record.worker, record.seconds),
                Some(error) => {
                    write!(
                        f,
                        "a dead letter of {} after {} attempts: {error}",
                        record.worker, record.attempts
                    )
                }
            },
            Explanation::With { worker, is_silent: true, .. } => {
                write!(f, "{worker} had it and is silent: it is given out again when the lease has run out")
            }
            Explanation::With { worker, seconds, .. } if *seconds > 0.0 => {
                write!(f, "{worker} works on it, for {seconds:.0} s")
            }
            Explanation::With { worker, .. } => write!(f, "it waits for a thread of {worker}"),
            Explanation::Again(Note { attempts, refusals, error, delay, .. }) => {
                write!(f, "it is tried again, {delay:.0} s after the last time: {attempts} attempts, ")?;
                write!(f, "{refusals} refusals")?;
                error.as_ref().map_or(Ok(()), |error| write!(f, ", the last one because: {error}"))
            }
            Explanation::Unclaimed => f.write_str(
                "it was given out, and no worker says that it has it: it is given out again after the lease",
            ),
            Explanation::Waiting { ahead, threads: 0 } => {
                write!(f, "it waits behind {ahead} others, and no worker works")
            }
            Explanation::Waiting { ahead, threads } => {
                write!(f, "it waits behind {ahead} others for {threads} threads")
            }
            Explanation::Unknown => f.write_str(
                "the broker does not know it: it was not published, or is lost; push --resume publishes it",
            ),
        }
    }
}
