//! The command `run`: what its options mean, when its record is one, and how an interrupted one goes on.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use longshore_rivals::pools::{self, NAMES};
use longshore_rivals::rows::{self, Row, Scale};

use crate::calm::{Enforce, Guard, Proc};
use crate::record::Record;
use crate::runner::{self, Match, Plan, Side};
use crate::{machine, report};

/// Options of `run`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rows to measure, `tree*` for all that begin so [default: all].
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Competitors to measure [default: all].
    #[arg(long, value_delimiter = ',')]
    competitors: Vec<String>,
    /// How often each is measured.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Workers of each pool, in rows that are not about their number.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// The competitor that the ratios are to.
    #[arg(long, default_value = "rayon")]
    base: String,
    /// A fiftieth of the work, to see that everything runs.
    #[arg(long)]
    quick: bool,
    /// Where to write the record; needs a calm machine and a work tree without changes.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Goes on with the record if the file has an unfinished one, of the same commit, machine and options.
    #[arg(long, requires = "json")]
    sitting: bool,
    /// Writes the file whatever the machine does and whatever is not committed, and marks it: `report` refuses it.
    #[arg(long, requires = "json")]
    no_record: bool,
    /// Seconds to wait for a calm machine, each time.
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Seconds after which a measurement counts as hung.
    #[arg(long, default_value_t = 120)]
    deadline: u64,
}

/// Measures, prints the tables, and returns whether all is well.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let plan = plan(arguments)?;
    let mut record = begun(arguments, &plan)?;
    let enforce = if arguments.json.is_some() && !arguments.no_record {
        Enforce::Calm { patience: Duration::from_secs(arguments.patience) }
    } else {
        Enforce::Nothing
    };
    let mut guard = Guard::new(Proc::default(), enforce, record.machine.cores, record.seen.clone());
    let end = plan.run(&mut record, &mut guard);
    if let (Err(_), Some(path)) = (&end, &plan.json)
        && path.exists()
    {
        eprintln!("\nwhat was measured is in {}; the same command with --sitting goes on", path.display());
    }
    end?;
    print!("{}", report::plain::tables(&record));
    println!("\n{}", record.seen);
    Ok(if record.rows.iter().all(runner::is_well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The record to go on with, or a new one.
fn begun(arguments: &Arguments, plan: &Plan) -> Result<Record> {
    let mut new = Record::new(runner::command(), arguments.rounds.into(), &arguments.base, plan.rows());
    new.quick = arguments.quick;
    new.objections = objections(arguments.json.is_some(), arguments.no_record, arguments.quick)?;
    let Some(path) = arguments.json.as_ref().filter(|path| path.exists()) else { return Ok(new) };
    let unfinished = Record::read(path).ok().filter(|old| !old.is_complete());
    if !arguments.sitting {
        let remedy = "--sitting goes on with it; remove it to begin anew";
        ensure!(unfinished.is_none(), "{} has an unfinished run: {remedy}", path.display());
        return Ok(new);
    }
    let mut old = Record::read(path)?;
    old.may_go_on(&new).with_context(|| format!("cannot go on with {}", path.display()))?;
    // What once spoke against it does so for ever.
    for objection in new.objections {
        if !old.objections.contains(&objection) {
            old.objections.push(objection);
        }
    }
    Ok(old)
}

/// What speaks against making published figures of a run: whether it has a file, is said to be no record, and is a
/// reduced one.
///
/// # Errors
///
/// If something does and a record was asked for.
pub fn objections(has_file: bool, no_record: bool, quick: bool) -> Result<Vec<String>> {
    let mut objections = machine::uncommitted();
    if has_file && !no_record && !objections.is_empty() {
        bail!(
            "no record can be made: {}; --no-record measures all the same and marks the file",
            objections.join("; ")
        );
    }
    if no_record {
        objections.push("it was made with --no-record".to_owned());
    }
    if quick {
        objections.push("the amounts of work were reduced".to_owned());
    }
    Ok(objections)
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    let program = env::current_exe().context("cannot find this program")?;
    for name in arguments.competitors.iter().chain([&arguments.base]) {
        ensure!(pools::is_known(name), "no competitor is called {name}; `list` names them");
    }
    let side =
        |name: &str| Side { name: name.to_owned(), competitor: name.to_owned(), program: program.clone() };
    let the_match = |row: Row| Match {
        row,
        workers: row.workers.unwrap_or(arguments.workers.into()),
        sides: taking_part(&row, &arguments.competitors).map(side).collect(),
    };
    let matches: Vec<Match> = chosen(&arguments.rows)?
        .into_iter()
        .map(the_match)
        .filter(|the_match| !the_match.sides.is_empty())
        .collect();
    ensure!(!matches.is_empty(), "none of these competitors takes part in any of these rows");
    Ok(Plan {
        matches,
        scale: scale(arguments.quick),
        deadline: Duration::from_secs(arguments.deadline),
        json: arguments.json.clone(),
    })
}

/// The competitors in a row; of the named ones if there are any.
pub fn taking_part<'a>(row: &Row, named: &'a [String]) -> impl Iterator<Item = &'static str> + use<'a> {
    let all = row.only.unwrap_or(NAMES).iter().copied();
    all.filter(|name| named.is_empty() || named.iter().any(|other| other == name))
}

/// How much work.
pub fn scale(quick: bool) -> Scale {
    if quick { Scale::Quick } else { Scale::Full }
}

/// The rows of these names, all if there are none, in the order of the report.
pub fn chosen(names: &[String]) -> Result<Vec<Row>> {
    let mut rows = rows::all();
    if let Some(name) = names.iter().find(|name| !rows.iter().any(|row| is_named(row.id, name))) {
        bail!("no row is called {name}; `list` names them");
    }
    rows.retain(|row| names.is_empty() || names.iter().any(|name| is_named(row.id, name)));
    Ok(rows)
}

/// A name means a row: its own, or the beginning of it with an asterisk.
pub fn is_named(id: &str, name: &str) -> bool {
    match name.strip_suffix('*') {
        Some(prefix) => id.starts_with(prefix),
        None => id == name,
    }
}
