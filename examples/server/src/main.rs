//! Uploads over HTTP into a database, by threads, a queue, or a pool:
//! `cargo run --release -p longshore-server -- bench`.

mod backend;
mod bench;
mod cli;
mod front;
mod ledger;
mod load;
mod process;
mod report;
mod store;
mod upload;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};

/// Something that was accepted is not in the database or twice, requests failed, or connections had to be cut.
const FAILED: u8 = 1;
/// A bad option, an address or a database that cannot be opened.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Serve(options) => front::serve(options),
        Command::Load(options) => load_only(options),
        Command::Bench(options) => bench::bench(options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

/// Loads a server that somebody else has started. Returns whether no request failed.
fn load_only(options: &cli::Load) -> Result<bool> {
    let run = load::run(options.address, options.shape, None)?;
    report::print_load(&run)?;
    Ok(run.failed == 0)
}
