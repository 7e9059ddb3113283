//! Sizes and duplicates of a directory tree, walked by tasks that submit tasks:
//! `cargo run --release -p longshore-recursive -- --help`.

mod cli;
mod compare;
mod finder;
mod found;
mod hash;
mod report;
mod rival;
mod serial;
mod walk;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use longshore::CancelToken;
use longshore_cli::end::{self, Failure, OrFail, Status};
use longshore_cli::{name, signals};

use cli::Cli;
use walk::Options;

fn main() -> ExitCode {
    end::main("recursive", run)
}

fn run(cli: Cli) -> Result<Status, Failure> {
    let interrupt = CancelToken::new();
    let asked = interrupt.clone();
    let signals = signals::listen("recursive", move |_| {
        asked.cancel();
    })
    .context("cannot listen for signals")
    .or_usage()?;
    check_root(&cli).or_usage()?;
    // Cancelled with the other one, or alone, at an error.
    let stop = interrupt.child();
    if cli.compare {
        let rows = compare::compare(&cli, &stop).or_usage()?;
        report::print_comparison(rows.as_deref()).context("cannot write the report").or_failed()?;
        return Ok(match (signals.first(), rows) {
            (Some(signal), None) => Status::stopped_by(signal),
            (_, rows) => status(rows.is_some_and(|rows| rows.iter().all(|row| row.agrees))),
        });
    }
    let options = Options { jobs: cli.jobs, queue: cli.queue, on_error: cli.on_error() };
    let found = walk::walk(&cli.root, options, &stop).or_usage()?;
    report::print(&found, &cli).context("cannot write the report").or_failed()?;
    Ok(match signals.first() {
        Some(signal) if found.stopped => Status::stopped_by(signal),
        _ => status(found.problems.is_empty()),
    })
}

fn status(is_good: bool) -> Status {
    if is_good { Status::DONE } else { Status::FAILED }
}

fn check_root(cli: &Cli) -> Result<()> {
    let root = cli.root.metadata().with_context(|| format!("{}", name::shown(&cli.root)))?;
    ensure!(root.is_dir(), "{}: not a directory", name::shown(&cli.root));
    Ok(())
}
