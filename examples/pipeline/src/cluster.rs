//! The same files on several machines: `push` queues them, `work` hashes and compresses them. The index is
//! made by a run of the program itself afterwards, which finds every object there.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use longshore::{CancelToken, Pool};
use longshore_cli::end::{Failure, OrFail, Status};
use longshore_cli::tree::Place;
use longshore_cli::{amount, name, print};
use longshore_cluster::program::{self, BrokerOptions, PushOptions, StatusOptions, WorkOptions};
use longshore_cluster::{Context, Fault, Finished, Job, JobId};
use serde::{Deserialize, Serialize};

use crate::files::{self, Output, Source};
use crate::work::{self, Reading, Store};

const PROGRAM: &str = "stages";

/// The commands of a cluster.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Queue files for workers on other machines
    Push(Box<Push>),
    /// Hash and compress queued files until there are none
    Work(Box<Work>),
    /// Show how a batch is doing
    Status(StatusOptions),
}

/// The options of `push`.
#[derive(Debug, Args)]
pub struct Push {
    /// Files and directories (walked recursively), as every worker sees them
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Where the objects go, which is left out of the inputs
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    broker: BrokerOptions,
    #[command(flatten)]
    push: PushOptions,
}

/// The options of `work`.
#[derive(Debug, Args)]
pub struct Work {
    /// Where objects go, whatever a message says
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Worker threads [default: all cores that are available]
    #[arg(short, long, value_name = "N", value_parser = amount::jobs)]
    jobs: Option<NonZeroUsize>,
    /// What the files that are under way may take together
    #[arg(long, value_name = "BYTES", default_value = "512M", value_parser = amount::size)]
    memory: u64,
    /// Compression level, 1 to 19
    #[arg(short, long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    #[command(flatten)]
    broker: BrokerOptions,
    #[command(flatten)]
    work: WorkOptions,
}

/// A file that is to be stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    path: PathBuf,
    size: u64,
}

impl Job for Content {
    fn id(&self) -> JobId {
        JobId::of(&[self.path.as_os_str().as_encoded_bytes(), &self.size.to_le_bytes()].concat())
    }
}

/// Runs a command.
pub fn run(command: Command) -> Result<Status, Failure> {
    match command {
        Command::Push(push) => self::push(&push),
        Command::Work(work) => self::work(&work),
        Command::Status(options) => program::status::<Content>(PROGRAM, &options),
    }
}

fn push(Push { inputs, output, broker, push }: &Push) -> Result<Status, Failure> {
    let batch = program::connect::<Content>(PROGRAM, broker)?;
    let stop = CancelToken::new();
    let objects = output.join("objects");
    std::fs::create_dir_all(&objects)
        .with_context(|| format!("cannot make {}", name::shown(&objects)))
        .or_usage()?;
    let found = files::find(inputs, &Output::new(output).or_usage()?, &stop);
    for problem in &found.problems {
        print::complain(PROGRAM, &format!("{}: {}", name::shown(&problem.path), problem.error));
    }
    let contents = || {
        found.files.iter().filter_map(|file| {
            // A name that is not UTF-8 cannot be sent.
            let path = file.place.path().canonicalize().ok().filter(|path| path.to_str().is_some())?;
            Some(Content { path, size: file.size })
        })
    };
    if push.replace {
        batch.delete().map_err(program::failure)?;
    }
    let count = match push.resume {
        true => batch.resume(contents()).map_err(program::failure)?,
        false => batch
            .publish(&push.settings(), contents())
            .context("--resume, --replace or --batch")
            .map_err(program::failure)?,
    };
    print::say(&format!("{count} files queued, {} failed", found.problems.len()));
    let mut has_failed = !found.problems.is_empty() || contents().count() < found.files.len();
    if push.wait {
        let waited = program::wait(PROGRAM, &batch, &stop, || batch.resume(contents()))?;
        has_failed |= waited.is_none_or(|waited| waited.status.dead > 0 || waited.missing > 0);
    }
    Ok(if has_failed { Status::FAILED } else { Status::DONE })
}

fn work(Work { output, jobs, memory, level, broker, work }: &Work) -> Result<Status, Failure> {
    let (objects, largest) = (output.join("objects"), memory / 8);
    std::fs::create_dir_all(&objects)
        .with_context(|| format!("cannot make {}", name::shown(&objects)))
        .or_usage()?;
    let store = Store { objects, level: *level, is_checked: false };
    let pool = Pool::builder().thread_name("stages");
    let pool = jobs.iter().fold(pool, |pool, jobs| pool.workers(jobs.get()));
    let weight =
        move |content: &Content| if content.size > largest { work::BLOCK as u64 } else { content.size };
    let handler = move |content: Content, context: &Context| keep(&store, &content, largest, context);
    program::work(PROGRAM, (broker, work), pool, (weight, Some(*memory)), handler)
}

/// Both stages, for one file.
fn keep(store: &Store, content: &Content, largest: u64, context: &Context) -> Result<Finished, Fault> {
    let reading = if content.size > largest { Reading::Twice } else { Reading::Whole };
    let source = Source { place: Place::root(Path::new(&content.path)), size: content.size };
    let attempt = |error: anyhow::Error| Fault::Attempt(format!("{}: {error:#}", name::shown(&content.path)));
    let hashed = work::read(&source, reading, context.token()).map_err(attempt)?;
    if !context.is_held() {
        return Err(Fault::Lost);
    }
    let entry = store.keep(hashed, context.token()).map_err(attempt)?;
    Ok(Finished::bytes(entry.compressed))
}
