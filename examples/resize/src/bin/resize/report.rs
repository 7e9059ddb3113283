//! What a run did, on standard output: as text or as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use longshore::{PinStatus, WorkerStats};
use longshore_cli::{limits, name, print};
use longshore_resize::failure::Kind;
use serde::Serialize;

use crate::cli::Cli;
use crate::outcome::{Batch, End, Outcome, Status, Totals};

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(serialize_with = "name::serialize")]
    output: &'a Path,
    elapsed_seconds: f64,
    images_per_second: f64,
    /// Whether a signal stopped it.
    interrupted: bool,
    /// The memory that images could have at a time.
    memory_budget_bytes: u64,
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

/// Prints the report.
///
/// # Errors
/// What the system says, except that the pipe is closed.
pub fn print(batch: &Batch, output: &Path, cli: &Cli) -> io::Result<()> {
    if cli.json {
        return print::json(&Summary {
            output,
            elapsed_seconds: batch.elapsed.as_secs_f64(),
            images_per_second: batch.images_per_second(),
            interrupted: batch.end == End::Interrupted,
            memory_budget_bytes: batch.budget,
            peak_memory_bytes: limits::peak_memory(),
            totals: batch.totals(),
            files: &batch.files,
            workers: batch.workers.iter().map(Worker::from).collect(),
        });
    }
    if cli.json_lines || cli.quiet {
        return Ok(());
    }
    print::report(|out| write_text(out, batch, output))
}

fn write_text(out: &mut dyn Write, batch: &Batch, output: &Path) -> io::Result<()> {
    let totals = batch.totals();
    for file in &batch.files {
        let source = name::shown(&file.source);
        match (&file.status, &file.output) {
            (Status::Planned { from, to }, Some(target)) => write_planned(out, file, *from, *to, target)?,
            (Status::Cancelled, _) => writeln!(out, "{source}: not done")?,
            (Status::Expired, _) => writeln!(out, "{source}: not started in time")?,
            _ => {}
        }
    }
    if totals.planned > 0 {
        write!(out, "{} to resize, ", totals.planned)?;
    }
    write!(out, "{} resized, {} up to date, {} failed", totals.resized, totals.skipped, totals.failed)?;
    for (count, what) in [
        (totals.cancelled, "not done"),
        (totals.expired, "not started in time"),
        (totals.kept, "of those resized kept as they were encoded"),
        (totals.warnings, "warnings"),
    ] {
        if count > 0 {
            write!(out, ", {count} {what}")?;
        }
    }
    writeln!(out)?;
    write_failures(out, batch)?;
    if totals.resized > 0 {
        let (seconds, rate) = (batch.elapsed.as_secs_f64(), batch.images_per_second());
        let (read, written) = (totals.bytes_in / 1000, totals.bytes_out / 1000);
        writeln!(out, "{seconds:.2} s, {rate:.1} images/s, {read} kB in, {written} kB out")?;
        writeln!(out, "results in {}", name::shown(output))?;
    }
    write_workers(out, batch)
}

fn write_planned(
    out: &mut dyn Write,
    file: &Outcome,
    from: (u32, u32),
    to: (u32, u32),
    target: &Path,
) -> io::Result<()> {
    let (source, target) = (name::shown(&file.source), name::shown(target));
    write!(out, "{source} ({}x{}) -> {target} ({}x{})", from.0, from.1, to.0, to.1)?;
    match file.memory_bytes {
        Some(bytes) => writeln!(out, ", {}K of memory", bytes.div_ceil(1024)),
        None => writeln!(out),
    }
}

/// How many files failed for what kind of reason; each has been told of when it failed.
fn write_failures(out: &mut dyn Write, batch: &Batch) -> io::Result<()> {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for file in &batch.files {
        if let Status::Failed { kind, .. } = &file.status {
            *kinds.entry(named(*kind)).or_default() += 1;
        }
    }
    if kinds.is_empty() {
        return Ok(());
    }
    let parts: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    writeln!(out, "failed: {}", parts.join(", "))
}

fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Unreadable => "unreadable",
        Kind::Unsupported => "not supported",
        Kind::Damaged => "damaged",
        Kind::TooLarge => "too large",
        Kind::Unwritable => "not writable",
        Kind::Conflict => "in conflict",
        Kind::Internal => "by an internal error",
    }
}

fn write_workers(out: &mut dyn Write, batch: &Batch) -> io::Result<()> {
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
