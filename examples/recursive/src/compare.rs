//! Runs all walkers on the same tree, one after the other, in several rounds.

use std::time::{Duration, Instant};

use anyhow::Result;
use longshore::CancelToken;

use crate::cli::Cli;
use crate::finder::OnError;
use crate::found::Found;
use crate::walk::Options;
use crate::{rival, serial, walk};

/// Rounds after a first one that only brings the tree into the system's cache.
const ROUNDS: usize = 5;

/// One walker's results.
#[derive(Debug)]
pub struct Row {
    pub name: String,
    /// The middle one of all rounds.
    pub time: Duration,
    /// Whether it found in each round what the serial walk found in the first.
    pub agrees: bool,
    pub found: Found,
}

/// Compares the walkers; each round runs all of them, so that a disturbance hits all alike. After a stop there is no comparison.
pub fn compare(cli: &Cli, stop: &CancelToken) -> Result<Option<Vec<Row>>> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = cli.jobs.map_or(available, usize::from);
    let options = Options { jobs: cli.jobs, queue: cli.queue, on_error: OnError::GoOn };
    let reference = serial::walk(&cli.root, stop);
    let mut rounds: [Vec<(Duration, Found)>; 3] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(timed(|| Ok(serial::walk(&cli.root, stop)))?);
        rounds[1].push(timed(|| Ok(rival::walk(&cli.root, jobs, stop)))?);
        rounds[2].push(timed(|| walk::walk(&cli.root, options, stop))?);
    }
    if stop.is_cancelled() {
        return Ok(None);
    }
    let names = ["serial".into(), format!("ignore, {jobs} threads"), format!("longshore, {jobs} workers")];
    let row = |(name, mut rounds): (String, Vec<(Duration, Found)>)| {
        let agrees = rounds.iter().all(|(_, found)| found.agrees_with(&reference));
        rounds.sort_by_key(|(time, _)| *time);
        let (time, found) = rounds.swap_remove(ROUNDS / 2);
        Row { name, time, agrees, found }
    };
    Ok(Some(names.into_iter().zip(rounds).map(row).collect()))
}

fn timed(walk: impl FnOnce() -> Result<Found>) -> Result<(Duration, Found)> {
    let start = Instant::now();
    let found = walk()?;
    Ok((start.elapsed(), found))
}
