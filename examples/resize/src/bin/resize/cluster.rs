//! The same batch on several machines: `push` decides about the files as a local run does and queues the
//! jobs, `work` does them.

use std::fs;
use std::path::{Path, PathBuf};
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
#[cfg(feature = "object-store")]
use crate::objects;
use crate::values::is_object;
use crate::{PROGRAM, ensure_something, find, locate, plan};

/// What is said where objects are named and cannot be reached.
#[cfg(not(feature = "object-store"))]
const WITHOUT_OBJECTS: &str = "objects (s3://..) need a program that was built with the feature object-store";

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

    /// Write beneath this directory only, or (with the feature `object-store`) beneath s3://BUCKET/KEY,
    /// whatever a message says [default: the working directory]
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
    ensure_meant("push", &of_other_commands(&push.cli)).or_usage()?;
    let batch = program::connect::<Image>(PROGRAM, &push.broker)?;
    let look = Look::of(&push.cli)?;
    let first = look.plan(&push.cli, &stop)?;
    if signals.first().is_some() {
        return Ok(stopped(&signals));
    }
    if push.cli.dry_run {
        if push.list {
            list(&first.images).or_failed()?;
        }
        let Plan { images, up_to_date, failed } = first;
        print::say(&format!(
            "{} images to be queued, {up_to_date} up to date, {failed} failed",
            images.len()
        ));
        return Ok(if failed > 0 { Status::FAILED } else { Status::DONE });
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
            look.plan(&push.cli, &stop).map_err(|_| anyhow::anyhow!("the outputs cannot be compared"))?;
        Ok(batch.republish(plan.images)?)
    };
    let Some(Waited { status, missing }) = program::wait(PROGRAM, &batch, &stop, missing)? else {
        return Ok(stopped(&signals));
    };
    print::say(&format!("{} done, {} dead letters, {missing} missing", status.done, status.dead));
    Ok(if failed > 0 || status.dead > 0 || missing > 0 { Status::FAILED } else { Status::DONE })
}

/// Options that a command has not, because it would do nothing of what they say; each with what does.
type Meaningless<'a> = [(bool, &'a str, &'a str)];

/// # Errors
/// Names the first of the options that was given.
fn ensure_meant(command: &str, options: &Meaningless<'_>) -> Result<()> {
    match options.iter().find(|(is_given, ..)| *is_given) {
        Some((_, option, instead)) => Err(anyhow::anyhow!("{command} has no {option}: {instead}")),
        None => Ok(()),
    }
}

/// What another command does for a batch.
fn of_other_commands(cli: &Cli) -> [(bool, &'static str, &'static str); 4] {
    [
        (cli.report.is_some(), "--report", "`status --report` writes the page of a batch"),
        (cli.trace.is_some(), "--trace", "`work --trace` records a worker"),
        (cli.json, "--json", "`status --json` tells how the batch is doing"),
        (cli.json_lines, "--json-lines", "`status --watch --json` tells how the batch is doing"),
    ]
}

/// What a message says to a worker.
fn of_messages(cli: &Cli) -> [(bool, &'static str, &'static str); 12] {
    let of_push = "`push` decides about the images";
    [
        (!cli.inputs.is_empty(), "inputs", of_push),
        (cli.files_from.is_some(), "--files-from", of_push),
        (cli.output.is_some(), "--output", "`push` has it, and --root limits it"),
        (cli.name.is_some(), "--name", of_push),
        (cli.in_place, "--in-place", of_push),
        (cli.force, "--force", of_push),
        (cli.skip_existing, "--skip-existing", of_push),
        (cli.shard.is_some(), "--shard", "a worker takes whatever there is"),
        (cli.dry_run, "--dry-run", of_push),
        (
            cli.timeout.is_some(),
            "--timeout",
            "SIGTERM ends a worker in good order, --job-limit a single image",
        ),
        (cli.fail_fast, "--fail-fast", "an image that fails stops no other image"),
        (cli.report.is_some(), "--report", "`status --report` writes the page of a batch"),
    ]
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

/// Where the inputs and the outputs are.
enum Look {
    Files,
    #[cfg(feature = "object-store")]
    Objects(Arc<objects::Stores>),
}

impl Look {
    fn of(cli: &Cli) -> Result<Look, Failure> {
        if !cli.inputs.iter().chain(&cli.output).any(|path| is_object(path)) {
            return Ok(Look::Files);
        }
        #[cfg(feature = "object-store")]
        return Ok(Look::Objects(Arc::new(objects::Stores::new().or_failed()?)));
        #[cfg(not(feature = "object-store"))]
        return Err(Failure::usage(anyhow::anyhow!(WITHOUT_OBJECTS)));
    }

    fn plan(&self, cli: &Cli, stop: &CancelToken) -> Result<Plan, Failure> {
        match self {
            Look::Files => Plan::of_files(cli, stop),
            #[cfg(feature = "object-store")]
            Look::Objects(stores) => Plan::of_objects(stores, cli, stop),
        }
    }
}

impl Plan {
    #[cfg(feature = "object-store")]
    fn of_objects(stores: &Arc<objects::Stores>, cli: &Cli, stop: &CancelToken) -> Result<Plan, Failure> {
        let objects::Listed { todo, up_to_date, failed } = objects::plan(stores, cli, stop).or_usage()?;
        let image = |todo: objects::Todo| Image::new(todo.planned, todo.stamp);
        Ok(Plan { images: todo.into_iter().map(image).collect(), up_to_date, failed })
    }

    /// Looks at the inputs as a local run does.
    fn of_files(cli: &Cli, stop: &CancelToken) -> Result<Plan, Failure> {
        let (inputs, destination, force) = locate(cli).or_usage()?;
        let destination = absolute(destination, cli.dry_run).or_usage()?;
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
fn absolute(destination: plan::Destination, is_dry: bool) -> Result<plan::Destination> {
    Ok(match destination {
        plan::Destination::Below { root, template } if is_dry && !root.exists() => {
            plan::Destination::Below { root: std::path::absolute(root)?, template }
        }
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
    Ok(Image::new(Planned { job, memory }, (metadata.len(), changed)))
}

impl Image {
    fn new(Planned { mut job, memory }: Planned, stamp: (u64, u64)) -> Image {
        // Each worker has a limit of its own.
        job.recipe.limits.memory = u64::MAX;
        Image { job, memory, stamp }
    }
}

fn work(work: Work) -> Result<Status, Failure> {
    ensure_meant("work", &of_messages(&work.cli)).or_usage()?;
    let root = Beneath::open(&work.root.clone().unwrap_or_else(|| PathBuf::from(".")))?;
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

/// What a worker writes beneath.
enum Beneath {
    Directory(Root),
    #[cfg(feature = "object-store")]
    Objects(objects::Stores, objects::Url),
}

impl Beneath {
    fn open(root: &Path) -> Result<Beneath, Failure> {
        let context = || format!("--root {}", name::shown(root));
        if !is_object(root) {
            return Ok(Beneath::Directory(Root::open(root).with_context(context).or_usage()?));
        }
        #[cfg(feature = "object-store")]
        {
            let url = objects::Url::of(root).map_err(anyhow::Error::msg).or_usage()?;
            Ok(Beneath::Objects(objects::Stores::new().or_usage()?, url))
        }
        #[cfg(not(feature = "object-store"))]
        Err(Failure::usage(anyhow::anyhow!(WITHOUT_OBJECTS).context(context())))
    }
}

/// One image, as a handler.
fn resize(root: &Beneath, image: &Image, context: &Context, between: Between) -> Result<Finished, Fault> {
    let are_objects = [&image.job.source, &image.job.output].map(|path| is_object(path));
    let finished = match (root, are_objects) {
        (Beneath::Directory(root), [false, false]) => resize_file(root, image, context),
        #[cfg(feature = "object-store")]
        (Beneath::Objects(stores, root), [true, true]) => {
            objects::work(stores, root, &image.job, &|| context.is_held())
        }
        (Beneath::Directory(_), [true, true]) => Err(of_another_kind(image)),
        #[cfg(feature = "object-store")]
        (Beneath::Objects(..), [false, false]) => Err(of_another_kind(image)),
        _ => Err(Fault::Job("source and output are not both files or both objects".into())),
    };
    if let Between::Frees = between {
        longshore_resize::transform::forget();
    }
    finished
}

/// Another worker may have a root of the kind that the job needs.
fn of_another_kind(image: &Image) -> Fault {
    let output = name::shown(&image.job.output);
    Fault::Machine(format!("{output} is not written: --root of this worker is of another kind"))
}

fn resize_file(root: &Root, image: &Image, context: &Context) -> Result<Finished, Fault> {
    let place = root.place(&image.job.output).map_err(|error| fault_of(&error))?;
    match job::run_into(&image.job, &place.path(), &|| context.is_held()) {
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
