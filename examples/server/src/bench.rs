//! All modes under the same load, each in a process of its own with a database of its own.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use longshore::CancelToken;

use crate::cli::{Bench, Mode};
use crate::load::{self, Run};
use crate::process::Watched;
use crate::store;
use crate::upload;

/// One mode's results.
#[derive(Debug)]
pub struct Row {
    pub mode: Mode,
    pub run: Run,
    pub stored: u64,
    /// Accepted uploads that are not in the database with their content, rows that are there twice, rows of uploads
    /// that were not accepted.
    pub wrong: u64,
}

impl Row {
    pub fn is_good(&self) -> bool {
        self.wrong == 0 && self.run.failed == 0
    }
}

/// Runs all modes, unless it is stopped.
pub fn bench(options: &Bench, stop: &CancelToken) -> Result<Vec<Row>> {
    let modes = [Mode::ThreadPerRequest, Mode::OneConsumer, Mode::Pool, Mode::BackPressure];
    let mut rows = Vec::new();
    for mode in modes {
        if stop.is_cancelled() {
            break;
        }
        rows.push(one(mode, options, stop).with_context(|| format!("mode {}", mode.name()))?);
    }
    Ok(rows)
}

fn one(mode: Mode, options: &Bench, stop: &CancelToken) -> Result<Row> {
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let database = directory.path().join("uploads.db");
    let server = Watched::start(&arguments(mode, options, &database))?;
    let run = load::run(server.address, options.shape, Some(&server), stop)?;
    let ended = server.stop()?;
    ensure!(ended.status.success(), "the server ended with {ended}");
    let (stored, wrong) = check(&database, &run, options)?;
    Ok(Row { mode, run, stored, wrong })
}

fn arguments(mode: Mode, options: &Bench, database: &Path) -> Vec<String> {
    let work = options.work;
    let (mode, model) = (mode.name(), work.model.name());
    let fixed = ["serve", "--listen", "127.0.0.1:0", "--mode", mode, "--model", model];
    let mut arguments: Vec<String> = fixed.into_iter().map(String::from).collect();
    arguments.extend(["--database".into(), database.to_string_lossy().into_owned()]);
    arguments.extend(["--capacity".into(), work.capacity.to_string()]);
    arguments.extend(["--patience".into(), work.patience.as_secs_f64().to_string()]);
    arguments.extend(["--rounds".into(), work.rounds.to_string()]);
    if let Some(jobs) = work.jobs {
        arguments.extend(["--jobs".into(), jobs.to_string()]);
    }
    arguments
}

/// Compares the database with what the server has answered: rows, and how many of them, or of those missing, are wrong.
fn check(database: &Path, run: &Run, options: &Bench) -> Result<(u64, u64)> {
    let (size, rounds) = (options.shape.size, options.work.rounds);
    let expected = |number: u64| (load::name(number), upload::digest(&load::body(number, size), rounds));
    let mut missing: HashMap<_, _> = run.accepted.iter().map(|number| expected(*number)).collect();
    let (mut stored, mut wrong) = (0, 0);
    store::for_each_row(database, |name, hash| {
        stored += 1;
        // Taken out, so that a second row of the same name is not found.
        if missing.remove(&name) != Some(hash) {
            wrong += 1;
        }
    })?;
    Ok((stored, wrong + missing.len() as u64))
}
