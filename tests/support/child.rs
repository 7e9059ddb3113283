//! Scenarios in a process of their own: the test starts its own binary again, to run this test alone.
//!
//! ```ignore
//! #[test]
//! fn some_test() {
//!     if child::plays("some_test", |argument| { /* the scenario */ }) {
//!         return;
//!     }
//!     Child::of("some_test").succeeds();
//! }
//! ```

use std::env;
use std::fmt::Write as _;
use std::io::Read;
#[cfg(unix)]
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use super::{PATIENCE, dump_process, wait_until};

const NAME: &str = "LONGSHORE_TEST_CHILD";
const ARGUMENT: &str = "LONGSHORE_TEST_ARGUMENT";

/// Threads of a process that runs a scenario and has no pool: one of the harness and one of the test.
pub const THREADS: usize = 2;

/// Runs `scenario` if this process was started for test `name`. Returns whether it was.
pub fn plays(name: &str, scenario: impl FnOnce(&str)) -> bool {
    if env::var(NAME).as_deref() != Ok(name) {
        return false;
    }
    scenario(&env::var(ARGUMENT).unwrap_or_default());
    println!("{}", marker(name));
    true
}

/// Runs a scenario with each kind of pool, each in a process of its own.
#[track_caller]
pub fn with_each_kind(name: &'static str, push: fn(), pull: fn()) {
    if !plays(name, |kind| if kind == "pull" { pull() } else { push() }) {
        for kind in ["push", "pull"] {
            Child::of(name).argument(kind).succeeds();
        }
    }
}

/// Printed at the end of a scenario, because the harness succeeds as well if it finds no test of that name.
fn marker(name: &str) -> String {
    format!("the scenario of {name} has ended")
}

/// A process to be started for a test.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    wrapper: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

/// How a process ended.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    /// Standard output and error.
    pub output: String,
    /// Whether the scenario ran to its end.
    pub finished: bool,
}

impl Child {
    pub fn of(name: &'static str) -> Self {
        Child { name, wrapper: Vec::new(), variables: Vec::new() }
    }

    /// Passes an argument to the scenario.
    pub fn argument(self, argument: impl ToString) -> Self {
        self.variable(ARGUMENT, argument)
    }

    pub fn variable(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.push((name, value.to_string()));
        self
    }

    /// Starts it through another program, such as `taskset -c 0`.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper.extend(wrapper.iter().map(|&word| word.to_owned()));
        self
    }

    /// Starts the process.
    pub fn spawn(&self) -> Process {
        let this = env::current_exe().expect("the test binary has a path");
        let mut command = match self.wrapper.split_first() {
            None => Command::new(this),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(this);
                command
            }
        };
        // No other test runs in that process.
        #[cfg(unix)]
        command.process_group(0);
        command
            .args([self.name, "--exact", "--nocapture", "--test-threads=1"])
            .env_remove("LONGSHORE_THREADS")
            .env("RUST_BACKTRACE", "0")
            .env(NAME, self.name)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().expect("the process starts")
    }

    /// Runs the process to its end. Kills it, with a report, if it hangs.
    #[track_caller]
    pub fn outcome(self) -> Outcome {
        let mut process = self.spawn();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(process.stdout.take().expect("piped")),
            Box::new(process.stderr.take().expect("piped")),
        ];
        // Read while the process runs, so that it never waits for a reader.
        let readers = streams.map(|mut stream| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).expect("readable");
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        let status = end_of(&mut process, self.name);
        let output: String = readers.map(|reader| reader.join().expect("reads")).concat();
        Outcome { status, finished: output.contains(&marker(self.name)), output }
    }

    /// Runs the process and demands that its scenario succeeds.
    #[track_caller]
    pub fn succeeds(self) -> Outcome {
        let outcome = self.outcome();
        assert!(outcome.status.success() && outcome.finished, "{}", outcome.report());
        outcome
    }
}

#[track_caller]
fn end_of(process: &mut Process, name: &str) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    let mut status = None;
    wait_until("a child process ended", || {
        status = process.try_wait().expect("our own child");
        if status.is_none() && Instant::now() + PATIENCE / 10 > deadline {
            dump_process(process.id());
            #[cfg(unix)]
            kill_group(process);
            #[cfg(not(unix))]
            process.kill().expect("our own child");
            process.wait().expect("our own child");
            panic!("the process of {name} hangs");
        }
        status.is_some()
    });
    status.expect("ended")
}

/// Kills the process, its wrapper, and the processes that it has started.
#[cfg(unix)]
fn kill_group(process: &Process) {
    let group = -libc::pid_t::try_from(process.id()).expect("a process id");
    // SAFETY: `kill` has no preconditions; the group was made by `spawn`, so no other process is hit.
    unsafe { libc::kill(group, libc::SIGKILL) };
}

impl Outcome {
    /// The signal that ended the process.
    #[cfg(unix)]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn report(&self) -> String {
        let mut report = format!("{}", self.status);
        let _ = write!(report, ", finished: {}\n{}", self.finished, self.output);
        report
    }
}

/// Whether `program` can be started. If not, prints that the test is skipped.
pub fn has(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let silent = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let works = silent.status().is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: `{program} {}` does not work here", arguments.join(" "));
    }
    works
}
