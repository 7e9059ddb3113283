//! Runs a batch on the pool: looks at every source, then one task for each image, those that take longest
//! first.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use longshore::{
    AnyPool, CancelToken, JoinError, JoinHandle, Overweight, Pinning, Pool, PoolBuilder, Priority, PullPool,
    Recorder, TaskBuilder,
};
use longshore_cli::{output, print};
use longshore_resize::failure::{Failure, Kind};
use longshore_resize::{Input, Job, job, transform};

use crate::PROGRAM;
use crate::cli::{Cli, Model};
use crate::find::{Source, Unusable};
use crate::memory::{self, Between, Budget};
use crate::outcome::{Batch, End, Outcome, Status};
use crate::plan::{Claim, Claims, Destination};
use crate::preview::Preview;
use crate::probe::{self, Existing, Probed, Rules, Verdict};
use crate::reporter::{Outcomes, Reporter};
use crate::shard::Shard;
use crate::values::Pin;

/// So many sources are looked at before the first of them is worked on. Among them those that take longest
/// are begun first; more of them would make a better order, and the first result late.
const WINDOW: usize = 512;

/// So many files have small pictures on the page: a browser has to hold it.
const MOST_PREVIEWS: usize = 500;

/// A batch in progress.
struct Run<'p, P> {
    pool: &'p P,
    rules: Arc<Rules>,
    budget: Budget,
    claims: Claims,
    /// Directories that have no temporary files of an earlier run any more.
    swept: HashSet<PathBuf>,
    outcomes: Outcomes,
    /// Once it is cancelled nothing begins.
    stop: &'p CancelToken,
    /// Nor after this.
    deadline: Option<Instant>,
    /// Cancelled by a failure.
    on_failure: Option<CancelToken>,
    is_dry: bool,
    has_page: bool,
    handles: Vec<Begun>,
    /// Of which part of the batch the jobs are done here.
    shard: Option<Shard>,
    /// Takes the jobs, if they are not done here.
    #[cfg_attr(not(feature = "cluster"), allow(dead_code, reason = "jobs are done here"))]
    planned: Option<&'p mut Vec<Planned>>,
}

/// A job that is to be done elsewhere.
#[derive(Debug)]
#[cfg_attr(not(feature = "cluster"), allow(dead_code, reason = "jobs are done here"))]
pub struct Planned {
    pub job: Job,
    /// What it takes, in bytes.
    pub memory: u64,
}

/// A task, and what becomes of its file if it never reports.
struct Begun {
    index: usize,
    source: PathBuf,
    output: PathBuf,
    handle: JoinHandle<()>,
}

/// Does what the command line says with the entries, until `stop` is cancelled. Fails only if the pool does
/// not start, or options contradict each other.
pub fn run(
    entries: Vec<Result<Source, Unusable>>,
    destination: &Destination,
    force: bool,
    cli: &Cli,
    stop: &CancelToken,
) -> Result<Batch> {
    run_or_plan(entries, destination, force, cli, stop, None)
}

/// Decides about the entries as [`run`] does, and hands over the jobs instead of doing them.
#[cfg(feature = "cluster")]
pub fn plan(
    entries: Vec<Result<Source, Unusable>>,
    destination: &Destination,
    force: bool,
    cli: &Cli,
    stop: &CancelToken,
) -> Result<(Batch, Vec<Planned>)> {
    let mut planned = Vec::new();
    let batch = run_or_plan(entries, destination, force, cli, stop, Some(&mut planned))?;
    Ok((batch, planned))
}

fn run_or_plan(
    entries: Vec<Result<Source, Unusable>>,
    destination: &Destination,
    force: bool,
    cli: &Cli,
    stop: &CancelToken,
    planned: Option<&mut Vec<Planned>>,
) -> Result<Batch> {
    let budget = memory::budget(cli);
    let rules = Arc::new(rules(destination, force, cli, budget)?);
    match cli.model {
        Model::Push => run_on(builder::<Pool>(cli, budget), entries, rules, budget, cli, (stop, planned)),
        Model::Pull => run_on(builder::<PullPool>(cli, budget), entries, rules, budget, cli, (stop, planned)),
    }
}

/// What decides about sources, by the command line.
pub fn rules(destination: &Destination, force: bool, cli: &Cli, budget: Budget) -> Result<Rules> {
    let format = cli.output_format()?;
    Ok(Rules {
        recipes: Input::ALL.map(|input| (input, cli.recipe(input, format, budget.bytes))).to_vec(),
        destination: destination.clone(),
        existing: match (force, cli.skip_existing) {
            (true, _) => Existing::Replace,
            (false, true) => Existing::Skip,
            (false, false) => Existing::Update,
        },
        memory: budget.bytes,
    })
}

fn run_on<P: AnyPool>(
    builder: PoolBuilder<P>,
    entries: Vec<Result<Source, Unusable>>,
    rules: Arc<Rules>,
    budget: Budget,
    cli: &Cli,
    (stop, planned): (&CancelToken, Option<&mut Vec<Planned>>),
) -> Result<Batch> {
    let start = Instant::now();
    if let Between::Frees = budget.between {
        memory::give_back();
    }
    let pool = builder.build().context("the pool does not start")?;
    let is_here = |entry: &&Result<Source, Unusable>| cli.shard.is_none_or(|shard| has(&shard, entry));
    let reporter = Reporter::start(entries.iter().filter(is_here).count(), cli)?;
    let mut run = Run {
        pool: &pool,
        rules,
        budget,
        claims: Claims::of(entries.iter().filter_map(|entry| entry.as_ref().ok())),
        swept: HashSet::new(),
        outcomes: reporter.outcomes(),
        stop,
        // Beyond the range of the clock there is none.
        deadline: cli.timeout.and_then(|timeout| start.checked_add(timeout)),
        on_failure: cli.fail_fast.then(|| stop.clone()),
        // Jobs that are handed over are not done here.
        is_dry: cli.dry_run && planned.is_none(),
        has_page: cli.report.is_some(),
        handles: Vec::new(),
        shard: cli.shard,
        planned,
    };
    run.all(entries);
    drop(run);
    let elapsed = start.elapsed();
    // A handle may report its task before the worker has counted it; joined workers have counted all.
    if let Err(error) = pool.shutdown() {
        print::complain(PROGRAM, &format!("the pool did not shut down: {error}"));
    }
    let workers = if cli.dry_run { Vec::new() } else { pool.stats().workers };
    let elapsed = if cli.dry_run { Duration::ZERO } else { elapsed };
    Ok(Batch { files: reporter.finish(), elapsed, end: End::Regular, workers, budget: budget.bytes })
}

pub fn builder<P: AnyPool>(cli: &Cli, budget: Budget) -> PoolBuilder<P> {
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
    if let Some(path) = &cli.trace {
        builder = builder.recorder(Recorder::new().file(path));
    }
    // What is larger than the budget is refused before it is submitted.
    builder.budget(budget.bytes).overweight(Overweight::RunAlone)
}

/// What a recording calls the task of an image: the format that its name tells, because that decides how long
/// it takes.
fn label_of(source: &Path) -> &'static str {
    let ending = source.extension().unwrap_or_default().to_ascii_lowercase();
    match ending.to_str() {
        Some("jpg" | "jpeg" | "jpe") => "JPEG",
        Some("png") => "PNG",
        Some("webp") => "WebP",
        Some("gif") => "GIF",
        Some("tif" | "tiff") => "TIFF",
        _ => "image",
    }
}

/// Whether an entry is in a part of the batch. What cannot be used is told by one part as well.
fn has(shard: &Shard, entry: &Result<Source, Unusable>) -> bool {
    shard.has(match entry {
        Ok(source) => &source.relative,
        Err(unusable) => &unusable.path,
    })
}

impl<P: AnyPool> Run<'_, P> {
    fn all(&mut self, entries: Vec<Result<Source, Unusable>>) {
        let shard = self.shard;
        let is_here =
            |entry: &(usize, Result<Source, Unusable>)| shard.is_none_or(|shard| has(&shard, &entry.1));
        let mut entries = entries.into_iter().enumerate().filter(is_here);
        loop {
            let window: Vec<_> = entries.by_ref().take(WINDOW).collect();
            if window.is_empty() {
                break;
            }
            self.window(window);
        }
        for Begun { index, source, output, handle } in std::mem::take(&mut self.handles) {
            let status = match handle.join() {
                Ok(()) => continue,
                Err(JoinError::Cancelled) => Status::Cancelled,
                Err(JoinError::Expired) => Status::Expired,
                // A codec has panicked; that is this file's failure alone.
                Err(error) => Failure::internal(error).into(),
            };
            self.tell(Outcome::new(index, source, Some(output), status));
        }
    }

    fn tell(&self, outcome: Outcome) {
        // The reporter lives until all senders are gone.
        let _ = self.outcomes.send(outcome);
    }

    /// Looks at some sources side by side, decides about them in their order, and begins those that take
    /// longest first.
    fn window(&mut self, window: Vec<(usize, Result<Source, Unusable>)>) {
        let mut looks = Vec::new();
        for (index, entry) in window {
            match entry {
                Ok(source) => looks.push(self.look(index, source)),
                Err(Unusable { path, failure }) => self.refuse(index, path, None, failure),
            }
        }
        let mut todo = Vec::new();
        for (index, source, look) in looks {
            match look.map_err(|error| Failure::internal(error.to_string())).map(JoinHandle::join) {
                Ok(Ok(probed)) => todo.extend(self.decide(index, &source, probed)),
                Ok(Err(JoinError::Cancelled)) => self.leave(index, &source, Status::Cancelled),
                Ok(Err(JoinError::Expired)) => self.leave(index, &source, Status::Expired),
                Ok(Err(error)) => self.refuse(index, source.path.clone(), None, Failure::internal(error)),
                Err(failure) => self.refuse(index, source.path.clone(), None, failure),
            }
        }
        todo.sort_by_key(|(_, _, _, cost)| std::cmp::Reverse(*cost));
        for (index, job, memory, _) in todo {
            self.begin(index, job, memory);
        }
    }

    fn look(&self, index: usize, source: Source) -> (usize, Arc<Source>, Result<JoinHandle<Probed>, String>) {
        let source = Arc::new(source);
        let (rules, looked_at) = (Arc::clone(&self.rules), Arc::clone(&source));
        // Before the images of an earlier window, which would keep all workers busy, and then none.
        let task = self.conditions(self.pool.task().priority(Priority::High).label("look"));
        let handle =
            task.submit(move || probe::probe(&looked_at, &rules)).map_err(|refused| refused.to_string());
        (index, source, handle)
    }

    fn leave(&self, index: usize, source: &Source, status: Status) {
        self.tell(Outcome::new(index, source.path.clone(), None, status));
    }

    fn refuse(&self, index: usize, source: PathBuf, output: Option<PathBuf>, failure: Failure) {
        if let Some(stop) = &self.on_failure {
            stop.cancel();
        }
        self.tell(Outcome::new(index, source, output, failure.into()));
    }

    /// What is to be begun of a source, if anything is: its place, its job, its memory and its cost.
    fn decide(&mut self, index: usize, source: &Source, probed: Probed) -> Option<(usize, Job, u64, u64)> {
        let Probed { output, existing, verdict } = probed;
        let in_place = matches!(self.rules.destination, Destination::InPlace);
        if let (Some(output), false) = (&output, matches!(verdict, Verdict::Refused(_))) {
            match self.claims.claim(source, output, existing.as_ref(), in_place) {
                Ok(Claim::Granted) => {}
                Ok(Claim::Repeated) => return None,
                Err(failure) => {
                    self.refuse(index, source.path.clone(), Some(output.clone()), failure);
                    return None;
                }
            }
        }
        match verdict {
            Verdict::Refused(failure) => self.refuse(index, source.path.clone(), output, failure),
            Verdict::UpToDate => {
                if let (Some(output), false) = (&output, self.is_dry) {
                    self.sweep_beside(output);
                }
                self.tell(Outcome::new(index, source.path.clone(), output, Status::Skipped));
            }
            Verdict::Todo { sizes, memory, .. } if self.is_dry => {
                let status = Status::Planned { from: sizes.from, to: sizes.to };
                let outcome = Outcome::new(index, source.path.clone(), output, status);
                self.tell(Outcome { memory_bytes: Some(memory), ..outcome });
            }
            Verdict::Todo { job, memory, cost, .. } => return Some((index, job, memory, cost)),
        }
        None
    }

    /// Begins an image as soon as there is memory for it.
    fn begin(&mut self, index: usize, job: Job, memory: u64) {
        if let Some(status) = self.refusal() {
            return self.tell(Outcome::new(index, job.source, Some(job.output), status));
        }
        if let Some(planned) = &mut self.planned {
            return planned.push(Planned { job, memory });
        }
        self.sweep_beside(&job.output);
        let (source, output) = (job.source.clone(), job.output.clone());
        let has_preview = self.has_page && index < MOST_PREVIEWS;
        let task = Task { index, job, memory, has_preview, between: self.budget.between };
        let mut end = AtEnd { on_failure: self.on_failure.clone() };
        let outcomes = self.outcomes.clone();
        let conditions = self.conditions(self.pool.task().weight(memory).label(label_of(&source)));
        match conditions.submit(move || {
            let outcome = task.run();
            if !matches!(outcome.status, Status::Failed { .. }) {
                end.on_failure = None;
            }
            drop(end);
            let _ = outcomes.send(outcome);
        }) {
            Ok(handle) => self.handles.push(Begun { index, source, output, handle }),
            Err(refused) => {
                self.refuse(index, source, Some(output), Failure::new(Kind::Internal, refused.to_string()));
            }
        }
    }

    /// What becomes of an image that would be begun now, unless it may.
    fn refusal(&self) -> Option<Status> {
        if self.stop.is_cancelled() {
            return Some(Status::Cancelled);
        }
        self.deadline.filter(|&deadline| deadline <= Instant::now()).map(|_| Status::Expired)
    }

    /// A task under the conditions of the batch.
    fn conditions<'t>(&'t self, task: TaskBuilder<'t, P>) -> TaskBuilder<'t, P> {
        let task = task.token(self.stop);
        match self.deadline {
            Some(deadline) => task.deadline(deadline),
            None => task,
        }
    }

    /// Removes what an earlier run that was killed has left in the directory of an output.
    fn sweep_beside(&mut self, target: &Path) {
        let directory = target.parent().unwrap_or(Path::new("."));
        if self.swept.insert(directory.to_owned()) {
            // A directory that is not there yet has nothing; of one that cannot be read its outputs will
            // tell.
            let _ = output::sweep(directory);
        }
    }
}

/// One image.
struct Task {
    index: usize,
    job: Job,
    memory: u64,
    has_preview: bool,
    between: Between,
}

impl Task {
    fn run(self) -> Outcome {
        let start = Instant::now();
        let result = job::run(&self.job);
        let seconds = start.elapsed().as_secs_f64();
        let output = result.is_ok().then_some(&*self.job.output);
        let preview = match self.has_preview {
            true => Preview::of(&self.job.source, output, self.job.recipe.limits),
            false => Preview::default(),
        };
        if let Between::Frees = self.between {
            transform::forget();
        }
        let status = result.map_or_else(Status::from, Status::Resized);
        let outcome = Outcome::new(self.index, self.job.source, Some(self.job.output), status);
        Outcome { memory_bytes: Some(self.memory), seconds: Some(seconds), preview, ..outcome }
    }
}

/// What happens at the end of a task that has begun, even if it panics.
struct AtEnd {
    /// Cancelled unless the task succeeds.
    on_failure: Option<CancelToken>,
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(stop) = &self.on_failure {
            stop.cancel();
        }
    }
}
