//! Prices options by Monte Carlo on a pool: `cargo run --release -p longshore-embed -- --help`.

mod cli;
mod contract;
mod desk;
mod pricer;
mod report;

use std::process::ExitCode;

use anyhow::Context;
use longshore::CancelToken;
use longshore_cli::end::{self, Failure, OrFail, Status};
use longshore_cli::signals;

use cli::Cli;
use desk::{Desk, End};
use pricer::Pricer;

fn main() -> ExitCode {
    end::main("embed", run)
}

fn run(cli: Cli) -> Result<Status, Failure> {
    let interrupt = CancelToken::new();
    let asked = interrupt.clone();
    let signals = signals::listen("embed", move |_| {
        asked.cancel();
    })
    .context("cannot listen for signals")
    .or_usage()?;
    let pricer = Pricer::new(cli.jobs, cli.pin.policy()).context("the pool does not start").or_usage()?;
    let mut desk = Desk::new(pricer, contract::book(cli.steps));
    // Cancelled with the other one, or alone, when the time is up.
    let stop = interrupt.child();
    let outcome = desk.price_all(cli.request(), cli.cancel_after, &stop).or_failed()?;
    report::print(&outcome, &desk.close(), cli.json).context("cannot write the report").or_failed()?;
    Ok(match (outcome.end, signals.first()) {
        (End::Complete, _) if outcome.agrees() => Status::DONE,
        (End::Complete, _) => Status::FAILED,
        (End::Stopped, Some(signal)) => Status::stopped_by(signal),
        (End::Stopped, None) => Status::TIMED_OUT,
    })
}
