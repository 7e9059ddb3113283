//! Compares longshore with its peers: competitors in turn, each measurement in a process of its own, several
//! rounds.
//!
//! `run` measures and `count` counts, both print tables; `report` turns their records into BENCHMARKS.md and
//! plots; `compare` measures two commits against each other; `list` names rows and competitors.

mod callgrind;
mod calm;
mod child;
mod compare;
mod count;
mod git;
mod machine;
mod progress;
mod ratio;
mod record;
mod report;
mod run;
mod runner;
mod sample;
mod stats;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use longshore_rivals::counted;
use longshore_rivals::counted::Amount;
use longshore_rivals::counting::Counting;
use longshore_rivals::pools;
use longshore_rivals::rows::{self, Scale, Setup};
use sample::Sample;

/// Counts for the rows about allocations. While it does not, an allocation costs one load and one branch more
/// than without it, for every competitor alike.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Compares longshore with its peers.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Measures and prints a table for each row.
    Run(run::Arguments),
    /// Counts instructions and atomic operations per task by callgrind, and prints a table for each workload.
    Count(count::Arguments),
    /// Measures two builds of the library against each other, and prints a table with intervals.
    Compare(compare::Arguments),
    /// Names the rows and the competitors.
    List,
    /// Turns records into BENCHMARKS.md with its plots, docs/benchmarks.md, and the figures of README.md.
    Report(report::Arguments),
    /// Runs tasks in this process, to be counted from outside.
    #[command(hide = true)]
    CountChild {
        workload: String,
        competitor: String,
        tasks: u64,
        passes: u64,
        #[arg(long, default_value_t = 2)]
        workers: usize,
    },
    /// Makes one measurement in this process and prints it as a line of JSON.
    #[command(hide = true)]
    Child {
        row: String,
        competitor: String,
        #[arg(long, default_value_t = 2)]
        workers: usize,
        #[arg(long)]
        quick: bool,
    },
}

/// Exit status: 0 all is well, 1 wrong results (or our own pool hung or died), 2 the command cannot be
/// carried out.
fn main() -> ExitCode {
    carry_out(Arguments::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn carry_out(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run(arguments) => run::run(&arguments),
        Task::Compare(arguments) => compare::compare(&arguments),
        Task::Count(arguments) => {
            Ok(if count::count(&arguments)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Task::CountChild { workload, competitor, tasks, passes, workers } => {
            let sample = count::child(&workload, &competitor, Amount { workers, tasks, passes })?;
            println!("{}", serde_json::to_string(&sample)?);
            // As in `child`.
            std::process::exit(0);
        }
        Task::List => {
            for row in rows::all() {
                println!("{:<18}{}", row.id, row.title);
            }
            for workload in counted::ALL {
                println!("{:<18}Instructions per task: {}", workload.id, workload.title);
            }
            println!("\ncompetitors: {}", pools::NAMES.join(", "));
            println!("in the rows that are a share of an ideal, also: {}", pools::SIDE_BY_SIDE);
            println!("in the rows about locality: {}", pools::LOCAL.join(", "));
            println!("in the rows about bounded queues: {}", pools::BOUNDED.join(", "));
            println!("in the row about a burst: {}", pools::BURST.join(", "));
            for names in [pools::ELASTIC, pools::HISTOGRAMS, pools::TICKETS] {
                println!("in the rows about options: {}", names.join(", "));
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Report(arguments) => {
            report::report(&arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Child { row, competitor, workers, quick } => {
            child(&row, &competitor, workers, run::scale(quick))
        }
    }
}

/// One measurement. The process ends here, with its pool as it is: taking pools down is one row's subject.
fn child(row: &str, competitor: &str, workers: usize, scale: Scale) -> Result<ExitCode> {
    let row = run::chosen(&[row.to_owned()])?[0];
    let prepared = (row.prepare)(Setup { workers, scale }, competitor);
    let sample = Sample::from(prepared.and_then(|mut prepared| (prepared.pass)()));
    println!("{}", serde_json::to_string(&sample)?);
    std::process::exit(i32::from(matches!(sample, Sample::Wrong { .. })));
}
