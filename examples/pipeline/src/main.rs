//! Hashes, compresses and indexes files in stages: `cargo run --release -p longshore-stages -- --help`.

mod cli;
mod files;
mod index;
mod pipeline;
mod report;
mod stage;
mod work;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use longshore::CancelToken;

use cli::Cli;
use pipeline::End;

/// Some files could not be stored.
const FAILED: u8 = 1;
/// A bad option, an output that cannot be written, pools that do not start.
const USAGE: u8 = 2;
/// Ctrl-C or SIGTERM.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    match run(&cli) {
        Ok(End::Complete) => ExitCode::SUCCESS,
        Ok(End::Failed) => ExitCode::from(FAILED),
        Ok(End::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

fn run(cli: &Cli) -> Result<End> {
    let stop = CancelToken::new();
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        // The second one does not wait for the files that are under way.
        if asked.is_cancelled() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        asked.cancel();
    })
    .context("cannot listen for Ctrl-C")?;
    let outcome = pipeline::run(cli, &stop)?;
    report::print(&outcome).context("cannot write the report")?;
    Ok(outcome.end)
}
