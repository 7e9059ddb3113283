//! Prices options by Monte Carlo on a pool: `cargo run --release -p longshore-embed -- --help`.

mod cli;
mod contract;
mod desk;
mod pricer;
mod report;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use longshore::CancelToken;

use cli::Cli;
use desk::{Desk, End};
use pricer::Pricer;

/// An estimate lies too far from its closed form.
const DISAGREES: u8 = 1;
/// A bad option, or a pool that does not start.
const USAGE: u8 = 2;
/// `--cancel-after` came before the end, as with timeout(1).
const TIMED_OUT: u8 = 124;
/// Ctrl-C, as with programs that a signal ends.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    match run(&cli) {
        Ok(status) => status,
        Err(error) => {
            report::complain(&format!("{error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let interrupt = CancelToken::new();
    on_interrupt(&interrupt)?;
    let pricer = Pricer::new(cli.jobs, cli.pin.policy()).context("the pool does not start")?;
    let mut desk = Desk::new(pricer, contract::book(cli.steps));
    // Cancelled with the other one, or alone, when the time is up.
    let stop = interrupt.child();
    let outcome = desk.price_all(cli.request(), cli.cancel_after, &stop)?;
    report::print(&outcome, &desk.close(), cli.json).context("cannot write the report")?;
    Ok(match outcome.end {
        End::Stopped if interrupt.is_cancelled() => ExitCode::from(INTERRUPTED),
        End::Stopped => ExitCode::from(TIMED_OUT),
        End::Complete if outcome.agrees() => ExitCode::SUCCESS,
        End::Complete => ExitCode::from(DISAGREES),
    })
}

/// Cancels the token at the first Ctrl-C, and ends the process at the second.
fn on_interrupt(interrupt: &CancelToken) -> Result<()> {
    let interrupt = interrupt.clone();
    ctrlc::set_handler(move || {
        if interrupt.is_cancelled() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        interrupt.cancel();
    })
    .context("cannot listen for Ctrl-C")
}
