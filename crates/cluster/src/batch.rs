//! A batch of jobs, as a publisher and an observer see it.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, EngineError, Entry, NewJob, Settings, Table};
use crate::id::JobId;
use crate::message::{Beat, Envelope, Info, Job, LARGEST, Record, VERSION};
use crate::status::{Status, WorkerStatus};

/// So many jobs are sent to the broker at a time, which bounds the memory of a publisher.
const CHUNK: usize = 1_024;

/// The key of [`Info`] in [`Table::Meta`].
const INFO: &str = "batch";

/// What tells whether a job is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    /// The records of the broker.
    Records,
    /// The caller has found that it is not.
    Caller,
}

/// A batch of jobs at a broker. Any number of processes may publish to it, work on it and look at it.
///
/// The jobs that a publisher has are the manifest, and the manifest is the truth: the end of a batch is the
/// manifest compared with the records of what was done ([`Batch::resume`] publishes what is missing), not an
/// empty queue.
///
/// ```
/// use longshore::Pool;
/// use longshore_cluster::{Batch, Context, Finished, Job, JobId, Memory, Settings, Worker};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Square(u64);
///
/// impl Job for Square {
///     fn id(&self) -> JobId {
///         JobId::of(&self.0.to_le_bytes())
///     }
/// }
///
/// let batch = Batch::new(Memory::new());
/// assert_eq!(batch.publish(&Settings::default(), (0..10).map(Square))?, 10);
/// let pool = Pool::builder().workers(2).build()?;
/// let square = |job: Square, _: &Context| Ok(Finished::bytes(job.0 * job.0));
/// let report = Worker::new(&pool, square).run(&batch)?;
/// assert_eq!(report.done, 10);
/// let status = batch.status()?;
/// assert_eq!((status.done, status.dead, status.waiting), (10, 0, 0));
/// assert_eq!(batch.resume((0..10).map(Square))?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batch<J> {
    engine: Arc<dyn Engine>,
    job: PhantomData<fn() -> J>,
}

impl<J> Clone for Batch<J> {
    fn clone(&self) -> Batch<J> {
        Batch { engine: Arc::clone(&self.engine), job: PhantomData }
    }
}

impl<J> fmt::Debug for Batch<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl<J: Job> Batch<J> {
    /// The batch of an engine.
    pub fn new(engine: impl Engine) -> Batch<J> {
        Batch { engine: Arc::new(engine), job: PhantomData }
    }

    /// The batch of an engine that others have as well.
    pub fn shared(engine: Arc<dyn Engine>) -> Batch<J> {
        Batch { engine, job: PhantomData }
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Makes the batch and queues its jobs. Returns how many there are, without those that are in `jobs`
    /// twice. No more than 1,024 jobs are in memory at a time.
    ///
    /// # Errors
    /// [`BatchError::Exists`] if there is such a batch already; [`BatchError::TooLarge`] if a job is not a
    /// reference but a content. After an error the jobs before it are queued, and [`Batch::resume`] goes on.
    pub fn publish(&self, settings: &Settings, jobs: impl IntoIterator<Item = J>) -> Result<u64, BatchError> {
        if let Some(info) = self.info()? {
            return Err(BatchError::Exists { total: info.total });
        }
        self.engine.create(settings)?;
        let info = Info { v: VERSION, generation: 1, ..Info::default() };
        self.set_info(&info)?;
        let mut total = 0;
        for_each_chunk(jobs, |chunk| {
            total += self.engine.publish(&messages(&chunk, info.generation)?)?;
            Ok(())
        })?;
        self.set_info(&Info { total, is_published: true, ..info })?;
        Ok(total)
    }

    /// Queues those of the jobs that are neither done, nor dead letters, nor queued. Returns how many.
    ///
    /// After the queue is empty, this is the comparison of the manifest with the records: 0 says that every
    /// job has ended.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`] if there is no such batch; as [`Batch::publish`].
    pub fn resume(&self, jobs: impl IntoIterator<Item = J>) -> Result<u64, BatchError> {
        self.publish_missing(jobs, Truth::Records)
    }

    /// As [`Batch::resume`], for a caller that has compared its manifest with what the jobs make: all of
    /// these jobs are missing, also those that were done once (an output was removed since). Dead letters
    /// stay.
    ///
    /// # Errors
    /// As [`Batch::resume`].
    pub fn republish(&self, jobs: impl IntoIterator<Item = J>) -> Result<u64, BatchError> {
        self.publish_missing(jobs, Truth::Caller)
    }

    fn publish_missing(&self, jobs: impl IntoIterator<Item = J>, truth: Truth) -> Result<u64, BatchError> {
        let info = self.info()?.ok_or(BatchError::NoBatch)?;
        let info = Info { generation: info.generation + 1, is_published: false, ..info };
        self.set_info(&info)?;
        // A broker that was killed may hold jobs that it never gives out again. If nothing is to be given
        // out, they count as lost.
        let is_empty = self.engine.counts()?.outstanding() == 0;
        let (mut all, mut new) = (0, 0);
        for_each_chunk(jobs, |chunk| {
            all += chunk.len() as u64;
            let missing = self.missing(chunk, is_empty, truth)?;
            new += self.engine.publish(&messages(&missing, info.generation)?)?;
            Ok(())
        })?;
        self.set_info(&Info { total: info.total.max(all), is_published: true, ..info })?;
        Ok(new)
    }

    /// The jobs that have not ended and are not queued.
    fn missing(&self, jobs: Vec<J>, is_empty: bool, truth: Truth) -> Result<Vec<J>, EngineError> {
        let keys: Vec<_> = jobs.iter().map(|job| String::from(job.id())).collect();
        let done = self.engine.get(Table::Done, &keys)?;
        let dead = self.engine.get(Table::Dead, &keys)?;
        let mut open = Vec::new();
        for ((job, done), dead) in jobs.into_iter().zip(done).zip(dead) {
            match (done, dead, truth) {
                (None, None, _) => open.push(job),
                (Some(stale), None, Truth::Caller) => {
                    self.engine.remove(Table::Done, &stale.key, stale.revision)?;
                    open.push(job);
                }
                _ => {}
            }
        }
        if is_empty || open.is_empty() {
            return Ok(open);
        }
        let ids: Vec<_> = open.iter().map(Job::id).collect();
        let places = self.engine.find(&ids)?;
        Ok(open.into_iter().zip(places).filter(|(_, place)| place.is_none()).map(|(job, _)| job).collect())
    }

    /// Sends dead letters to the queue again, with all their attempts. Returns how many; a dead letter that
    /// never was a job stays.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`] if there is no such batch; the broker cannot be reached, or refuses.
    pub fn retry(&self) -> Result<u64, BatchError> {
        let info = self.info()?.ok_or(BatchError::NoBatch)?;
        let info = Info { generation: info.generation + 1, ..info };
        self.set_info(&info)?;
        let mut letters = Vec::new();
        self.engine.scan(Table::Dead, "", &mut |entry| {
            letters.push((entry.key, entry.revision));
            true
        })?;
        let mut count = 0;
        for (key, revision) in letters {
            count += u64::from(self.retry_one(&key, revision, info.generation)?);
        }
        Ok(count)
    }

    fn retry_one(&self, key: &str, revision: u64, generation: u32) -> Result<bool, BatchError> {
        let keys = [key.to_owned()];
        let Some(Some(entry)) = self.engine.get(Table::Dead, &keys)?.pop() else { return Ok(false) };
        let Some(record) = read::<Record>(&entry) else { return Ok(false) };
        let Some(message) = record.message.map(String::into_bytes) else { return Ok(false) };
        let Ok(Envelope::<J> { id, .. }) = crate::message::open(&message) else { return Ok(false) };
        // The note counts the attempts of the letter's first life.
        let note = note_key(key);
        if let Some(Some(entry)) = self.engine.get(Table::Meta, std::slice::from_ref(&note))?.pop() {
            self.engine.remove(Table::Meta, &note, entry.revision)?;
        }
        // Queued first: between the two steps the job is in both places, never in none.
        let mark = format!("{id}.{generation}");
        self.engine.publish(&[NewJob { id, mark, message }])?;
        Ok(self.engine.remove(Table::Dead, key, revision)?)
    }

    /// How the batch is doing. Takes the same few requests and the same memory for any number of jobs.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`] if there is no such batch; the broker cannot be reached, or refuses.
    pub fn status(&self) -> Result<Status, BatchError> {
        let info = self.info()?.ok_or(BatchError::NoBatch)?;
        let counts = self.engine.counts()?;
        let mut workers = Vec::new();
        self.engine.scan(Table::Meta, "worker.", &mut |entry| {
            let age = counts.time.saturating_sub(entry.time);
            workers.extend(read::<Beat>(&entry).map(|beat| WorkerStatus::new(beat, age)));
            true
        })?;
        Ok(Status::new(info.total, info.is_published, &counts, workers))
    }

    /// Whether every job has ended, as far as the broker knows, and the publisher has published all of them.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    pub(crate) fn is_complete(&self) -> Result<bool, BatchError> {
        Ok(self.info()?.is_some_and(|info| info.is_published) && self.engine.counts()?.outstanding() == 0)
    }

    /// Calls `each` for every record of [`Table::Done`] or [`Table::Dead`], with the time at which it was
    /// stored (by the broker's clock, since 1970); ends early when `each` returns `false`.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    pub fn records(
        &self,
        table: Table,
        each: &mut dyn FnMut(Record, Duration) -> bool,
    ) -> Result<(), BatchError> {
        Ok(self.engine.scan(table, "", &mut |entry| match read(&entry) {
            Some(record) => each(record, entry.time),
            None => true,
        })?)
    }

    /// Removes the batch: its queue, its records, and what its workers have said.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    pub fn delete(&self) -> Result<(), BatchError> {
        Ok(self.engine.delete()?)
    }

    fn info(&self) -> Result<Option<Info>, EngineError> {
        if self.engine.settings()?.is_none() {
            return Ok(None);
        }
        let entry = self.engine.get(Table::Meta, &[INFO.to_owned()])?.pop().flatten();
        Ok(entry.and_then(|entry| read(&entry)))
    }

    fn set_info(&self, info: &Info) -> Result<(), BatchError> {
        Ok(self.engine.put(Table::Meta, INFO, &json(info)?)?)
    }
}

/// The key of the note about a job in [`Table::Meta`].
pub(crate) fn note_key(job: &str) -> String {
    format!("note.{job}")
}

/// The key of what a worker says in [`Table::Meta`].
pub(crate) fn worker_key(worker: &str) -> String {
    format!("worker.{worker}")
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(entry: &Entry) -> Option<T> {
    serde_json::from_slice(&entry.value).ok()
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, BatchError> {
    serde_json::to_vec(value).map_err(|error| BatchError::NoJson(error.to_string()))
}

fn for_each_chunk<J>(
    jobs: impl IntoIterator<Item = J>,
    mut each: impl FnMut(Vec<J>) -> Result<(), BatchError>,
) -> Result<(), BatchError> {
    let mut jobs = jobs.into_iter();
    loop {
        let chunk: Vec<J> = jobs.by_ref().take(CHUNK).collect();
        if chunk.is_empty() {
            return Ok(());
        }
        each(chunk)?;
    }
}

fn messages<J: Job>(jobs: &[J], generation: u32) -> Result<Vec<NewJob>, BatchError> {
    let message = |job: &J| {
        let id = job.id();
        let message = json(&Envelope { v: VERSION, id: id.clone(), job })?;
        if message.len() > LARGEST {
            return Err(BatchError::TooLarge { id, bytes: message.len() });
        }
        Ok(NewJob { mark: format!("{id}.{generation}"), id, message })
    };
    jobs.iter().map(message).collect()
}

/// Why a batch could not be published or looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// There is a batch of this name already.
    Exists {
        /// Its jobs.
        total: u64,
    },
    /// There is no batch of this name.
    NoBatch,
    /// The message of a job is larger than a reference can be.
    TooLarge {
        /// The job.
        id: JobId,
        /// The size of its message.
        bytes: usize,
    },
    /// A job cannot be written as JSON.
    NoJson(String),
    /// The broker cannot be reached, or refuses.
    Engine(EngineError),
}

impl From<EngineError> for BatchError {
    fn from(error: EngineError) -> BatchError {
        match error.kind() {
            crate::engine::EngineErrorKind::NoBatch => BatchError::NoBatch,
            _ => BatchError::Engine(error),
        }
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::Exists { total } => write!(f, "the batch exists already, with {total} jobs"),
            BatchError::NoBatch => f.write_str("there is no such batch"),
            BatchError::TooLarge { id, bytes } => {
                write!(f, "the message of job {id} has {bytes} bytes, more than {LARGEST}")
            }
            BatchError::NoJson(text) => write!(f, "a job cannot be written: {text}"),
            BatchError::Engine(error) => error.fmt(f),
        }
    }
}

impl Error for BatchError {}
