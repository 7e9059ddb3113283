//! What a run did: per-file outcomes, totals and workers, as text or as JSON.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use longshore::{PinStatus, WorkerStats};
use serde::{Serialize, Serializer};

use crate::memory;
use crate::plan::Entry;

/// What became of one file.
#[derive(Debug, Serialize)]
pub struct Outcome {
    #[serde(serialize_with = "lossy")]
    pub source: PathBuf,
    #[serde(serialize_with = "lossy_option")]
    pub output: Option<PathBuf>,
    /// What the work on it takes, in bytes, where that was asked for and can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    #[serde(flatten)]
    pub status: Status,
}

/// How it went.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// The output was written.
    Resized { from: (u32, u32), to: (u32, u32), bytes_in: u64, bytes_out: u64 },
    /// The output was up to date.
    Skipped,
    /// A dry run would have resized it.
    Planned,
    /// It was tried, or could not even be, for this reason.
    Failed { error: String },
    /// It had not begun when the batch was told to stop.
    Cancelled,
    /// It had not begun when the time was up.
    Expired,
}

impl Outcome {
    pub fn new(source: PathBuf, output: Option<PathBuf>, status: Status) -> Self {
        Outcome { source, output, memory_bytes: None, status }
    }
}

/// The outcome of an entry on which no work is done.
pub fn settled(entry: Entry) -> Outcome {
    match entry {
        Entry::Todo(job) => Outcome::new(job.source, Some(job.output), Status::Planned),
        Entry::UpToDate { source, output } => Outcome::new(source, Some(output), Status::Skipped),
        Entry::Refused { source, output, error } => Outcome::new(source, output, Status::Failed { error }),
    }
}

/// All of a run.
#[derive(Debug)]
pub struct Batch {
    pub files: Vec<Outcome>,
    pub elapsed: Duration,
    pub end: End,
    /// Empty in a dry run, which needs no pool.
    pub workers: Vec<WorkerStats>,
}

/// What brought a run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The plan, a failure or the time.
    Regular,
    /// Ctrl-C.
    Interrupted,
}

/// Sums over the files.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    pub files: u64,
    pub resized: u64,
    pub skipped: u64,
    pub planned: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub expired: u64,
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
                Status::Resized { bytes_in, bytes_out, .. } => {
                    totals.resized += 1;
                    totals.bytes_in += bytes_in;
                    totals.bytes_out += bytes_out;
                }
                Status::Skipped => totals.skipped += 1,
                Status::Planned => totals.planned += 1,
                Status::Failed { .. } => totals.failed += 1,
                Status::Cancelled => totals.cancelled += 1,
                Status::Expired => totals.expired += 1,
            }
        }
        totals
    }

    fn images_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.totals().resized as f64 / seconds } else { 0.0 }
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(serialize_with = "lossy")]
    output: &'a Path,
    elapsed_seconds: f64,
    images_per_second: f64,
    /// Whether Ctrl-C came.
    interrupted: bool,
    /// The most memory that the process had, if the system tells.
    peak_memory_bytes: Option<u64>,
    totals: Totals,
    files: &'a [Outcome],
    workers: Vec<Worker>,
}

#[derive(Serialize)]
struct Worker {
    index: usize,
    executed: u64,
    stolen: u64,
    parked: u64,
    /// The core asked for, if any.
    core: Option<usize>,
    /// Whether the system gave it that core.
    pinned: bool,
}

impl From<&WorkerStats> for Worker {
    fn from(stats: &WorkerStats) -> Self {
        let (core, pinned) = match &stats.pin {
            PinStatus::Pinned(core) => (Some(*core), true),
            PinStatus::Refused(core) => (Some(*core), false),
            _ => (None, false),
        };
        let WorkerStats { index, executed, stolen, parked, .. } = *stats;
        Worker { index, executed, stolen, parked, core, pinned }
    }
}

/// Writes the report to standard output.
pub fn print(batch: &Batch, output: &Path, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written =
        if json { write_json(&mut out, batch, output) } else { write_text(&mut out, batch, output) };
    match written.and_then(|()| out.flush()) {
        // Who closed the pipe wants no more of the report; the images are there all the same.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn write_json(out: &mut impl Write, batch: &Batch, output: &Path) -> io::Result<()> {
    let summary = Summary {
        output,
        elapsed_seconds: batch.elapsed.as_secs_f64(),
        images_per_second: batch.images_per_second(),
        interrupted: batch.end == End::Interrupted,
        peak_memory_bytes: memory::peak(),
        totals: batch.totals(),
        files: &batch.files,
        workers: batch.workers.iter().map(Worker::from).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &summary)?;
    writeln!(out)
}

fn write_text(out: &mut impl Write, batch: &Batch, output: &Path) -> io::Result<()> {
    let totals = batch.totals();
    for file in &batch.files {
        let source = file.source.display();
        match (&file.status, &file.output) {
            (Status::Planned, Some(target)) => write_planned(out, file, target)?,
            (Status::Cancelled, _) => writeln!(out, "{source}: not done")?,
            (Status::Expired, _) => writeln!(out, "{source}: not started in time")?,
            _ => {}
        }
    }
    if totals.planned > 0 {
        write!(out, "{} to resize, ", totals.planned)?;
    }
    write!(out, "{} resized, {} up to date, {} failed", totals.resized, totals.skipped, totals.failed)?;
    for (count, what) in [(totals.cancelled, "not done"), (totals.expired, "not started in time")] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    writeln!(out)?;
    if totals.resized > 0 {
        let (seconds, rate) = (batch.elapsed.as_secs_f64(), batch.images_per_second());
        writeln!(
            out,
            "{seconds:.2} s, {rate:.1} images/s, {} kB in, {} kB out",
            totals.bytes_in / 1000,
            totals.bytes_out / 1000
        )?;
        writeln!(out, "results in {}", output.display())?;
    }
    write_workers(out, batch)
}

fn write_planned(out: &mut impl Write, file: &Outcome, target: &Path) -> io::Result<()> {
    write!(out, "{} -> {}", file.source.display(), target.display())?;
    match file.memory_bytes {
        Some(bytes) => writeln!(out, " ({}K of memory)", bytes.div_ceil(1024)),
        None => writeln!(out),
    }
}

fn write_workers(out: &mut impl Write, batch: &Batch) -> io::Result<()> {
    if !batch.workers.is_empty() {
        writeln!(out, "\n{:>6} {:>9} {:>7} {:>7}  core", "worker", "executed", "stolen", "parked")?;
    }
    for worker in batch.workers.iter().map(Worker::from) {
        let Worker { index, executed, stolen, parked, .. } = worker;
        let core = match (worker.core, worker.pinned) {
            (Some(core), true) => core.to_string(),
            (Some(core), false) => format!("{core} refused"),
            (None, _) => "any".into(),
        };
        writeln!(out, "{index:>6} {executed:>9} {stolen:>7} {parked:>7}  {core}")?;
    }
    Ok(())
}

/// Writes one line to standard error.
pub fn complain(message: &str) {
    // `eprintln!` would panic if nobody listens; there is no one left to tell.
    let _ = writeln!(io::stderr(), "resize: {message}");
}

/// JSON strings are Unicode; paths need not be.
fn lossy<S: Serializer>(path: impl AsRef<Path>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.as_ref().to_string_lossy())
}

fn lossy_option<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => lossy(path, serializer),
        None => serializer.serialize_none(),
    }
}
