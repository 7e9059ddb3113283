//! Rows whose figures are not times, without criterion: a process for each competitor, because what the one
//! before has left would be counted. Prints a table for each row.
//!
//! With `--test`, or with `LONGSHORE_BENCH_QUICK` set, a fiftieth of the work.

use std::process::{Command, ExitCode, Stdio};
use std::{env, thread};

use longshore_rivals::outcome::{Failure, Values};
use longshore_rivals::pools::NAMES;
use longshore_rivals::rows::{self, Row, Scale, Setup};

/// Tells a child what to measure: row and competitor.
const CHILD: &str = "LONGSHORE_BENCH_CHILD";

/// Measures the rows of these names.
pub fn rows(names: &[&str]) -> ExitCode {
    if let Ok(what) = env::var(CHILD) {
        return child(&what);
    }
    let mut all_well = true;
    for row in names.iter().map(|name| row(name)) {
        println!("{}: {}", row.id, row.title);
        for &competitor in row.only.unwrap_or(NAMES) {
            all_well &= measure(&row, competitor);
        }
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(name: &str) -> Row {
    rows::all().into_iter().find(|row| row.id == name).expect("a row of this name")
}

/// Starts a child, which prints a line of its own; returns whether it ended well.
fn measure(row: &Row, competitor: &str) -> bool {
    let program = env::current_exe().expect("this program");
    let status = Command::new(program)
        .args(env::args().skip(1))
        .env(CHILD, format!("{} {competitor}", row.id))
        .stdin(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn child(what: &str) -> ExitCode {
    let (name, competitor) = what.split_once(' ').expect("a row and a competitor");
    let row = row(name);
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let is_quick =
        env::var_os("LONGSHORE_BENCH_QUICK").is_some() || env::args().any(|argument| argument == "--test");
    let scale = if is_quick { Scale::Quick } else { Scale::Full };
    let setup = Setup { workers: row.workers.unwrap_or(cores), scale };
    match (row.prepare)(setup, competitor).and_then(|mut prepared| (prepared.pass)()) {
        Ok(pass) => println!("  {competitor:<18} {}", figures(&row, &pass.values)),
        Err(Failure::NotOffered) => {}
        Err(Failure::Wrong(message)) => {
            println!("  {competitor:<18} WRONG: {message}");
            return ExitCode::FAILURE;
        }
    }
    // The pool stays as it is: taking pools down is another bench's subject.
    std::process::exit(0);
}

fn figures(row: &Row, values: &Values) -> String {
    let figure = |metric: &rows::Metric| {
        let value = values.get(metric.key)?;
        Some(format!("{value:>10.3} {}", metric.unit))
    };
    row.metrics.iter().filter_map(figure).collect::<Vec<_>>().join(", ")
}
