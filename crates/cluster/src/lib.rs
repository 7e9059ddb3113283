//! Batches that several machines work on, each with a pool of its own.
//!
//! - A publisher queues jobs at a broker: [`Batch::publish`]. A job is any value that serde can write and
//!   read, with a name: [`Job`].
//! - A [`Worker`] takes jobs, runs them as tasks of a pool, and tells the broker what became of each.
//! - [`Batch::status`] tells how the batch does, [`Batch::explain`] what happens to one job.
//!
//! The broker is hidden by the trait [`Engine`]: [`Memory`] is one within the process, `Nats` (feature
//! `nats`) is NATS JetStream. `docs/cluster.md` explains what is promised, and what happens when a machine,
//! a cable or the broker fails.

mod batch;
mod engine;
mod explain;
mod handler;
mod id;
mod memory;
mod message;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "program")]
pub mod program;
mod status;
#[cfg(feature = "testing")]
pub mod testing;
mod worker;

pub use batch::{Batch, BatchError};
pub use engine::{
    Counts, Delivery, Engine, EngineError, EngineErrorKind, Entry, NewJob, Place, Rule, Settings, Settlement,
    Stored, Table, Ticket, Verb,
};
pub use explain::Explanation;
pub use handler::{Context, Fault, Finished};
pub use id::{IdError, JobId};
pub use memory::Memory;
pub use message::{Beat, Job, LARGEST, Note, Record, State, VERSION};
#[cfg(feature = "nats")]
pub use nats::{Access, Nats};
pub use status::{Status, WorkerStatus};
pub use worker::{End, Ended, RunReport, Worker};
