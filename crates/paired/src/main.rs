//! Compares longshore with its peers: competitors in turn, each measurement in a process of its own, several rounds.
//!
//! `run` measures and `count` counts, both print tables; `report` turns their records into BENCHMARKS.md and plots;
//! `list` names rows and competitors.

mod callgrind;
mod count;
mod machine;
mod record;
mod report;
mod runner;
mod sample;
mod stats;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};

use longshore_rivals::counted::Amount;
use longshore_rivals::counting::Counting;
use longshore_rivals::pools;
use longshore_rivals::rows::{self, Row, Scale, Setup};
use record::Record;
use sample::Sample;

/// Counts for the rows about allocations. While it does not, an allocation costs one load and one branch more than
/// without it, for every competitor alike.
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
    Run(Run),
    /// Counts instructions and atomic operations per task by callgrind, and prints a table for each workload.
    Count(count::Arguments),
    /// Names the rows and the competitors.
    List,
    /// Turns records of runs into BENCHMARKS.md and its plots.
    Report {
        /// Files that `run --json` and `count --json` wrote; where several hold the same row, the last one counts.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Where BENCHMARKS.md and docs/plots go [default: the checkout].
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
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

#[derive(Debug, clap::Args)]
struct Run {
    /// Rows to measure, `tree*` for all that begin so [default: all].
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Competitors to measure [default: all].
    #[arg(long, value_delimiter = ',')]
    competitors: Vec<String>,
    /// How often each is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Workers of each pool, in rows that are not about their number.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// The competitor to whom the ratios are.
    #[arg(long, default_value = "rayon")]
    base: String,
    /// A fiftieth of the work, to see that everything runs.
    #[arg(long)]
    quick: bool,
    /// Where to write the record.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Seconds after which a measurement counts as hung.
    #[arg(long, default_value_t = 120)]
    deadline: u64,
}

/// Exit status: 0 all is well, 1 wrong results (or our own pool hung or died), 2 the command cannot be carried out.
fn main() -> ExitCode {
    carry_out(Arguments::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

fn carry_out(task: Task) -> Result<ExitCode> {
    match task {
        Task::Run(run) => {
            let well = runner::run(&plan(run)?)?;
            Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
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
        Task::Report { files, into } => {
            let records = files.iter().map(read).collect::<Result<Vec<_>>>()?;
            let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            report::write(&records, &into.unwrap_or(checkout))?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Child { row, competitor, workers, quick } => child(&row, &competitor, workers, scale(quick)),
    }
}

fn plan(run: Run) -> Result<runner::Plan> {
    let rows = chosen(&run.rows)?;
    for name in run.competitors.iter().chain([&run.base]) {
        ensure!(pools::is_known(name), "no competitor is called {name}; `list` names them");
    }
    Ok(runner::Plan {
        rows,
        competitors: run.competitors,
        rounds: run.rounds.into(),
        workers: run.workers.into(),
        base: run.base,
        scale: scale(run.quick),
        deadline: Duration::from_secs(run.deadline),
        json: run.json,
    })
}

fn scale(quick: bool) -> Scale {
    if quick { Scale::Quick } else { Scale::Full }
}

/// The rows of these names, all if there are none, in the order of the report.
fn chosen(names: &[String]) -> Result<Vec<Row>> {
    let is_named = |row: &Row, name: &str| match name.strip_suffix('*') {
        Some(prefix) => row.id.starts_with(prefix),
        None => row.id == name,
    };
    let mut rows = rows::all();
    if let Some(name) = names.iter().find(|name| !rows.iter().any(|row| is_named(row, name))) {
        bail!("no row is called {name}; `list` names them");
    }
    rows.retain(|row| names.is_empty() || names.iter().any(|name| is_named(row, name)));
    Ok(rows)
}

fn read(path: &PathBuf) -> Result<Record> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let record: Record = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a record of a run", path.display()))?;
    ensure!(record.schema == record::SCHEMA, "{} is in format {}", path.display(), record.schema);
    Ok(record)
}

/// One measurement. The process ends here, with its pool as it is: taking pools down is one row's subject.
fn child(row: &str, competitor: &str, workers: usize, scale: Scale) -> Result<ExitCode> {
    let row = chosen(&[row.to_owned()])?[0];
    let prepared = (row.prepare)(Setup { workers, scale }, competitor);
    let sample = Sample::from(prepared.and_then(|mut prepared| (prepared.pass)()));
    println!("{}", serde_json::to_string(&sample)?);
    std::process::exit(i32::from(matches!(sample, Sample::Wrong { .. })));
}
