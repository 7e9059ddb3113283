//! Hashes, compresses and indexes files in stages: `cargo run --release -p longshore-stages -- --help`.

mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod files;
mod frame;
mod index;
mod pipeline;
mod report;
mod stage;
mod work;

use std::process::ExitCode;

use anyhow::Context;
use longshore::CancelToken;
use longshore_cli::end::{self, Failure, OrFail, Status};
use longshore_cli::{limits, signals};

use cli::Program;
use pipeline::End;

fn main() -> ExitCode {
    end::main("stages", run)
}

fn run(program: Program) -> Result<Status, Failure> {
    #[cfg(feature = "cluster")]
    if let Some(command) = program.command {
        return cluster::run(command);
    }
    let cli = program.cli.context("no input").or_usage()?;
    limits::give_memory_back();
    let stop = CancelToken::new();
    let asked = stop.clone();
    let signals = signals::listen("stages", move |_| {
        asked.cancel();
    })
    .context("cannot listen for signals")
    .or_usage()?;
    let outcome = pipeline::run(&cli, &stop)?;
    report::print(&outcome).context("cannot write the report").or_failed()?;
    Ok(match (outcome.end, signals.first()) {
        (End::Complete, _) => Status::DONE,
        (End::Interrupted, Some(signal)) => Status::stopped_by(signal),
        (End::Failed | End::Interrupted, _) => Status::FAILED,
    })
}
