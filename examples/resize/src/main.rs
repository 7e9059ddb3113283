//! Resizes images on the pool: `cargo run --release -p longshore-resize -- --help`.

mod batch;
mod cli;
mod find;
mod geometry;
mod interrupt;
mod memory;
mod plan;
mod report;
mod save;
mod units;
mod weight;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use longshore::CancelToken;

use cli::Cli;
use interrupt::Interrupt;
use plan::{Entry, Rules};
use report::{Batch, End, Outcome, Status};

/// A bad option, or inputs without an image.
const USAGE: u8 = 2;
/// Some files were not done.
const FAILED: u8 = 5;
/// Some files were not started in time.
const LATE: u8 = 6;
/// What a shell says of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    let stop = CancelToken::new();
    let interrupt = Interrupt::listen(&stop);
    let (inputs, output, force) = locate(&cli);
    let mut batch = match process(&cli, &inputs, &output, force, &stop) {
        Ok(batch) => batch,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            return ExitCode::from(USAGE);
        }
    };
    if interrupt.has_come() {
        batch.end = End::Interrupted;
    }
    if let Err(error) = report::print(&batch, &output, cli.json) {
        report::complain(&format!("cannot write the report: {error}"));
        return ExitCode::from(FAILED);
    }
    ExitCode::from(status(&batch))
}

fn status(batch: &Batch) -> u8 {
    let totals = batch.totals();
    match batch.end {
        End::Interrupted => INTERRUPTED,
        End::Regular if totals.failed > 0 => FAILED,
        End::Regular if totals.expired > 0 => LATE,
        End::Regular => 0,
    }
}

/// What to read, where to write, and whether to replace outputs that are up to date.
fn locate(cli: &Cli) -> (Vec<PathBuf>, PathBuf, bool) {
    if !cli.inputs.is_empty() {
        return (cli.inputs.clone(), cli.output.clone().unwrap_or("resized".into()), cli.force);
    }
    // The sample photographs belong to the checkout, and so do their results. They are there to show the
    // pool at work, which a second run shall do too.
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = cli.output.clone().unwrap_or_else(|| checkout.join("target").join("resized"));
    (vec![checkout.join("examples").join("photos")], output, true)
}

fn process(cli: &Cli, inputs: &[PathBuf], output: &Path, force: bool, stop: &CancelToken) -> Result<Batch> {
    let entries = plan::plan(inputs, output, Rules { format: cli.format.chosen(), force });
    ensure!(!entries.is_empty(), "the inputs hold no JPEG, PNG or WebP image");
    if !cli.dry_run {
        return batch::run(entries, cli, stop);
    }
    let files: Vec<_> = entries.into_iter().map(|entry| foretell(entry, cli)).collect();
    for file in &files {
        if let Status::Failed { error } = &file.status {
            report::complain(&format!("{}: {error}", file.source.display()));
        }
    }
    Ok(Batch { files, elapsed: Duration::ZERO, end: End::Regular, workers: Vec::new() })
}

/// What a run would do with a file.
fn foretell(entry: Entry, cli: &Cli) -> Outcome {
    let memory_bytes = match &entry {
        Entry::Todo(job) => batch::need(job, cli),
        _ => None,
    };
    Outcome { memory_bytes, ..report::settled(entry) }
}
