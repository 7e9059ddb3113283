//! The command `run`: what its options mean, when its record is one, and how an interrupted one goes on.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use longshore_rivals::pools::{self, NAMES};
use longshore_rivals::rows::{self, Row, Scale};

use crate::calm::{Enforce, Guard, Proc};
use crate::ratio::LEAST_ROUNDS;
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
    /// Writes the file whatever the machine does and whatever is not committed, and marks it: `report`
    /// refuses it.
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
    new.objections = Asked {
        has_file: arguments.json.is_some(),
        no_record: arguments.no_record,
        quick: arguments.quick,
        rounds: arguments.rounds,
    }
    .objections()?;
    let Some(path) = arguments.json.as_ref().filter(|path| path.exists()) else { return Ok(new) };
    let unfinished = Record::read(path).ok().filter(|old| !old.is_complete());
    if !arguments.sitting {
        let remedy = "--sitting goes on with it; remove it to begin anew";
        ensure!(unfinished.is_none(), "{} has an unfinished run: {remedy}", path.display());
        return Ok(new);
    }
    let mut old = Record::read(path)?;
    old.may_go_on(&new)
        .with_context(|| format!("cannot go on with {}; remove it to begin anew", path.display()))?;
    // What once spoke against it does so for ever.
    for objection in new.objections {
        if !old.objections.contains(&objection) {
            old.objections.push(objection);
        }
    }
    Ok(old)
}

/// What a run was asked for, as far as it decides whether its file is a record.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// A file was asked for.
    pub has_file: bool,
    /// It was said that the file is to be no record.
    pub no_record: bool,
    /// The amounts of work are reduced.
    pub quick: bool,
    /// The number of rounds.
    pub rounds: u16,
}

impl Asked {
    /// What speaks against making published figures of it.
    ///
    /// # Errors
    ///
    /// If something does and a record was asked for.
    pub fn objections(self) -> Result<Vec<String>> {
        let mut objections = machine::uncommitted();
        if usize::from(self.rounds) < LEAST_ROUNDS {
            let rounds = self.rounds;
            objections.push(format!("{rounds} rounds are too few: a verdict needs {LEAST_ROUNDS}"));
        }
        if self.quick {
            objections.push("the amounts of work are reduced".to_owned());
        }
        if self.has_file && !self.no_record && !objections.is_empty() {
            bail!(
                "no record can be made: {}; --no-record measures all the same and marks the file",
                objections.join("; ")
            );
        }
        if self.no_record {
            objections.push("it was made with --no-record".to_owned());
        }
        Ok(objections)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reduced_run_or_one_of_few_rounds_is_no_record() {
        let full = Asked { has_file: true, no_record: false, quick: false, rounds: 5 };
        for (asked, part) in [
            (Asked { quick: true, ..full }, "reduced"),
            (Asked { rounds: 4, ..full }, "4 rounds are too few"),
        ] {
            let error = asked.objections().expect_err("a record was asked for").to_string();
            assert!(error.contains(part) && error.contains("--no-record"), "{error}");
            let marked = Asked { no_record: true, ..asked }.objections().expect("allowed").join("; ");
            assert!(marked.contains(part) && marked.contains("--no-record"), "{marked}");
            assert!(Asked { has_file: false, ..asked }.objections().is_ok(), "tables alone are no record");
        }
    }

    #[test]
    fn rows_are_chosen_by_their_names_or_their_beginnings() {
        let ids = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(&names).map(|rows| rows.iter().map(|row| row.id).collect::<Vec<_>>())
        };
        assert_eq!(ids(&["fib-*", "results"]).expect("rows"), ["results", "fib-w1"]);
        assert_eq!(ids(&[]).expect("rows").len(), rows::all().len());
        assert!(ids(&["no-such-row"]).expect_err("none").to_string().contains("no-such-row"));
    }
}
