//! A service that factors numbers: tokio talks to the clients, a pool computes:
//! `cargo run --release -p longshore-async -- demo`.

mod backend;
mod cli;
mod client;
mod factor;
mod front;

use std::process::ExitCode;

use longshore_cli::end::{self, Failure, Status};
use longshore_cli::print;
use tokio::runtime::{Builder, Runtime};

use cli::{Cli, Command};

fn main() -> ExitCode {
    end::main("async", run)
}

fn run(cli: Cli) -> Result<Status, Failure> {
    match &cli.command {
        Command::Serve(serve) => front::serve(serve),
        Command::Ask(ask) => client::ask(ask),
        Command::Demo(demo) => client::demo(demo),
    }
}

/// One thread: all that takes long is done by the pool.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Writes one line to standard output.
fn say(message: &str) {
    print::say(message);
}

/// Writes one line to standard error.
fn complain(message: &str) {
    print::complain("async", message);
}
