//! Counts instructions and atomic operations per task, which need no quiet machine: competitors under
//! callgrind.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longshore_rivals::counted::{ALL, Amount, Workload};
use longshore_rivals::pools::{CENTRAL, is_known};
use longshore_rivals::rows::Better;

use crate::callgrind::{Callgrind, Counts};
use crate::record::{CompetitorRecord, MetricRecord, Record, RowRecord};
use crate::run::Asked;
use crate::sample::Sample;
use crate::{report, runner};

/// What the tables do not show.
const NOT_SHOWN: &str = "Counted, not timed: the last four of five passes (the difference between a run of five passes \
                         and a run of one), on all threads, by callgrind, which runs one thread at a time. So no \
                         two threads ever meet at a word, failed attempts of a compare-and-swap are missing, and \
                         looking for work in vain is counted as far as it happens there.";

/// Passes of the longer of the two runs that are subtracted. Which thread runs when differs from run to run;
/// in six runs each of two and of five passes the counts scattered by 0.9 % and 0.5 % (dispatch), 2.9 % and
/// 0.6 % (results).
const PASSES: &str = "5";

/// What to count.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Competitors to count [default: one of each kind].
    #[arg(long, value_delimiter = ',')]
    competitors: Vec<String>,
    /// How often each is counted.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Workers of each pool.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// The competitor that the ratios are to.
    #[arg(long, default_value = "rayon")]
    base: String,
    /// Tasks of a pass.
    #[arg(long, default_value_t = 32_767, value_parser = clap::value_parser!(u64).range(1000..))]
    tasks: u64,
    /// Where to write the record; needs a work tree without changes.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the file whatever is not committed, and marks it: `report` refuses it.
    #[arg(long, requires = "json")]
    no_record: bool,
}

/// Counts, prints tables and returns whether all is well.
pub fn count(arguments: &Arguments) -> Result<bool> {
    let objections = Asked {
        has_file: arguments.json.is_some(),
        no_record: arguments.no_record,
        quick: false,
        rounds: arguments.rounds,
    }
    .objections()?;
    let mut callgrind = Callgrind::new()?;
    let competitors: Vec<String> = match arguments.competitors.as_slice() {
        [] => CENTRAL.iter().map(|&name| name.to_owned()).collect(),
        named => named.to_vec(),
    };
    for name in &competitors {
        ensure!(is_known(name), "no competitor is called {name}; `list` names them");
    }
    let amount = Amount { workers: arguments.workers.into(), tasks: arguments.tasks, passes: 1 };
    let rows = ALL.iter().map(|workload| row(workload, amount.workers, &competitors)).collect();
    let mut record = Record::new(runner::command(), arguments.rounds.into(), &arguments.base, rows);
    record.objections = objections;
    let program = env::current_exe().context("cannot find this program")?;
    for (workload, row) in ALL.iter().zip(&mut record.rows) {
        eprint!("{}:", workload.id);
        for _ in 0..arguments.rounds {
            let sample = |name| sample(&mut callgrind, &program, workload, name, amount);
            let samples = competitors.iter().map(String::as_str).map(sample).collect::<Result<Vec<_>>>()?;
            row.add(samples, Duration::ZERO);
            eprint!(" {}", row.rounds());
        }
        eprintln!();
    }
    if let Some(path) = &arguments.json {
        record.save(path)?;
    }
    print!("{}", report::plain::tables(&record));
    Ok(record.rows.iter().all(runner::is_well))
}

/// The row of a workload in which nothing has been counted yet.
pub fn row(workload: &Workload, workers: usize, competitors: &[String]) -> RowRecord {
    let metric = |key: &str, unit: &str| MetricRecord {
        key: key.to_owned(),
        unit: unit.to_owned(),
        better: Better::Lower,
    };
    let competitor = |name: &String| CompetitorRecord { name: name.clone(), samples: Vec::new() };
    RowRecord {
        id: workload.id.to_owned(),
        title: format!("Instructions and atomic operations per task: {}", workload.title),
        workers,
        not_shown: NOT_SHOWN.to_owned(),
        metrics: vec![
            metric("instructions", "instructions per task"),
            metric("atomics", "atomic read-modify-writes and fences per task"),
        ],
        sweep: None,
        base: None,
        seconds: Vec::new(),
        competitors: competitors.iter().map(competitor).collect(),
    }
}

/// The difference between a run of several passes and a run of one.
pub fn sample(
    callgrind: &mut Callgrind,
    program: &Path,
    workload: &Workload,
    competitor: &str,
    amount: Amount,
) -> Result<Sample> {
    let workers = amount.workers.to_string();
    let tasks = amount.tasks.to_string();
    let mut run = |passes: &str| -> Result<Result<(f64, Counts), Sample>> {
        let call = ["count-child", workload.id, competitor, &tasks, passes, "--workers", &workers];
        let (out, counts) = match callgrind.run(program, &call) {
            Ok(ran) => ran,
            Err(error) => return Ok(Err(Sample::Failed { message: format!("{error:#}") })),
        };
        let sample: Sample = serde_json::from_str(out.trim()).context("a child that says nothing")?;
        Ok(sample.value("tasks").map(|tasks| (tasks, counts)).ok_or(sample))
    };
    let (one, all) = match (run("1")?, run(PASSES)?) {
        (Ok(one), Ok(all)) => (one, all),
        (Err(sample), _) | (_, Err(sample)) => return Ok(sample),
    };
    let tasks = all.0 - one.0;
    let each = |count: fn(&Counts) -> u64| (count(&all.1) as f64 - count(&one.1) as f64) / tasks;
    let values = [
        ("instructions".to_owned(), each(|counts| counts.instructions)),
        ("atomics".to_owned(), each(|counts| counts.atomics)),
    ];
    Ok(Sample::Ok { values: values.into() })
}

/// One run in this process, to be counted from outside.
pub fn child(workload: &str, competitor: &str, amount: Amount) -> Result<Sample> {
    let workload = ALL.iter().find(|known| known.id == workload).context("no such workload")?;
    Ok(Sample::from((workload.run)(competitor, amount)))
}
