//! Runs a plan on the pool: one task for each image, results in the order of the inputs.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use longshore::{AnyPool, JoinError, JoinHandle, Pinning, Pool, PoolBuilder, PullPool};

use crate::cli::{Cli, Model, Pin};
use crate::geometry::Geometry;
use crate::pipeline::{self, Encoding};
use crate::plan::{Entry, Job};
use crate::report::{self, Batch, Outcome, Status};
use crate::save;

/// How often the progress bar is brought up to date.
const TICK: Duration = Duration::from_millis(100);

/// What all tasks need to know.
#[derive(Clone, Copy)]
struct Settings {
    size: Geometry,
    enlarge: bool,
    quality: u8,
}

/// A file that is being worked on, or whose outcome is known already.
enum Pending {
    Running { outcome: Outcome, handle: JoinHandle<Result<Status>> },
    Settled(Outcome),
}

/// Resizes what the plan lists. Fails only if the pool does not start.
pub fn run(entries: Vec<Entry>, cli: &Cli) -> Result<Batch> {
    match cli.model {
        Model::Push => run_on(builder::<Pool>(cli), entries, cli),
        Model::Pull => run_on(builder::<PullPool>(cli), entries, cli),
    }
}

fn run_on<P: AnyPool>(builder: PoolBuilder<P>, entries: Vec<Entry>, cli: &Cli) -> Result<Batch> {
    let pool = builder.build().context("the pool does not start")?;
    let settings = Settings { size: cli.size, enlarge: cli.enlarge, quality: cli.quality };
    let start = Instant::now();
    let pending: Vec<Pending> = entries.into_iter().map(|entry| submit(&pool, entry, settings)).collect();
    let files = collect(&pool, pending);
    let elapsed = start.elapsed();
    // A handle may report its task before the worker has counted it; joined workers have counted all.
    if let Err(error) = pool.shutdown() {
        report::complain(&format!("the pool did not shut down: {error}"));
    }
    Ok(Batch { files, elapsed, workers: pool.stats().workers })
}

fn builder<P: AnyPool>(cli: &Cli) -> PoolBuilder<P> {
    let pinning = match &cli.pin {
        Pin::None => Pinning::None,
        Pin::Compact => Pinning::Compact,
        Pin::Spread => Pinning::Spread,
        Pin::Cores(cores) => Pinning::Cores(cores.clone()),
    };
    let builder = P::builder().thread_name("resize").pinning(pinning);
    match cli.workers() {
        Some(workers) => builder.workers(workers),
        None => builder,
    }
}

fn submit(pool: &impl AnyPool, entry: Entry, settings: Settings) -> Pending {
    let job = match entry {
        Entry::Todo(job) => job,
        settled => return Pending::Settled(report::settled(settled)),
    };
    let mut outcome = Outcome::new(job.source.clone(), Some(job.output.clone()), Status::Planned);
    match pool.submit(move || process(&job, settings)) {
        Ok(handle) => Pending::Running { outcome, handle },
        Err(refused) => {
            outcome.status = Status::Failed { error: refused.to_string() };
            Pending::Settled(outcome)
        }
    }
}

/// The task: one image from disk to disk.
fn process(job: &Job, settings: Settings) -> Result<Status> {
    let bytes = fs::read(&job.source)?;
    let encoding = Encoding { format: job.format, quality: settings.quality };
    let resized = pipeline::resize(&bytes, encoding, |width, height| {
        settings.size.target(width, height, settings.enlarge)
    })?;
    save::save(&job.output, &resized.bytes)
        .map_err(|error| anyhow!("cannot write {}: {error}", job.output.display()))?;
    Ok(Status::Resized {
        from: resized.from,
        to: resized.to,
        bytes_in: bytes.len() as u64,
        bytes_out: resized.bytes.len() as u64,
    })
}

/// Waits for all tasks, in order, and reports failures as they are found.
fn collect(pool: &impl AnyPool, pending: Vec<Pending>) -> Vec<Outcome> {
    // Draws on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(pending.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let settled = pending.iter().filter(|item| matches!(item, Pending::Settled(_))).count() as u64;
    let mut outcomes = Vec::with_capacity(pending.len());
    for item in pending {
        let outcome = match item {
            Pending::Settled(outcome) => outcome,
            Pending::Running { mut outcome, handle } => {
                outcome.status = status(wait(handle, &bar, || settled + pool.stats().completed));
                outcome
            }
        };
        if let Status::Failed { error } = &outcome.status {
            bar.suspend(|| report::complain(&format!("{}: {error}", outcome.source.display())));
        }
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    outcomes
}

/// Waits for one task while the bar shows how many are done, whichever they are.
fn wait<T: Send>(
    mut handle: JoinHandle<T>,
    bar: &ProgressBar,
    done: impl Fn() -> u64,
) -> Result<T, JoinError> {
    if bar.is_hidden() {
        return handle.join();
    }
    loop {
        bar.set_position(done());
        if let Some(result) = handle.join_timeout(TICK) {
            return result;
        }
    }
}

/// A task's result as a file's status: errors, and panics of a codec, are that file's failure alone.
fn status(result: Result<Result<Status>, JoinError>) -> Status {
    match result {
        Ok(Ok(status)) => status,
        // Without its chain of causes: a codec's error has them in its text already.
        Ok(Err(error)) => Status::Failed { error: error.to_string() },
        Err(error) => Status::Failed { error: error.to_string() },
    }
}
