//! Resizes images on the pool: `cargo run --release -p longshore-resize -- --help`.

mod batch;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod find;
mod generate;
mod help;
mod memory;
mod names;
#[cfg(feature = "object-store")]
mod objects;
mod outcome;
mod page;
mod plan;
mod preview;
mod probe;
mod report;
mod reporter;
mod shard;
mod values;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use longshore::CancelToken;
use longshore_cli::end::{self, Failure, OrFail, Status};
use longshore_cli::signals;

use cli::{Cli, Program};
use find::Found;
use outcome::{Batch, End};
use plan::Destination;

/// The program's name in its messages.
const PROGRAM: &str = "resize";

fn main() -> ExitCode {
    end::main(PROGRAM, run)
}

fn run(program: Program) -> Result<Status, Failure> {
    #[cfg(feature = "cluster")]
    if let Some(command) = program.command {
        return cluster::run(command);
    }
    let cli = program.cli;
    if let Some(what) = cli.generate {
        generate::print(what).or_failed()?;
        return Ok(Status::DONE);
    }
    let stop = CancelToken::new();
    let stopped = stop.clone();
    let signals = signals::listen(PROGRAM, move |_| {
        stopped.cancel();
    })
    .or_usage()?;
    let (inputs, destination, force) = locate(&cli).or_usage()?;
    let found = find::find(&inputs, destination.root(), &stop);
    // Then more may be below the inputs.
    let is_cut = stop.is_cancelled();
    found.tell();
    if !is_cut {
        ensure_something(&found).or_usage()?;
    }
    destination.check().or_usage()?;
    if let Some(path) = &cli.report {
        page::check(path).with_context(|| cannot_write(path)).or_usage()?;
    }
    let mut batch = batch::run(found.entries, &destination, force, &cli, &stop).or_usage()?;
    // A signal that came too late to prevent anything is nothing to report.
    if signals.first().is_some() && (is_cut || batch.totals().cancelled > 0) {
        batch.end = End::Interrupted;
    }
    report::print(&batch, destination.shown(), &cli).context("cannot write the report").or_failed()?;
    if let Some(path) = &cli.report {
        page::write(path, &batch, destination.shown()).with_context(|| cannot_write(path)).or_failed()?;
    }
    Ok(match (signals.first(), batch.end) {
        (Some(signal), End::Interrupted) => Status::stopped_by(signal),
        _ => status(&batch),
    })
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", longshore_cli::name::shown(path))
}

fn status(batch: &Batch) -> Status {
    let totals = batch.totals();
    match () {
        () if totals.failed > 0 || totals.cancelled > 0 => Status::FAILED,
        () if totals.expired > 0 => Status::TIMED_OUT,
        () => Status::DONE,
    }
}

fn ensure_something(found: &Found) -> Result<()> {
    ensure!(!found.entries.is_empty(), "the inputs hold no image that this program reads");
    Ok(())
}

/// What to read, where to write, and whether to make outputs anew that are up to date.
fn locate(cli: &Cli) -> Result<(find::Inputs, Destination, bool)> {
    let listed = match &cli.files_from {
        Some(list) => find::listed(list, cli.null)
            .with_context(|| format!("cannot read the list of files {}", longshore_cli::name::shown(list)))?,
        None => Vec::new(),
    };
    let has_inputs = !cli.inputs.is_empty() || cli.files_from.is_some();
    if has_inputs {
        let destination = match &cli.in_place {
            true => Destination::InPlace,
            false => Destination::below(cli.output.clone().unwrap_or("resized".into()), cli),
        };
        let inputs = find::Inputs { named: cli.inputs.clone(), listed, parents: cli.parents };
        return Ok((inputs, destination, cli.force));
    }
    ensure!(!cli.in_place, "--in-place needs inputs");
    // The sample photographs belong to the checkout, and so do their results. They are there to show the
    // pool at work, which a second run shall do too.
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checkout = checkout.canonicalize().unwrap_or(checkout);
    let output: PathBuf = cli.output.clone().unwrap_or_else(|| checkout.join("target").join("resized"));
    let photos = checkout.join("examples").join("photos");
    ensure!(
        photos.is_dir(),
        "name the images to resize: the sample photographs are only in the checkout that this program was built in"
    );
    let inputs = find::Inputs { named: vec![photos], listed, parents: false };
    Ok((inputs, Destination::below(output, cli), true))
}
