//! The rules that all programs keep, as one test: each program describes itself and calls [`check`] from its own tests.
//!
//! ```ignore
//! #[test]
//! fn the_rules_of_all_programs() {
//!     longshore_cli::rules::check(&Subject {
//!         program: env!("CARGO_BIN_EXE_longshore-embed"),
//!         short: &[&["--paths", "1000"], &["--paths", "1000", "--json"]],
//!         long: Long::Batch(&["--paths", "10000000000"]),
//!         durations: &[&["--cancel-after"]],
//!         ..
//!     });
//! }
//! ```

mod options;
mod output;
mod stops;

use std::path::Path;
use std::process::Command;

use crate::process::{self, Finished, Running};

/// A program, as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its file.
    pub program: &'a str,
    /// Where it runs.
    pub directory: &'a Path,
    /// Runs that end soon, with status 0 and something on standard output.
    pub short: &'a [&'a [&'a str]],
    /// A run that goes on until it is stopped.
    pub long: Long<'a>,
    /// Options that take a duration, each with what has to stand before it; likewise the next two.
    pub durations: &'a [&'a [&'a str]],
    /// Options that take a size.
    pub sizes: &'a [&'a [&'a str]],
    /// Options that take a count.
    pub counts: &'a [&'a [&'a str]],
}

/// A run that goes on until it is stopped.
#[derive(Clone, Copy, Debug)]
pub enum Long<'a> {
    /// It takes some seconds at least; a signal before its end makes its exit status.
    Batch(&'a [&'a str]),
    /// It never ends by itself, and exits with 0 when it has stopped in good order.
    Service(&'a [&'a str]),
    /// It waits for an answer that never comes, and has nothing to finish or to report when it is stopped.
    Waiting(&'a [&'a str]),
}

impl Subject<'_> {
    /// The program with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).current_dir(self.directory).env("RUST_BACKTRACE", "0");
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        process::run(&mut self.command(arguments)).expect("the program runs")
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments)).expect("the program starts")
    }
}

/// Checks all rules.
///
/// # Panics
/// If one is broken: this is a test.
pub fn check(subject: &Subject<'_>) {
    options::check(subject);
    output::check(subject);
    stops::check(subject);
}

/// A bad use has status 2, prints nothing but a message without control characters, and no panic.
fn assert_bad_use(run: &Finished, what: &[&str]) {
    assert_eq!(run.code(), Some(2), "{what:?}: {run}");
    let complaints = run.complaints();
    assert!(run.output.is_empty() && !complaints.is_empty(), "{what:?}: {run}");
    assert!(!complaints.contains("panicked"), "{what:?}: {run}");
    assert!(!complaints.contains(|c: char| c.is_control() && c != '\n'), "{what:?}: {complaints:?}");
}
