//! Sizes and duplicates of a directory tree, walked by tasks that submit tasks:
//! `cargo run --release -p longshore-recursive -- --help`.

mod cli;
mod compare;
mod finder;
mod hash;
mod report;
mod rival;
mod serial;
mod walk;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use cli::Cli;

/// Something could not be read, or the walkers of `--compare` do not agree.
const FAILED: u8 = 1;
/// A bad option, a root that is no directory, a pool that does not start.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

/// Returns whether all went well.
fn run(cli: &Cli) -> Result<bool> {
    let root = cli.root.metadata().with_context(|| format!("{}", cli.root.display()))?;
    ensure!(root.is_dir(), "{}: not a directory", cli.root.display());
    if cli.compare {
        let rows = compare::compare(cli)?;
        report::print_comparison(&rows).context("cannot write the report")?;
        return Ok(rows.iter().all(|row| row.agrees));
    }
    let found = walk::walk(&cli.root, cli.jobs, cli.queue(), cli.on_error())?;
    report::print(&found, cli).context("cannot write the report")?;
    Ok(found.problems.is_empty())
}
