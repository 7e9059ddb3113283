//! The wait of `push`: a bar while the batch is done, and the comparison at its end.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use longshore::CancelToken;

use crate::batch::{Batch, BatchError};
use crate::engine::EngineErrorKind;
use crate::message::Job;
use crate::status::Status;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Workers whose shares the bar shows.
const MOST_SHARES: usize = 4;
/// So often lost jobs are published again.
const MOST_ROUNDS: usize = 10;

/// Waits until a batch is complete. Then calls `publish_missing`, which compares the manifest with what there
/// is, and returns how many jobs it has published again; waits for these as well. Returns the last status, or
/// `None` if `stop` was cancelled before.
///
/// A bar on standard error, if that is a terminal, shows the rate, the shares of the workers and an estimate
/// of the end.
///
/// # Errors
/// Those of `publish_missing`; a broker that cannot be reached is waited for.
pub fn wait<J: Job, E: From<BatchError>>(
    batch: &Batch<J>,
    stop: &CancelToken,
    mut publish_missing: impl FnMut() -> Result<u64, E>,
) -> Result<Option<Status>, E> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta} left {msg}") {
        bar.set_style(style);
    }
    let mut rounds = 0;
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        match batch.status() {
            Ok(status) => {
                show(&bar, &status);
                if status.is_complete() {
                    rounds += 1;
                    if rounds > MOST_ROUNDS || publish_missing()? == 0 {
                        bar.finish_and_clear();
                        return Ok(Some(status));
                    }
                }
            }
            Err(BatchError::Engine(error)) if error.kind() == EngineErrorKind::Unreachable => {
                bar.set_message("the broker does not answer");
            }
            Err(error) => return Err(error.into()),
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
