//! The same batch on several machines: `push` decides about the files as a local run does and queues the
//! jobs, `work` does them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use longshore::{CancelToken, Pool, PullPool};
use longshore_cli::beneath::Root;
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::{name, print, signals};
use longshore_cluster::program::{
    self, BrokerOptions, ExplainOptions, PushOptions, StatusOptions, Waited, WorkOptions,
};
use longshore_cluster::{Context, Fault, Finished, Job, JobId};
use longshore_resize::failure::Kind;
use longshore_resize::job::{self, Stop};
use serde::{Deserialize, Serialize};

use crate::batch::{self, Planned};
use crate::cli::{Cli, Model};
use crate::memory::{self, Between};
use crate::{PROGRAM, ensure_something, find, locate, plan};

/// The commands of a cluster.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Queue the images for workers on other machines
    Push(Box<Push>),
    /// Resize queued images until there are none
    Work(Box<Work>),
    /// Show how a batch is doing
    Status(StatusOptions),
    /// Queue dead letters again
    Retry(BrokerOptions),
    /// Say why an image is not being resized
    Explain(ExplainOptions),
}

/// The options of `push`.
#[derive(Debug, Args)]
pub struct Push {
    #[command(flatten)]
    cli: Cli,

    #[command(flatten)]
    broker: BrokerOptions,

    #[command(flatten)]
    push: PushOptions,

    /// Print the names of the jobs and their sources
    #[arg(long, help_heading = "Batch")]
    list: bool,
}

/// The options of `work`: those of a batch that are about the work, and those of a worker.
#[derive(Debug, Args)]
pub struct Work {
    #[command(flatten)]
    cli: Cli,

    #[command(flatten)]
    broker: BrokerOptions,

    #[command(flatten)]
    work: WorkOptions,

    /// Write beneath this directory only, whatever a message says [default: the working directory]
    #[arg(long, value_name = "DIR", help_heading = "Worker")]
    root: Option<PathBuf>,
}

/// An image on its way: references, no pixels.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Image {
    job: longshore_resize::Job,
    /// What it takes, in bytes.
    memory: u64,
    /// The length of the source and the time of its last change, in nanoseconds since 1970: a source that was
    /// replaced is another job.
    stamp: (u64, u64),
}

impl Job for Image {
    fn id(&self) -> JobId {
        JobId::of(&serde_json::to_vec(&(&self.job, self.stamp)).unwrap_or_default())
    }
}

/// Runs a command.
pub fn run(command: Command) -> Result<Status, Failure> {
    match command {
        Command::Push(push) => self::push(*push),
        Command::Work(work) => self::work(*work),
        Command::Status(options) => program::status::<Image>(PROGRAM, &options),
        Command::Retry(options) => program::retry::<Image>(PROGRAM, &options),
        Command::Explain(options) => program::explain::<Image>(PROGRAM, &options),
    }
}

fn push(mut push: Push) -> Result<Status, Failure> {
    let stop = CancelToken::new();
    let on_signal = stop.clone();
    let signals = signals::listen(PROGRAM, move |_| _ = on_signal.cancel()).or_usage()?;
    let batch = program::connect::<Image>(PROGRAM, &push.broker)?;
    let first = Plan::of(&push.cli, &stop)?;
    if signals.first().is_some() {
        return Ok(stopped(&signals));
    }
    if push.push.replace {
        batch.delete().map_err(program::failure)?;
    }
    let is_resumed = push.push.resume;
    let images = first.images.iter().cloned();
    let count = match is_resumed {
        true => batch.republish(images).map_err(program::failure)?,
        false => batch
            .publish(&push.push.settings(), images)
            .context("--resume, --replace or --batch")
            .map_err(program::failure)?,
    };
    if push.list {
        list(&first.images).or_failed()?;
    }
    let Plan { up_to_date, failed, .. } = first;
    print::say(&format!("{count} images queued, {up_to_date} up to date, {failed} failed"));
    drop(first);
    if !push.push.wait {
        return Ok(if failed > 0 { Status::FAILED } else { Status::DONE });
    }
    // What was made anew because of --force is up to date afterwards.
    push.cli.force = false;
    let missing = || -> Result<u64> {
        let plan =
            Plan::of(&push.cli, &stop).map_err(|_| anyhow::anyhow!("the outputs cannot be compared"))?;
        Ok(batch.republish(plan.images)?)
    };
    let Some(Waited { status, missing }) = program::wait(PROGRAM, &batch, &stop, missing)? else {
        return Ok(stopped(&signals));
    };
    print::say(&format!("{} done, {} dead letters, {missing} missing", status.done, status.dead));
    Ok(if failed > 0 || status.dead > 0 || missing > 0 { Status::FAILED } else { Status::DONE })
}

fn stopped(signals: &signals::Signals) -> Status {
    signals.first().map_or(Status::FAILED, Status::stopped_by)
}

fn list(images: &[Image]) -> std::io::Result<()> {
    print::report(|out| {
        images.iter().try_for_each(|image| writeln!(out, "{} {}", image.id(), name::shown(&image.job.source)))
    })
}

/// What is to be done of the inputs.
struct Plan {
    images: Vec<Image>,
    up_to_date: u64,
    failed: u64,
}

impl Plan {
    /// Looks at the inputs as a local run does.
    fn of(cli: &Cli, stop: &CancelToken) -> Result<Plan, Failure> {
        let (inputs, destination, force) = locate(cli).or_usage()?;
        let destination = absolute(destination).or_usage()?;
        let found = find::find(&inputs, destination.root(), stop);
        found.tell();
        if !stop.is_cancelled() {
            ensure_something(&found).or_usage()?;
        }
        let (batch, planned) = batch::plan(found.entries, &destination, force, cli, stop).or_usage()?;
        let totals = batch.totals();
        let mut plan = Plan { images: Vec::new(), up_to_date: totals.skipped, failed: totals.failed };
        for planned in planned {
            let source = planned.job.source.clone();
            match image(planned) {
                Ok(image) => plan.images.push(image),
                Err(error) => {
                    print::complain(PROGRAM, &format!("{}: {error:#}", name::shown(&source)));
                    plan.failed += 1;
                }
            }
        }
        Ok(plan)
    }
}

/// The destination as every machine sees it.
fn absolute(destination: plan::Destination) -> Result<plan::Destination> {
    Ok(match destination {
        plan::Destination::Below { root, template } => {
            let context = || format!("cannot make {}", name::shown(&root));
            fs::create_dir_all(&root).with_context(context)?;
            plan::Destination::Below { root: root.canonicalize().with_context(context)?, template }
        }
        in_place => in_place,
    })
}

fn image(Planned { mut job, memory }: Planned) -> Result<Image> {
    let metadata = fs::metadata(&job.source)?;
    job.source = job.source.canonicalize()?;
    for path in [&job.source, &job.output] {
        path.to_str()
            .with_context(|| format!("{} is not UTF-8, which a message must be", name::shown(path)))?;
    }
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let changed = changed.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    // Each worker has a limit of its own.
    job.recipe.limits.memory = u64::MAX;
    Ok(Image { job, memory, stamp: (metadata.len(), changed) })
}

fn work(work: Work) -> Result<Status, Failure> {
    let root = work.root.clone().unwrap_or_else(|| PathBuf::from("."));
    let root = Root::open(&root).with_context(|| format!("--root {}", name::shown(&root))).or_usage()?;
    let budget = memory::budget(&work.cli);
    if let Between::Frees = budget.between {
        memory::give_back();
    }
    let options = (&work.broker, &work.work);
    let weight = (|image: &Image| image.memory, Some(budget.bytes));
    let root = Arc::new(root);
    let handler = move |image: Image, context: &Context| resize(&root, &image, context, budget.between);
    match work.cli.model {
        Model::Push => {
            program::work(PROGRAM, options, batch::builder::<Pool>(&work.cli, budget), weight, handler)
        }
        Model::Pull => {
            program::work(PROGRAM, options, batch::builder::<PullPool>(&work.cli, budget), weight, handler)
        }
    }
}

/// One image, as a handler.
fn resize(root: &Root, image: &Image, context: &Context, between: Between) -> Result<Finished, Fault> {
    let place = root.place(&image.job.output).map_err(|error| fault_of(&error))?;
    let result = job::run_into(&image.job, &place.path(), &|| context.is_held());
    if let Between::Frees = between {
        longshore_resize::transform::forget();
    }
    match result {
        Ok(done) => Ok(Finished::bytes(done.bytes_out)),
        Err(Stop::Withheld) => Err(Fault::Lost),
        Err(Stop::Full(failure)) => Err(Fault::Machine(failure.text)),
        Err(Stop::Failed(failure)) => {
            let text = format!("{}: {}", name::shown(&image.job.source), failure.text);
            Err(match failure.kind {
                Kind::Unsupported | Kind::Damaged | Kind::TooLarge | Kind::Conflict => Fault::Job(text),
                // A shared file system may see the file a moment later.
                Kind::Unreadable | Kind::Unwritable | Kind::Internal => Fault::Attempt(text),
            })
        }
    }
}

/// A place that the root does not have.
fn fault_of(error: &std::io::Error) -> Fault {
    use std::io::ErrorKind;

    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => {
            Fault::Machine(error.to_string())
        }
        // The root's own message.
        ErrorKind::PermissionDenied if error.raw_os_error().is_none() => Fault::Job(error.to_string()),
        _ => Fault::Attempt(error.to_string()),
    }
}
