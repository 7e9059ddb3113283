//! Tells what happens while it happens, on a thread of its own, so that no worker waits for a terminal or a
//! pipe.

use std::io::{self, ErrorKind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore_cli::{name, print};

use crate::PROGRAM;
use crate::cli::Cli;
use crate::outcome::{Outcome, Status};

/// Collects outcomes, and tells of each as it comes.
#[derive(Debug)]
pub struct Reporter {
    outcomes: Sender<Outcome>,
    thread: JoinHandle<Vec<Outcome>>,
}

/// What a task hands its outcome to.
pub type Outcomes = Sender<Outcome>;

impl Reporter {
    /// For so many files.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(files: usize, cli: &Cli) -> io::Result<Reporter> {
        let (outcomes, received) = mpsc::channel();
        let teller = Teller { bar: bar(files, cli), lines: cli.json_lines };
        let thread =
            thread::Builder::new().name("reporter".into()).spawn(move || teller.collect(&received))?;
        Ok(Reporter { outcomes, thread })
    }

    /// For the tasks.
    pub fn outcomes(&self) -> Outcomes {
        self.outcomes.clone()
    }

    /// All outcomes in the order of the inputs, when every task has let go of its [`Outcomes`].
    pub fn finish(self) -> Vec<Outcome> {
        drop(self.outcomes);
        let mut outcomes = self.thread.join().unwrap_or_default();
        outcomes.sort_by_key(|outcome| outcome.index);
        outcomes
    }
}

/// Draws on standard error, and only if that is a terminal.
fn bar(files: usize, cli: &Cli) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    if cli.quiet || cli.dry_run {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta} left") {
        bar.set_style(style);
    }
    bar
}

struct Teller {
    bar: ProgressBar,
    /// Whether each outcome is a line of JSON.
    lines: bool,
}

impl Teller {
    fn collect(&self, received: &Receiver<Outcome>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut can_write = true;
        for outcome in received {
            self.tell(&outcome);
            if self.lines && can_write {
                can_write = self.bar.suspend(|| write_line(&outcome));
            }
            self.bar.inc(1);
            outcomes.push(outcome);
        }
        self.bar.finish_and_clear();
        outcomes
    }

    fn tell(&self, outcome: &Outcome) {
        let complain = |text: &str| {
            let message = format!("{}: {text}", name::shown(&outcome.source));
            self.bar.suspend(|| print::complain(PROGRAM, &message));
        };
        match &outcome.status {
            Status::Failed { error, .. } => complain(error),
            Status::Resized(done) => {
                done.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")))
            }
            _ => {}
        }
    }
}

/// Writes an outcome as a line of JSON. Says false when the reader has gone.
fn write_line(outcome: &Outcome) -> bool {
    let written = print::report(|out| {
        serde_json::to_writer(&mut *out, outcome)?;
        writeln!(out)
    });
    match written {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != ErrorKind::BrokenPipe {
                print::complain(PROGRAM, &format!("cannot write the report: {error}"));
            }
            false
        }
    }
}
