//! The parent: starts a child for each measurement, competitors in turn, and keeps the record.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result};

use longshore_rivals::pools::{NAMES, is_ours};
use longshore_rivals::rows::{Row, Scale};

use crate::record::{Record, RowRecord, SCHEMA};
use crate::sample::Sample;
use crate::{machine, report};

/// How much of a failed child's standard error is kept.
const TAIL: usize = 400;

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// The rows.
    pub rows: Vec<Row>,
    /// The competitors; all if there are none.
    pub competitors: Vec<String>,
    /// How often.
    pub rounds: usize,
    /// Workers of each pool, where the row does not say.
    pub workers: usize,
    /// Whom the ratios are to.
    pub base: String,
    /// How much work.
    pub scale: Scale,
    /// How long a child may take.
    pub deadline: Duration,
    /// Where the record goes.
    pub json: Option<PathBuf>,
}

/// Runs the plan, prints the tables and returns whether all is well: nobody returned a wrong result, and our own
/// pools neither hung nor died.
pub fn run(plan: &Plan) -> Result<bool> {
    let row_record = |row: &Row| RowRecord::new(row, plan.workers, &taking_part(plan, row));
    let mut record = Record {
        schema: SCHEMA,
        date: machine::date(),
        command: command(),
        machine: machine::machine(),
        build: machine::build(),
        rounds: plan.rounds,
        quick: plan.scale == Scale::Quick,
        base: plan.base.clone(),
        rows: plan.rows.iter().map(row_record).collect(),
    };
    for round in 0..plan.rounds {
        for index in 0..plan.rows.len() {
            measure_row(plan, round, index, &mut record.rows[index])?;
        }
        // After each round, so that a run that is broken off leaves what it has.
        if let Some(path) = &plan.json {
            let text = serde_json::to_string_pretty(&record)? + "\n";
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    print!("{}", report::plain::tables(&record));
    Ok(record.rows.iter().all(is_well))
}

/// Those of the plan's competitors whom the row is about.
fn taking_part(plan: &Plan, row: &Row) -> Vec<String> {
    let all = row.only.unwrap_or(NAMES).iter().map(|&name| name.to_owned());
    all.filter(|name| plan.competitors.is_empty() || plan.competitors.contains(name)).collect()
}

/// Nobody returned a wrong result, and our own pools neither hung nor died.
pub fn is_well(row: &RowRecord) -> bool {
    row.competitors.iter().all(|competitor| {
        competitor.samples.iter().all(|sample| match sample {
            Sample::Wrong { .. } => false,
            Sample::Failed { .. } | Sample::Hung { .. } => !is_ours(&competitor.name),
            Sample::Ok { .. } | Sample::NotOffered => true,
        })
    })
}

/// The command that repeats the run, with the arguments as they were given.
pub fn command() -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("cargo run --release -p {} -- {}", env!("CARGO_PKG_NAME"), arguments.join(" "))
}

/// One measurement of each competitor. Who goes first changes with the round and the row.
fn measure_row(plan: &Plan, round: usize, index: usize, record: &mut RowRecord) -> Result<()> {
    let count = record.competitors.len();
    eprint!("round {}/{} {}:", round + 1, plan.rounds, record.id);
    for turn in 0..count {
        let competitor = &mut record.competitors[(turn + round + index) % count];
        let sample = measure(plan, &plan.rows[index], &competitor.name, record.workers)?;
        eprint!(" {}", competitor.name);
        match &sample {
            Sample::Wrong { message } => eprint!(" WRONG ({message})"),
            Sample::Failed { message } => eprint!(" failed ({message})"),
            Sample::Hung { .. } => eprint!(" hung"),
            Sample::Ok { .. } | Sample::NotOffered => {}
        }
        competitor.samples.push(sample);
    }
    eprintln!();
    Ok(())
}

/// One measurement in a process of its own.
fn measure(plan: &Plan, row: &Row, competitor: &str, workers: usize) -> Result<Sample> {
    let mut command = Command::new(env::current_exe().context("cannot find this program")?);
    command.args(["child", row.id, competitor, "--workers", &workers.to_string()]);
    if plan.scale == Scale::Quick {
        command.arg("--quick");
    }
    if let Some(stack) = row.stack {
        command.env("RUST_MIN_STACK", stack.to_string());
    }
    // The record keeps the end of what a child that panics says: the message, not the way there.
    let mut child = command
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start a child")?;
    let Some((out, err)) = output(&mut child, plan.deadline) else {
        child.kill().context("cannot kill a child that hangs")?;
        child.wait().context("cannot wait for a child")?;
        return Ok(Sample::Hung { seconds: plan.deadline.as_secs() });
    };
    let status = child.wait().context("cannot wait for a child")?;
    Ok(serde_json::from_str(out.trim()).unwrap_or_else(|_| failed(status, &err)))
}

fn failed(status: ExitStatus, err: &str) -> Sample {
    let err = err.trim();
    let start = (err.len().saturating_sub(TAIL)..err.len()).find(|&at| err.is_char_boundary(at)).unwrap_or(0);
    Sample::Failed { message: format!("{status}: {}", &err[start..]) }
}

/// All that the child writes, or nothing if it has not closed its ends by the deadline.
fn output(child: &mut Child, deadline: Duration) -> Option<(String, String)> {
    let mut out = child.stdout.take().expect("piped");
    let mut err = child.stderr.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let reader = thread::spawn(move || text(&mut err));
        let out = text(&mut out);
        // Nobody listens any more after the deadline.
        drop(sender.send((out, reader.join().unwrap_or_default())));
    });
    receiver.recv_timeout(deadline).ok()
}

fn text(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // What was read before an error is all there is.
    drop(stream.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}
