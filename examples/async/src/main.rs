//! A service that factors numbers: tokio talks to the clients, a pool computes:
//! `cargo run --release -p longshore-async -- demo`.

mod backend;
mod cli;
mod client;
mod factor;
mod front;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use cli::{Cli, Command};

/// A client got no answer, or a wrong one.
const FAILED: u8 = 1;
/// A bad option, an address that cannot be used, a pool that does not start.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Ends the process with status 2 on a bad option.
    let cli = Cli::parse();
    match run(&cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

fn run(command: &Command) -> Result<bool> {
    // One thread: all that takes long is done by the pool.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Serve(serve) => runtime.block_on(front::serve(serve)),
        Command::Ask(ask) => runtime.block_on(client::ask(ask)),
        Command::Demo(demo) => runtime.block_on(client::demo(demo)),
    }
}

/// Writes one line to standard output.
fn say(message: &str) {
    // Who does not listen needs no log; the service goes on.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}

/// Writes one line to standard error.
fn complain(message: &str) {
    // `eprintln!` would panic if nobody listens; there is no one left to tell.
    let _ = writeln!(io::stderr(), "async: {message}");
}
