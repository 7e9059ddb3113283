//! The wait of `push`: a bar while the batch is done, and the comparison at its end.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use longshore::CancelToken;
use longshore_cli::end::Failure;
use longshore_cli::print;

use super::{failure, is_unreachable};
use crate::batch::Batch;
use crate::message::Job;
use crate::status::Status;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Workers whose shares the bar shows.
const MOST_SHARES: usize = 4;
/// So often lost jobs are published again.
const MOST_ROUNDS: usize = 10;

/// What a wait has found.
#[derive(Clone, Debug)]
pub struct Waited {
    /// The last status.
    pub status: Status,
    /// Jobs that the last comparison has published again, and whose ends were not waited for: they were lost
    /// every time. 0 if nothing is missing.
    pub missing: u64,
}

/// Waits until a batch is complete. Then calls `publish_missing`, which compares the manifest with what there
/// is, and returns how many jobs it has published again; waits for these as well, up to ten times. Returns
/// `None` if `stop` was cancelled before.
///
/// A bar on standard error, if that is a terminal, shows the rate, the shares of the workers and an estimate
/// of the end.
///
/// # Errors
/// Those of `publish_missing` and of the broker, as [`failure`]; a broker that cannot be reached is waited
/// for.
pub fn wait<J: Job, E: Into<anyhow::Error>>(
    program: &str,
    batch: &Batch<J>,
    stop: &CancelToken,
    mut publish_missing: impl FnMut() -> Result<u64, E>,
) -> Result<Option<Waited>, Failure> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta} left {msg}") {
        bar.set_style(style);
    }
    let mut rounds = 0;
    let mut complained = false;
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let looked = match batch.status() {
            Ok(status) => {
                show(&bar, &status);
                let missing = if status.is_complete() { publish_missing().map(Some) } else { Ok(None) };
                missing.map(|missing| (status, missing)).map_err(Into::into)
            }
            Err(error) => Err(error.into()),
        };
        match looked {
            Ok((status, Some(missing))) => {
                rounds += 1;
                if missing == 0 || rounds > MOST_ROUNDS {
                    bar.finish_and_clear();
                    return Ok(Some(Waited { status, missing }));
                }
            }
            Ok((_, None)) => complained = false,
            Err(error) if is_unreachable(&error) => {
                bar.set_message("the broker does not answer");
                if !std::mem::replace(&mut complained, true) {
                    bar.suspend(|| print::complain(program, &format!("{error:#}; trying again")));
                }
            }
            Err(error) => return Err(failure(error)),
        }
        let until = Instant::now() + LOOK;
        while Instant::now() < until && !stop.is_cancelled() {
            std::thread::park_timeout(LOOK / 10);
        }
    }
}

fn show(bar: &ProgressBar, status: &Status) {
    bar.set_length(status.total);
    bar.set_position(status.done + status.dead);
    let all: u64 = status.workers.iter().map(|worker| worker.beat.done).sum();
    let mut workers: Vec<_> = status.workers.iter().collect();
    workers.sort_by_key(|worker| std::cmp::Reverse(worker.beat.done));
    let share = |done: u64| 100 * done / all.max(1);
    let shares = workers.iter().take(MOST_SHARES).map(|worker| {
        let beat = &worker.beat;
        format!("{} {}%", beat.worker, share(beat.done))
    });
    let mut message = shares.collect::<Vec<_>>().join(", ");
    if workers.is_empty() {
        message = "no worker has come yet".into();
    }
    if status.dead > 0 {
        message += &format!(", {} dead letters", status.dead);
    }
    bar.set_message(message);
}
