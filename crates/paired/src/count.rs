//! Counts instructions and atomic operations per task, which need no quiet machine: competitors under callgrind.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use longshore_rivals::counted::{ALL, Amount, Workload};
use longshore_rivals::pools::{CENTRAL, is_known};
use longshore_rivals::rows::Better;

use crate::callgrind::{Callgrind, Counts};
use crate::record::{CompetitorRecord, MetricRecord, Record, RowRecord, SCHEMA};
use crate::sample::Sample;
use crate::{machine, report, runner};

/// What the tables do not show.
const NOT_SHOWN: &str = "Counted, not timed: the second of two passes (the difference between a run of two passes and \
                         one of one), on all threads, by callgrind, which runs one thread at a time. So no two threads ever meet at a \
                         word, failed attempts of a compare-and-swap are missing, and looking for work in vain is \
                         counted as far as it happens there.";

/// What to count.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Competitors to count [default: one of each kind].
    #[arg(long, value_delimiter = ',')]
    competitors: Vec<String>,
    /// How often each is counted.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Workers of each pool.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// The competitor to whom the ratios are.
    #[arg(long, default_value = "rayon")]
    base: String,
    /// Tasks of a pass.
    #[arg(long, default_value_t = 32_767, value_parser = clap::value_parser!(u64).range(1000..))]
    tasks: u64,
    /// Where to write the record.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Counts, prints tables and returns whether all is well.
pub fn count(arguments: &Arguments) -> Result<bool> {
    let mut callgrind = Callgrind::new()?;
    let competitors: Vec<String> = match arguments.competitors.as_slice() {
        [] => CENTRAL.iter().map(|&name| name.to_owned()).collect(),
        named => named.to_vec(),
    };
    for name in &competitors {
        ensure!(is_known(name), "no competitor is called {name}; `list` names them");
    }
    let mut record = Record {
        schema: SCHEMA,
        date: machine::date(),
        command: runner::command(),
        machine: machine::machine(),
        build: machine::build(),
        rounds: arguments.rounds.into(),
        quick: false,
        base: arguments.base.clone(),
        rows: ALL.iter().map(|workload| row(workload, arguments, &competitors)).collect(),
    };
    for (workload, row) in ALL.iter().zip(&mut record.rows) {
        eprint!("{}:", workload.id);
        for competitor in &mut row.competitors {
            eprint!(" {}", competitor.name);
            for _ in 0..arguments.rounds {
                competitor.samples.push(sample(&mut callgrind, workload, &competitor.name, arguments)?);
            }
        }
        eprintln!();
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&record)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    print!("{}", report::plain::tables(&record));
    Ok(record.rows.iter().all(runner::is_well))
}

fn row(workload: &Workload, arguments: &Arguments, competitors: &[String]) -> RowRecord {
    let metric = |key: &str, unit: &str| MetricRecord {
        key: key.to_owned(),
        unit: unit.to_owned(),
        better: Better::Lower,
    };
    let competitor = |name: &String| CompetitorRecord { name: name.clone(), samples: Vec::new() };
    RowRecord {
        id: workload.id.to_owned(),
        title: format!("Instructions and atomic operations per task: {}", workload.title),
        workers: arguments.workers.into(),
        not_shown: NOT_SHOWN.to_owned(),
        metrics: vec![
            metric("instructions", "instructions per task"),
            metric("atomics", "atomic read-modify-writes and fences per task"),
        ],
        sweep: None,
        base: None,
        competitors: competitors.iter().map(competitor).collect(),
    }
}

/// The difference between a run of two passes and one of one.
fn sample(
    callgrind: &mut Callgrind,
    workload: &Workload,
    competitor: &str,
    arguments: &Arguments,
) -> Result<Sample> {
    let program = env::current_exe().context("cannot find this program")?;
    let workers = arguments.workers.to_string();
    let tasks = arguments.tasks.to_string();
    let mut run = |passes: &str| -> Result<Result<(f64, Counts), Sample>> {
        let call = ["count-child", workload.id, competitor, &tasks, passes, "--workers", &workers];
        let (out, counts) = match callgrind.run(&program, &call) {
            Ok(ran) => ran,
            Err(error) => return Ok(Err(Sample::Failed { message: format!("{error:#}") })),
        };
        let sample: Sample = serde_json::from_str(out.trim()).context("a child that says nothing")?;
        Ok(sample.value("tasks").map(|tasks| (tasks, counts)).ok_or(sample))
    };
    let (one, two) = match (run("1")?, run("2")?) {
        (Ok(one), Ok(two)) => (one, two),
        (Err(sample), _) | (_, Err(sample)) => return Ok(sample),
    };
    let tasks = two.0 - one.0;
    let each = |count: fn(&Counts) -> u64| (count(&two.1) as f64 - count(&one.1) as f64) / tasks;
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
