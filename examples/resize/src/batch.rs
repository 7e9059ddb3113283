//! Runs a plan on the pool: one task for each image, results in the order of the inputs.

use std::collections::VecDeque;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use longshore::{
    AnyPool, CancelToken, JoinError, JoinHandle, Overweight, Pinning, Pool, PoolBuilder, PullPool,
    TaskBuilder,
};

use crate::cli::{Cli, Model, Pin};
use crate::geometry::Geometry;
use longshore_resize::pipeline::{self, Encoding};
use crate::plan::{Entry, Job};
use crate::report::{self, Batch, End, Outcome, Status};
use crate::{memory, save, weight};

/// What all tasks need to know.
#[derive(Clone, Copy)]
struct Settings {
    size: Geometry,
    enlarge: bool,
    quality: u8,
    between: Between,
}

impl Settings {
    fn of(cli: &Cli) -> Self {
        let between = match cli.max_memory {
            Some(_) => Between::Frees,
            None => Between::Keeps,
        };
        Settings { size: cli.size, enlarge: cli.enlarge, quality: cli.quality, between }
    }

    fn encoding(&self, job: &Job) -> Encoding {
        Encoding { format: job.format, quality: self.quality }
    }

    fn target(&self, width: u32, height: u32) -> (u32, u32) {
        self.size.target(width, height, self.enlarge)
    }

    fn need(&self, job: &Job) -> Option<u64> {
        weight::need(&job.source, self.encoding(job), |width, height| self.target(width, height))
    }
}

/// What a worker has between two images.
#[derive(Clone, Copy)]
enum Between {
    /// Its buffers, for the next one.
    Keeps,
    /// Nothing: no weight stands for it.
    Frees,
}

/// A file that is being worked on, or whose outcome is known already.
enum Pending {
    Running { outcome: Outcome, handle: JoinHandle<Result<Status>> },
    Settled(Outcome),
}

/// A batch in progress.
struct Run<'p, P> {
    pool: &'p P,
    settings: Settings,
    bar: ProgressBar,
    /// Once it is cancelled nothing begins.
    stop: &'p CancelToken,
    /// Nor after this.
    deadline: Option<Instant>,
    /// Whom a failure cancels.
    on_failure: Option<CancelToken>,
    /// The memory, in bytes, that images which are being worked on may take together.
    budget: Option<u64>,
}

/// Resizes what the plan lists, until `stop` is cancelled. Fails only if the pool does not start.
pub fn run(entries: Vec<Entry>, cli: &Cli, stop: &CancelToken) -> Result<Batch> {
    match cli.model {
        Model::Push => run_on(builder::<Pool>(cli), entries, cli, stop),
        Model::Pull => run_on(builder::<PullPool>(cli), entries, cli, stop),
    }
}

/// What the work on an image takes, in bytes, if that can be told.
pub fn need(job: &Job, cli: &Cli) -> Option<u64> {
    Settings::of(cli).need(job)
}

fn run_on<P: AnyPool>(
    builder: PoolBuilder<P>,
    entries: Vec<Entry>,
    cli: &Cli,
    stop: &CancelToken,
) -> Result<Batch> {
    let start = Instant::now();
    let settings = Settings::of(cli);
    if let Between::Frees = settings.between {
        memory::give_back();
    }
    let pool = builder.build().context("the pool does not start")?;
    let run = Run {
        pool: &pool,
        settings,
        bar: bar(entries.len()),
        stop,
        // Beyond the range of the clock there is none.
        deadline: cli.timeout.and_then(|timeout| start.checked_add(timeout)),
        on_failure: cli.fail_fast.then(|| stop.clone()),
        budget: cli.max_memory,
    };
    let files = run.all(entries);
    let elapsed = start.elapsed();
    // A handle may report its task before the worker has counted it; joined workers have counted all.
    if let Err(error) = pool.shutdown() {
        report::complain(&format!("the pool did not shut down: {error}"));
    }
    Ok(Batch { files, elapsed, end: End::Regular, workers: pool.stats().workers })
}

fn builder<P: AnyPool>(cli: &Cli) -> PoolBuilder<P> {
    let pinning = match &cli.pin {
        Pin::None => Pinning::None,
        Pin::Compact => Pinning::Compact,
        Pin::Spread => Pinning::Spread,
        Pin::Cores(cores) => Pinning::Cores(cores.clone()),
    };
    let mut builder = P::builder().thread_name("resize").pinning(pinning);
    if let Some(workers) = cli.workers() {
        builder = builder.workers(workers);
    }
    if let Some(bytes) = cli.max_memory {
        // An image that is too large is to be done all the same.
        builder = builder.budget(bytes).overweight(Overweight::RunAlone);
    }
    builder
}

/// Draws on standard error, and only if that is a terminal.
fn bar(files: usize) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

impl<P: AnyPool> Run<'_, P> {
    /// Submits all, waits for all, and reports failures as they are found, in order.
    fn all(&self, entries: Vec<Entry>) -> Vec<Outcome> {
        if let Some(stop) = &self.on_failure
            && entries.iter().any(|entry| matches!(entry, Entry::Refused { .. }))
        {
            stop.cancel();
        }
        let mut outcomes = Vec::with_capacity(entries.len());
        let mut waiting = VecDeque::new();
        for entry in entries {
            waiting.push_back(self.submit(entry));
            // With a budget, submitting takes as long as the batch: what is known by now need not wait for its end.
            while let Some(done) = waiting.pop_front_if(|first| first.is_known()) {
                outcomes.push(self.settle(done));
            }
        }
        outcomes.extend(waiting.into_iter().map(|pending| self.settle(pending)));
        self.bar.finish_and_clear();
        outcomes
    }

    fn submit(&self, entry: Entry) -> Pending {
        let job = match entry {
            Entry::Todo(job) => job,
            settled => {
                self.bar.inc(1);
                return Pending::Settled(report::settled(settled));
            }
        };
        let mut outcome = Outcome::new(job.source.clone(), Some(job.output.clone()), Status::Planned);
        if let Some(status) = self.refusal() {
            return Pending::Settled(Outcome { status, ..outcome });
        }
        let settings = self.settings;
        if let Some(budget) = self.budget {
            // What cannot be judged is worked on alone.
            outcome.memory_bytes = settings.need(&job).or(Some(budget));
        }
        let end = AtEnd { bar: self.bar.clone(), on_failure: self.on_failure.clone() };
        let task = move || {
            let result = process(&job, settings);
            end.of(&result);
            result
        };
        match self.task(outcome.memory_bytes).submit(task) {
            Ok(handle) => Pending::Running { outcome, handle },
            Err(refused) => {
                outcome.status = Status::Failed { error: refused.to_string() };
                Pending::Settled(outcome)
            }
        }
    }

    /// What becomes of an image that would be submitted now, unless it may begin.
    fn refusal(&self) -> Option<Status> {
        if self.stop.is_cancelled() {
            return Some(Status::Cancelled);
        }
        self.deadline.filter(|&deadline| deadline <= Instant::now()).map(|_| Status::Expired)
    }

    /// A task under the conditions of the batch.
    fn task(&self, weight: Option<u64>) -> TaskBuilder<'_, P> {
        let mut task = self.pool.task().token(self.stop);
        if let Some(deadline) = self.deadline {
            task = task.deadline(deadline);
        }
        match weight {
            // Waits until there is room for it.
            Some(bytes) => task.weight(bytes),
            None => task,
        }
    }

    fn settle(&self, pending: Pending) -> Outcome {
        let outcome = match pending {
            Pending::Settled(outcome) => outcome,
            Pending::Running { outcome, handle } => Outcome { status: status(handle.join()), ..outcome },
        };
        if let Status::Failed { error } = &outcome.status {
            self.bar.suspend(|| report::complain(&format!("{}: {error}", outcome.source.display())));
        }
        outcome
    }
}

impl Pending {
    fn is_known(&self) -> bool {
        match self {
            Pending::Settled(_) => true,
            Pending::Running { handle, .. } => handle.is_finished(),
        }
    }
}

/// What happens at the end of a task that has begun, even if it panics.
struct AtEnd {
    bar: ProgressBar,
    /// Cancelled unless the task succeeds.
    on_failure: Option<CancelToken>,
}

impl AtEnd {
    fn of(mut self, result: &Result<Status>) {
        if result.is_ok() {
            self.on_failure = None;
        }
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.bar.inc(1);
        if let Some(stop) = &self.on_failure {
            stop.cancel();
        }
    }
}

/// The task: one image from disk to disk.
fn process(job: &Job, settings: Settings) -> Result<Status> {
    let result = resize(job, settings);
    if let Between::Frees = settings.between {
        pipeline::forget();
    }
    result
}

fn resize(job: &Job, settings: Settings) -> Result<Status> {
    let bytes = fs::read(&job.source)?;
    let target = |width, height| settings.target(width, height);
    let resized = pipeline::resize(&bytes, settings.encoding(job), target)?;
    save::save(&job.output, &resized.bytes)
        .map_err(|error| anyhow!("cannot write {}: {error}", job.output.display()))?;
    Ok(Status::Resized {
        from: resized.from,
        to: resized.to,
        bytes_in: bytes.len() as u64,
        bytes_out: resized.bytes.len() as u64,
    })
}

/// A task's result as a file's status: errors, and panics of a codec, are that file's failure alone.
fn status(result: Result<Result<Status>, JoinError>) -> Status {
    match result {
        Ok(Ok(status)) => status,
        // Without its chain of causes: a codec's error has them in its text already.
        Ok(Err(error)) => Status::Failed { error: error.to_string() },
        Err(JoinError::Cancelled) => Status::Cancelled,
        Err(JoinError::Expired) => Status::Expired,
        Err(error) => Status::Failed { error: error.to_string() },
    }
}
