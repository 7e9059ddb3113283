//! The pipeline: this thread feeds the first stage; its tasks feed the second; this thread takes the results in order.
//!
//! Everything between the stages is bounded. A full queue before the second stage stops the workers of the first, whose
//! queue fills up, which stops this thread. The bytes that are held are bounded in the same way: each task has the weight of
//! its file, and each stage a budget. And no more than a window of files is under way in all, so that one slow file does not let
//! finished ones pile up behind it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use longshore::{CancelToken, JoinHandle};
use longshore_cli::end::{Failure, OrFail};
use longshore_cli::{name, output};

use crate::cli::{Cli, OnError};
use crate::files::{self, Output, Source};
use crate::index::Index;
use crate::report::complain;
use crate::stage::{Share, Stage, StageReport};
use crate::work::{self, BLOCK, Entry, Object, Reading, Store};

/// A file of more than this share of the memory is read twice instead of being held.
const LARGE: u64 = 8;

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Complete,
    Failed,
    Interrupted,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub end: End,
    pub files: usize,
    pub sums: Sums,
    /// Whether the index was written.
    pub is_indexed: bool,
    pub stages: [StageReport; 2],
    pub elapsed: Duration,
}

/// Over the files that were stored.
#[derive(Debug, Default)]
pub struct Sums {
    pub stored: usize,
    pub known: usize,
    pub damaged: usize,
    pub failed: usize,
    pub size: u64,
    pub compressed: u64,
}

/// A file on its way: the first stage's result is the handle of the second stage's task.
struct Pending {
    path: PathBuf,
    hashing: JoinHandle<Result<JoinHandle<Result<Entry>>>>,
}

struct Pipeline {
    hash: Stage,
    compress: Arc<Stage>,
    store: Arc<Store>,
    /// Files of this size and below are held.
    largest_held: u64,
    on_error: OnError,
    /// The user's, and ours: cancelled by a signal or at an error.
    stop: CancelToken,
}

/// Stores the files that the command line names, unless `interrupt` is cancelled before the end.
pub fn run(cli: &Cli, interrupt: &CancelToken) -> Result<Outcome, Failure> {
    let start = Instant::now();
    let (output, index) = prepare(cli).or_usage()?;
    let pipeline = Pipeline::new(cli, interrupt.child()).or_usage()?;
    let found = files::find(&cli.inputs, &output, &pipeline.stop);
    let files = found.files.len() + found.problems.len();
    let mut sums = Sums::default();
    for problem in found.problems {
        pipeline.failed(&problem.path, &problem.error.into(), &mut sums);
    }
    // As many as may wait and run in both stages, and as many again that have ended out of their turn.
    let window = 4 * cli.queue + 2 * cli.readers.get();
    let index = pipeline.store(found.files, index, window, &mut sums).or_failed()?;
    let stages = [pipeline.hash.close().or_failed()?, pipeline.compress.close().or_failed()?];
    let end = match (interrupt.is_cancelled(), sums.failed) {
        // Too late to matter if everything was stored.
        (true, _) if sums.stored + sums.failed < files || files == 0 => End::Interrupted,
        (_, 0) => End::Complete,
        _ => End::Failed,
    };
    let is_indexed = end == End::Complete || (end == End::Failed && cli.on_error == OnError::Skip);
    if is_indexed {
        index.finish().or_failed()?;
    }
    Ok(Outcome { end, files, sums, is_indexed, stages, elapsed: start.elapsed() })
}

/// Looks at the inputs, makes the output, removes what killed runs have left there, and begins the index.
fn prepare(cli: &Cli) -> Result<(Output, Index)> {
    if cli.on_error == OnError::Stop {
        cli.inputs.iter().try_for_each(|input| files::check(input))?;
    }
    let objects = cli.output.join("objects");
    let context = || format!("cannot make {}", name::shown(&objects));
    fs::create_dir_all(&objects).with_context(context)?;
    let output = Output::new(&cli.output).with_context(context)?;
    cli.inputs.iter().try_for_each(|input| output.forbid(input))?;
    sweep(&cli.output, &objects).with_context(context)?;
    Ok((output, Index::begin(&cli.output)?))
}

fn sweep(output: &Path, objects: &Path) -> io::Result<()> {
    output::sweep(output)?;
    for directory in fs::read_dir(objects)? {
        // What is no directory is in the way of objects, if there are any for it, and named then.
        let _ = output::sweep(&directory?.path());
    }
    Ok(())
}

impl Pipeline {
    fn new(cli: &Cli, stop: CancelToken) -> Result<Pipeline> {
        // Half for each stage: a file is with the first until the second has taken it.
        let memory = cli.memory() / 2;
        let share = |workers| Share { workers, queue: cli.queue, memory };
        let objects = cli.output.join("objects");
        Ok(Pipeline {
            hash: Stage::new("hash", share(Some(cli.readers)))?,
            compress: Arc::new(Stage::new("compress", share(cli.compressors))?),
            store: Arc::new(Store { objects, level: cli.level, is_checked: cli.check }),
            largest_held: cli.memory() / LARGE,
            on_error: cli.on_error,
            stop,
        })
    }

    /// Feeds the first stage and takes the results, in order.
    fn store(&self, files: Vec<Source>, mut index: Index, window: usize, sums: &mut Sums) -> Result<Index> {
        let mut pending = VecDeque::new();
        for file in files {
            if self.stop.is_cancelled() {
                break;
            }
            if pending.len() == window {
                self.take(pending.pop_front(), sums, &mut index)?;
            }
            pending.push_back(self.feed(file)?);
        }
        while let Some(next) = pending.pop_front() {
            self.take(Some(next), sums, &mut index)?;
        }
        Ok(index)
    }

    fn feed(&self, file: Source) -> Result<Pending> {
        let path = file.place.path();
        let (reading, weight) = match file.size <= self.largest_held {
            true => (Reading::Whole, file.size),
            false => (Reading::Twice, BLOCK as u64),
        };
        let (store, compress, stop) = (self.store.clone(), self.compress.clone(), self.stop.clone());
        let hashing = self.hash.submit(weight, move || {
            let hashed = work::read(&file, reading, &stop)?;
            compress.submit(weight, move || store.keep(hashed, &stop))
        })?;
        Ok(Pending { path, hashing })
    }

    /// Waits for both stages of the oldest file. Fails only if the index cannot be written.
    fn take(&self, oldest: Option<Pending>, sums: &mut Sums, index: &mut Index) -> Result<()> {
        let Some(Pending { path, hashing }) = oldest else { return Ok(()) };
        let stored = hashing.join().map_err(Error::from).flatten();
        let stored = stored.and_then(|compressing| compressing.join().map_err(Error::from).flatten());
        match stored {
            Ok(entry) => {
                index.add(&entry).context("cannot write the index")?;
                sums.add(&entry);
            }
            // Stopped, whatever it says.
            Err(_) if self.stop.is_cancelled() => {}
            Err(error) => self.failed(&path, &error, sums),
        }
        Ok(())
    }

    /// Names what could not be stored, and stops if that is asked for.
    fn failed(&self, path: &Path, error: &Error, sums: &mut Sums) {
        complain(&format!("{}: {error:#}", name::shown(path)));
        sums.failed += 1;
        if self.on_error == OnError::Stop {
            self.stop.cancel();
        }
    }
}

impl Sums {
    fn add(&mut self, entry: &Entry) {
        self.stored += 1;
        self.size += entry.size;
        self.compressed += entry.compressed;
        match entry.object {
            Object::New => {}
            Object::Known => self.known += 1,
            Object::Damaged => self.damaged += 1,
        }
    }
}
