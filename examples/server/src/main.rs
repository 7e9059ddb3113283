//! Uploads over HTTP into a database, by threads, a queue, or a pool:
//! `cargo run --release -p longshore-server -- bench`.

mod backend;
mod bench;
mod body;
mod cli;
mod front;
mod ledger;
mod load;
mod process;
mod report;
mod store;
mod upload;

use std::process::ExitCode;

use anyhow::Context;
use longshore::CancelToken;
use longshore_cli::end::{self, Failure, OrFail, Status};
use longshore_cli::limits;
use longshore_cli::signals::{self, Signals};

use cli::{Bench, Cli, Command, Load, Shape};

fn main() -> ExitCode {
    end::main("server", run)
}

fn run(cli: Cli) -> Result<Status, Failure> {
    match &cli.command {
        Command::Serve(options) => front::serve(options),
        Command::Load(options) => load_only(options),
        Command::Bench(options) => bench(options),
    }
}

/// Loads a server that was started otherwise.
fn load_only(options: &Load) -> Result<Status, Failure> {
    let (signals, stop) = prepare(options.shape)?;
    let run = load::run(options.address, options.shape, None, &stop).or_usage()?;
    report::print_load(&run).context("cannot write the report").or_failed()?;
    Ok(status(&signals, run.failed == 0))
}

/// Compares all modes.
fn bench(options: &Bench) -> Result<Status, Failure> {
    let (signals, stop) = prepare(options.shape)?;
    let rows = bench::bench(options, &stop).or_failed()?;
    report::print_bench(&rows).context("cannot write the report").or_failed()?;
    Ok(status(&signals, rows.iter().all(bench::Row::is_good)))
}

/// A token that the first signal cancels, and descriptors for all connections.
fn prepare(shape: Shape) -> Result<(Signals, CancelToken), Failure> {
    let stop = CancelToken::new();
    let asked = stop.clone();
    let signals = signals::listen("server", move |_| {
        asked.cancel();
    })
    .context("cannot listen for signals")
    .or_usage()?;
    let (wanted, free) = (shape.connections, limits::connections(shape.connections).or_usage()?);
    if free < wanted {
        let text = format!("--connections {wanted}: the system allows {free} (ulimit -n)");
        return Err(Failure::usage(anyhow::anyhow!(text)));
    }
    Ok((signals, stop))
}

/// A load that was stopped is incomplete.
fn status(signals: &Signals, is_good: bool) -> Status {
    match signals.first() {
        Some(signal) => Status::stopped_by(signal),
        None if is_good => Status::DONE,
        None => Status::FAILED,
    }
}
