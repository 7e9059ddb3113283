//! Compares two builds of the library: one commit against another, in one sitting, their measurements in
//! turn.
//!
//! Each side is the whole benchmark program of its commit, so its competitors and workloads are those of that
//! commit; the files in which these differ are named. Both are built at the same path with the same
//! dependencies, so that equal sources give equal programs, and a commit against itself shows what the
//! machine can resolve.

mod program;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use longshore_rivals::counted::{self, Amount, Workload};
use longshore_rivals::pools::is_known;
use longshore_rivals::rows::{Row, all};

use crate::callgrind::Callgrind;
use crate::calm::{Enforce, Guard, Proc};
use crate::record::{Record, RowRecord};
use crate::run::{is_named, scale, taking_part};
use crate::runner::{self, Match, Plan, Side};
use crate::{count, git, ratio};
use program::Program;

/// The rows that a change of the library's inside is judged by.
const ROWS: [&str; 13] = [
    "dispatch-16",
    "dispatch-64",
    "dispatch-256",
    "producers-4",
    "bounded-1",
    "bounded-4",
    "results",
    "tree",
    "round-trip",
    "fib",
    "fib-w1",
    "uts-t1",
    "count-*",
];

/// The competitors that are this library, plain and with bounded queues.
const COMPETITORS: [&str; 4] = ["push", "push-bounded", "pull", "pull-bounded"];

/// The fewest rounds: the interval then leaves out the three smallest and the three largest quotients.
const LEAST_ROUNDS: u16 = 15;

/// Differences of counted instructions up to this count as none.
const MARGIN_COUNTED: f64 = 0.01;

/// The folders whose files decide what is measured, beside the library.
const WORKLOADS: [&str; 5] = ["crates/rivals", "crates/jpeg", "crates/cli", "examples/resize", "Cargo.lock"];

/// How many of these files are named.
const NAMED: usize = 6;

/// Options of `compare`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The old side: a commit, or the path of a program that was built from one.
    old: String,
    /// The new side.
    #[arg(default_value = "HEAD")]
    new: String,
    /// Rows to measure, `tree*` for all that begin so [default: those that the library's inside decides].
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Competitors to measure [default: push and pull, plain and bounded]; rayon is the same on either side
    /// and shows what the machine does.
    #[arg(long, value_delimiter = ',')]
    competitors: Vec<String>,
    /// How often each is measured.
    #[arg(long, default_value_t = LEAST_ROUNDS, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// How often each is counted, in rows that count instructions.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count_rounds: u16,
    /// Tasks of a pass, in rows that count instructions.
    #[arg(long, default_value_t = 32_767, value_parser = clap::value_parser!(u64).range(1000..))]
    tasks: u64,
    /// Workers of each pool, in rows that are not about their number.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// A fiftieth of the work and any number of rounds, to see that everything runs.
    #[arg(long)]
    quick: bool,
    /// Builds both sides and measures nothing.
    #[arg(long)]
    build_only: bool,
    /// Measures on a loaded machine as well.
    #[arg(long)]
    loaded: bool,
    /// Where to write all samples.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Seconds to wait for a calm machine, each time.
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Seconds after which a measurement counts as hung.
    #[arg(long, default_value_t = 120)]
    deadline: u64,
}

/// The name of a side in the record.
fn name(competitor: &str, side: &str) -> String {
    format!("{competitor}, {side}")
}

/// Builds, measures, counts, prints a table, and returns whether all results were right.
pub fn compare(arguments: &Arguments) -> Result<ExitCode> {
    check(arguments)?;
    let sides = [("old", Program::new(&arguments.old)?), ("new", Program::new(&arguments.new)?)];
    if arguments.build_only {
        return Ok(ExitCode::SUCCESS);
    }
    let plan = plan(arguments, &sides);
    let workloads = workloads(arguments);
    ensure!(
        !plan.matches.is_empty() || !workloads.is_empty(),
        "none of these competitors takes part in any of these rows"
    );
    let mut record = Record::new(runner::command(), arguments.rounds.into(), "", plan.rows());
    record.quick = arguments.quick;
    record.objections.push("it compares two builds".to_owned());
    if !plan.matches.is_empty() {
        let enforce = match arguments.loaded {
            true => Enforce::Nothing,
            false => Enforce::Calm { patience: Duration::from_secs(arguments.patience) },
        };
        let mut guard = Guard::new(Proc::default(), enforce, record.machine.cores, record.seen.clone());
        plan.run(&mut record, &mut guard)?;
    }
    for workload in workloads {
        record.rows.push(counted(arguments, workload, &sides)?);
    }
    if let Some(path) = &arguments.json {
        record.save(path)?;
    }
    println!("{}", heading(arguments, &record, &sides)?);
    print!("{}", table::table(&record)?);
    Ok(if record.rows.iter().all(runner::is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.quick || arguments.rounds >= LEAST_ROUNDS,
        "{} rounds say too little: at least {LEAST_ROUNDS}, or --quick",
        arguments.rounds
    );
    for name in &arguments.competitors {
        ensure!(is_known(name), "no competitor is called {name}; `list` names them");
    }
    let ids = || all().into_iter().map(|row| row.id).chain(counted::ALL.iter().map(|workload| workload.id));
    if let Some(name) = arguments.rows.iter().find(|name| !ids().any(|id| is_named(id, name))) {
        bail!("no row is called {name}; `list` names them");
    }
    Ok(())
}

/// The row is among those that were asked for.
fn is_chosen(id: &str, arguments: &Arguments) -> bool {
    match arguments.rows.as_slice() {
        [] => ROWS.iter().any(|name| is_named(id, name)),
        named => named.iter().any(|name| is_named(id, name)),
    }
}

fn competitors(arguments: &Arguments) -> Vec<String> {
    match arguments.competitors.as_slice() {
        [] => COMPETITORS.map(str::to_owned).to_vec(),
        named => named.to_vec(),
    }
}

fn plan(arguments: &Arguments, sides: &[(&str, Program)]) -> Plan {
    let named = competitors(arguments);
    let the_match = |row: Row| {
        let side = |competitor: &'static str| {
            sides.iter().map(move |(side, program)| Side {
                name: name(competitor, side),
                competitor: competitor.to_owned(),
                program: program.path.clone(),
            })
        };
        Match {
            row,
            workers: row.workers.unwrap_or(arguments.workers.into()),
            sides: taking_part(&row, &named).flat_map(side).collect(),
        }
    };
    let rows = all().into_iter().filter(|row| is_chosen(row.id, arguments));
    Plan {
        matches: rows.map(the_match).filter(|the_match| !the_match.sides.is_empty()).collect(),
        scale: scale(arguments.quick),
        deadline: Duration::from_secs(arguments.deadline),
        json: arguments.json.clone(),
    }
}

fn workloads(arguments: &Arguments) -> Vec<&'static Workload> {
    counted::ALL.iter().filter(|workload| is_chosen(workload.id, arguments)).collect()
}

/// Counts the instructions of one workload on both sides, in turn.
fn counted(arguments: &Arguments, workload: &Workload, sides: &[(&str, Program)]) -> Result<RowRecord> {
    let amount = Amount { workers: arguments.workers.into(), tasks: arguments.tasks, passes: 1 };
    // Queues with bounds are no workload of their own here.
    let named: Vec<String> =
        competitors(arguments).into_iter().filter(|name| !name.ends_with("-bounded")).collect();
    let names: Vec<String> = named
        .iter()
        .flat_map(|competitor| sides.iter().map(move |(side, _)| name(competitor, side)))
        .collect();
    let mut row = count::row(workload, amount.workers, &names);
    let mut callgrind = Callgrind::new()?;
    for round in 0..arguments.count_rounds {
        eprint!("counting {} (round {} of {})", workload.id, round + 1, arguments.count_rounds);
        let mut samples = Vec::new();
        for competitor in &named {
            for (_, program) in sides {
                samples.push(count::sample(&mut callgrind, &program.path, workload, competitor, amount)?);
            }
        }
        row.add(samples, Duration::ZERO);
        eprintln!();
    }
    Ok(row)
}

/// What was compared, where, and how calm it was.
fn heading(arguments: &Arguments, record: &Record, sides: &[(&str, Program)]) -> Result<String> {
    use std::fmt::Write;
    let mut text = format!("{}\n\n", record.command);
    for (side, program) in sides {
        writeln!(text, "{side}: {program}")?;
    }
    if let [(_, Program { commit: Some(old), .. }), (_, Program { commit: Some(new), .. })] = sides {
        let differing = git::differing(old, new, &WORKLOADS)?;
        if !differing.is_empty() {
            let more = differing.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named = differing[..differing.len().min(NAMED)].join(", ");
            writeln!(text, "the workloads may differ as well as the library: {named}{more}")?;
        }
    }
    writeln!(text, "{}, {}; {}", record.machine, record.build.rustc, record.date)?;
    if arguments.loaded {
        writeln!(text, "measured on a machine that may have been loaded")?;
    }
    writeln!(text, "{} rounds; {}", record.rounds, record.seen)?;
    writeln!(
        text,
        "new/old: the median of the quotients of the rounds; in brackets the interval that holds it with {:.0} %",
        ratio::confidence(record.rounds) * 100.0
    )?;
    Ok(text)
}
