//! What a batch needs of a broker, as one small trait. [`Memory`](crate::Memory) implements it without a
//! broker, `Nats` (feature `nats`) with one.
//!
//! All calls block, may be made by any thread, and return within seconds: an engine that cannot reach its
//! broker returns an error, and the caller tries again.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::id::JobId;

/// A queue of jobs with leases, and three tables.
///
/// - **Lease**: a job that was fetched belongs to the fetcher until it is settled or the lease runs out.
///   [`Engine::renew`] begins the lease anew. A job whose lease has run out is given out again.
/// - **Settle**: the record is stored first, then the job leaves the queue or returns to it. Both are
///   confirmed by the broker.
/// - **Tables** keep the last value of each key. They outlive the queue, which forgets what was settled.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Makes the queue and the tables unless they exist. A queue that exists keeps its settings.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn create(&self, settings: &Settings) -> Result<(), EngineError>;

    /// The settings of the queue, `None` if there is no queue.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn settings(&self) -> Result<Option<Settings>, EngineError>;

    /// Removes the queue and the tables.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn delete(&self) -> Result<(), EngineError>;

    /// Appends jobs to the queue. Returns how many of them the broker did not know by their marks.
    ///
    /// # Errors
    /// The broker has not confirmed all of them; those that it has confirmed stay.
    fn publish(&self, jobs: &[NewJob]) -> Result<u64, EngineError>;

    /// Takes up to `most` jobs. Returns those that are there at once; if there are none, waits for the first
    /// until `wait` has passed. A broker that did not answer an earlier call in time may answer this one with
    /// as many jobs as were asked for then.
    ///
    /// # Errors
    /// The broker cannot be reached, or there is no queue.
    fn fetch(&self, most: usize, wait: Duration) -> Result<Vec<Delivery>, EngineError>;

    /// Begins leases anew. The results are in the order of the tickets.
    fn renew(&self, tickets: &[Ticket]) -> Vec<Result<(), EngineError>>;

    /// Settles jobs. The results are in the order of the settlements; settling again after an error is
    /// allowed.
    fn settle(&self, settlements: &[Settlement]) -> Vec<Result<(), EngineError>>;

    /// Stores a value.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn put(&self, table: Table, key: &str, value: &[u8]) -> Result<(), EngineError>;

    /// The values of keys, in their order.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn get(&self, table: Table, keys: &[String]) -> Result<Vec<Option<Entry>>, EngineError>;

    /// Removes a value if it has still this revision; returns whether it had.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn remove(&self, table: Table, key: &str, revision: u64) -> Result<bool, EngineError>;

    /// Calls `each` for every value whose key begins with `prefix` (empty, or up to and including a `.`),
    /// one after the other; ends early when `each` returns `false`.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn scan(
        &self,
        table: Table,
        prefix: &str,
        each: &mut dyn FnMut(Entry) -> bool,
    ) -> Result<(), EngineError>;

    /// Where jobs are in the queue, in the order of the names; `None` for a job that is not in the queue.
    ///
    /// # Errors
    /// The broker cannot be reached, or refuses.
    fn find(&self, ids: &[JobId]) -> Result<Vec<Option<Place>>, EngineError>;

    /// How many jobs there are in each state.
    ///
    /// # Errors
    /// The broker cannot be reached, or there is no queue.
    fn counts(&self) -> Result<Counts, EngineError>;
}

/// How a queue gives out jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a job belongs to a worker that does not renew its lease.
    pub lease: Duration,
    /// Copies of everything, on as many servers: 1, 3 or 5.
    pub replicas: usize,
}

impl Default for Settings {
    /// A lease of 30 s, one copy.
    fn default() -> Settings {
        Settings { lease: Duration::from_secs(30), replicas: 1 }
    }
}

/// The tables of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Records of jobs that are done.
    Done,
    /// Records of dead letters.
    Dead,
    /// What workers say, notes about attempts, and what is known about the batch.
    Meta,
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its name.
    pub id: JobId,
    /// A second message with this mark is dropped, for as long as the broker remembers marks.
    pub mark: String,
    /// The message.
    pub message: Vec<u8>,
}

/// What a fetcher shows to renew or settle a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub String);

/// A job that was fetched.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// For its settlement.
    pub ticket: Ticket,
    /// The last part of its subject: its name, unless the publisher was some other program.
    pub key: String,
    /// The message.
    pub message: Vec<u8>,
    /// How often it was given out, this time included.
    pub delivered: u64,
}

/// How a job leaves its fetcher.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which job.
    pub ticket: Ticket,
    /// What is stored first.
    pub record: Option<Stored>,
    /// Where the job goes.
    pub verb: Verb,
}

/// A value to be stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Where.
    pub table: Table,
    /// Under which key.
    pub key: String,
    /// What.
    pub value: Vec<u8>,
    /// What happens to a value that exists.
    pub rule: Rule,
}

/// What happens to a value that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is replaced.
    Replace,
    /// It stays, and the new one is dropped.
    KeepFirst,
}

/// Where a job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Out of the queue.
    Remove,
    /// Back into the queue, to be given out after this time.
    Return(Duration),
}

/// A value of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// Grows with every change of the table.
    pub revision: u64,
    /// When it was stored, by the broker's clock, since 1970.
    pub time: Duration,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the queue, behind so many others.
    Waiting(u64),
    /// Given out and not settled, or to be given out again after a delay.
    GivenOut,
}

/// How many jobs there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the queue, never given out.
    pub waiting: u64,
    /// Given out and not settled.
    pub given_out: u64,
    /// Records of jobs that are done.
    pub done: u64,
    /// Dead letters.
    pub dead: u64,
    /// The broker's clock, since 1970, as of the last change of any table.
    pub time: Duration,
}

/// Why an engine could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    kind: EngineErrorKind,
    text: String,
}

/// The kinds of errors of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// The broker cannot be reached, or has not answered in time: trying again may help.
    Unreachable,
    /// The broker refuses the user.
    Denied,
    /// There is no such queue.
    NoBatch,
    /// The broker refuses the request.
    Refused,
}

impl EngineError {
    /// An error of a kind, with a sentence that names what was asked.
    pub fn new(kind: EngineErrorKind, text: impl Into<String>) -> EngineError {
        EngineError { kind, text: text.into() }
    }

    /// The kind.
    pub fn kind(&self) -> EngineErrorKind {
        self.kind
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for EngineError {}
