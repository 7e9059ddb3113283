//! What became of each file, and of all of them.

use std::path::PathBuf;
use std::time::Duration;

use longshore::WorkerStats;
use longshore_cli::name;
use longshore_resize::failure::{Failure, Kind};
use longshore_resize::job::Done;
use serde::{Serialize, Serializer};

use crate::preview::Preview;

/// What became of one file.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Its place in the order of the inputs.
    pub index: usize,
    #[serde(serialize_with = "name::serialize")]
    pub source: PathBuf,
    #[serde(serialize_with = "optional")]
    pub output: Option<PathBuf>,
    /// What the work on it takes, in bytes, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// How long the work on it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    #[serde(flatten)]
    pub status: Status,
    /// Small pictures of it, for the page.
    #[serde(skip)]
    pub preview: Preview,
}

/// How it went.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// The output was written.
    Resized(Done),
    /// The output was up to date.
    Skipped,
    /// A dry run would have resized it.
    Planned { from: (u32, u32), to: (u32, u32) },
    /// It was tried, or could not even be, for this reason.
    Failed { kind: Kind, error: String },
    /// It had not begun when the batch was told to stop.
    Cancelled,
    /// It had not begun when the time was up.
    Expired,
}

impl From<Failure> for Status {
    fn from(Failure { kind, text }: Failure) -> Status {
        Status::Failed { kind, error: text }
    }
}

impl Outcome {
    pub fn new(index: usize, source: PathBuf, output: Option<PathBuf>, status: Status) -> Outcome {
        Outcome {
            index,
            source,
            output,
            memory_bytes: None,
            seconds: None,
            status,
            preview: Preview::default(),
        }
    }
}

fn optional<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => name::serialize(path, serializer),
        None => serializer.serialize_none(),
    }
}

/// All of a run.
#[derive(Debug)]
pub struct Batch {
    /// In the order of the inputs.
    pub files: Vec<Outcome>,
    pub elapsed: Duration,
    pub end: End,
    /// Empty in a dry run.
    pub workers: Vec<WorkerStats>,
    /// The memory that the images could have at a time.
    pub budget: u64,
}

/// What brought a run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The plan, a failure or the time.
    Regular,
    /// A signal.
    Interrupted,
}

/// Sums over the files.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    pub files: u64,
    pub resized: u64,
    /// How many of the resized ones have the pixels of their source as they were encoded.
    pub kept: u64,
    pub skipped: u64,
    pub planned: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub expired: u64,
    pub warnings: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Batch {
    /// Adds up the outcomes.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for file in &self.files {
            totals.files += 1;
            match &file.status {
                Status::Resized(done) => {
                    totals.resized += 1;
                    totals.kept += u64::from(done.kept);
                    totals.warnings += done.warnings.len() as u64;
                    totals.bytes_in += done.bytes_in;
                    totals.bytes_out += done.bytes_out;
                }
                Status::Skipped => totals.skipped += 1,
                Status::Planned { .. } => totals.planned += 1,
                Status::Failed { .. } => totals.failed += 1,
                Status::Cancelled => totals.cancelled += 1,
                Status::Expired => totals.expired += 1,
            }
        }
        totals
    }

    pub fn images_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.totals().resized as f64 / seconds } else { 0.0 }
    }
}
