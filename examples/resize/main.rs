//! Resizes images on the pool: `cargo run --release --example resize -- --help`.

mod batch;
mod cli;
mod find;
mod geometry;
mod pipeline;
mod plan;
mod report;
mod save;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;

use cli::Cli;
use plan::Rules;
use report::{Batch, Status};

/// A bad option, or inputs without an image.
const USAGE: u8 = 2;
/// Some files were not done.
const FAILED: u8 = 5;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    let (inputs, output, force) = locate(&cli);
    let batch = match process(&cli, &inputs, &output, force) {
        Ok(batch) => batch,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            return ExitCode::from(USAGE);
        }
    };
    if let Err(error) = report::print(&batch, &output, cli.json) {
        report::complain(&format!("cannot write the report: {error}"));
        return ExitCode::from(FAILED);
    }
    if batch.totals().failed > 0 { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

/// What to read, where to write, and whether to replace outputs that are up to date.
fn locate(cli: &Cli) -> (Vec<PathBuf>, PathBuf, bool) {
    if !cli.inputs.is_empty() {
        return (cli.inputs.clone(), cli.output.clone().unwrap_or("resized".into()), cli.force);
    }
    // The sample photographs belong to the checkout, and so do their results. They are there to show the
    // pool at work, which a second run shall do too.
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = cli.output.clone().unwrap_or_else(|| checkout.join("target").join("resized"));
    (vec![checkout.join("examples").join("photos")], output, true)
}

fn process(cli: &Cli, inputs: &[PathBuf], output: &Path, force: bool) -> Result<Batch> {
    let entries = plan::plan(inputs, output, Rules { format: cli.format.chosen(), force });
    ensure!(!entries.is_empty(), "the inputs hold no JPEG, PNG or WebP image");
    if !cli.dry_run {
        return batch::run(entries, cli);
    }
    let files: Vec<_> = entries.into_iter().map(report::settled).collect();
    for file in &files {
        if let Status::Failed { error } = &file.status {
            report::complain(&format!("{}: {error}", file.source.display()));
        }
    }
    Ok(Batch { files, elapsed: Duration::ZERO, workers: Vec::new() })
}
