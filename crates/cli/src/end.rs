//! How a program begins and ends: options, errors, exit statuses.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use clap::Parser;
//! use longshore_cli::end::{self, Failure, OrFail, Status};
//!
//! #[derive(Parser)]
//! struct Cli {
//!     file: String,
//! }
//!
//! fn main() -> ExitCode {
//!     end::main("program", |cli: Cli| {
//!         let file = std::fs::File::open(&cli.file).or_usage()?;
//!         let failed = file.metadata().or_failed()?.len() == 0;
//!         Ok(if failed { Status::FAILED } else { Status::DONE })
//!     })
//! }
//! ```

use std::process::{self, ExitCode};

use anyhow::Error;
use clap::Parser;
use clap::error::ErrorKind;

use crate::name;
use crate::print::{complain, report};
use crate::signals::Signal;

/// With what status a program exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    /// Everything is done.
    pub const DONE: Status = Status(0);
    /// The program ran, and something that was asked for is not done: a file, an answer, the report.
    pub const FAILED: Status = Status(1);
    /// Nothing was begun: a bad option, an input or an address that cannot be used, a pool that does not
    /// start.
    pub const USAGE: Status = Status(2);
    /// The time that an option sets was up first, as with timeout(1).
    pub const TIMED_OUT: Status = Status(124);

    /// A status that only this program has, and that its `--help` explains.
    ///
    /// # Panics
    /// If the number has a meaning for all programs: it is from 3 to 123.
    pub const fn special(number: u8) -> Status {
        assert!(number >= 3 && number <= 123, "that status has a meaning for all programs");
        Status(number)
    }

    /// A signal came before the work was done: 128 and its number, as a shell says of a program that the
    /// signal ended.
    pub const fn stopped_by(signal: Signal) -> Status {
        Status(128 + signal.number())
    }

    /// The number.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status.0)
    }
}

/// Why a program ends before its end: one line for the user, and the exit status.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    error: Error,
}

impl Failure {
    /// Nothing was begun.
    pub fn usage(error: impl Into<Error>) -> Failure {
        Failure { status: Status::USAGE, error: error.into() }
    }

    /// Something had begun.
    pub fn failed(error: impl Into<Error>) -> Failure {
        Failure { status: Status::FAILED, error: error.into() }
    }

    /// Ends with a status of the caller's choice.
    pub fn with(status: Status, error: impl Into<Error>) -> Failure {
        Failure { status, error: error.into() }
    }

    /// The exit status.
    pub fn status(&self) -> Status {
        self.status
    }
}

/// Chooses the exit status of an error.
pub trait OrFail<T> {
    /// Nothing was begun: status 2.
    ///
    /// # Errors
    /// Its own.
    fn or_usage(self) -> Result<T, Failure>;

    /// Something had begun: status 1.
    ///
    /// # Errors
    /// Its own.
    fn or_failed(self) -> Result<T, Failure>;
}

impl<T, E: Into<Error>> OrFail<T> for Result<T, E> {
    fn or_usage(self) -> Result<T, Failure> {
        self.map_err(Failure::usage)
    }

    fn or_failed(self) -> Result<T, Failure> {
        self.map_err(Failure::failed)
    }
}

/// Reads the command line, runs the program, prints the error that it ends with, and returns its exit status.
///
/// A bad option ends the process here with status 2, `--help` with 0.
pub fn main<C: Parser>(program: &str, run: impl FnOnce(C) -> Result<Status, Failure>) -> ExitCode {
    match run(parse()) {
        Ok(status) => status.into(),
        Err(Failure { status, error }) => {
            complain(program, &format!("{error:#}"));
            status.into()
        }
    }
}

/// Reads the command line; ends the process if there is nothing to run.
///
/// The messages of clap repeat what was typed, or what a shell has made of `*`: escaped, but for the ends of
/// lines.
fn parse<C: Parser>() -> C {
    let error = match C::try_parse() {
        Ok(cli) => return cli,
        Err(error) => error,
    };
    let text: String = error.render().to_string().split_inclusive('\n').map(escape_but_the_end).collect();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let printed = report(|out| out.write_all(text.as_bytes()));
        process::exit(if printed.is_ok() { 0 } else { i32::from(Status::FAILED.0) });
    }
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
    process::exit(i32::from(Status::USAGE.0))
}

fn escape_but_the_end(line: &str) -> String {
    match line.strip_suffix('\n') {
        Some(line) => format!("{}\n", name::line(line)),
        None => name::line(line).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_the_numbers_that_shells_know() {
        let all = [Status::DONE, Status::FAILED, Status::USAGE, Status::TIMED_OUT];
        assert_eq!(all.map(Status::code), [0, 1, 2, 124]);
        let signals = [Signal::HangUp, Signal::Interrupt, Signal::Terminate];
        assert_eq!(signals.map(|signal| Status::stopped_by(signal).code()), [129, 130, 143]);
        assert_eq!(Status::special(5).code(), 5);
    }

    #[test]
    fn an_error_has_the_status_that_its_place_gives_it() {
        let refused = || Err::<(), _>(std::io::Error::other("no"));
        assert_eq!(refused().or_usage().expect_err("it failed").status(), Status::USAGE);
        assert_eq!(refused().or_failed().expect_err("it failed").status(), Status::FAILED);
        let own = Failure::with(Status::special(69), std::io::Error::other("no"));
        assert_eq!(own.status().code(), 69);
    }
}
