//! The pipeline: this thread feeds the first stage; its tasks feed the second; this thread takes the results in order.
//!
//! Everything between the stages is bounded. A full queue before the second stage stops the workers of the first, whose
//! queue fills up, which stops this thread. And no more than a window of files is under way in all, so that one slow file does
//! not let finished ones pile up behind it.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result};
use longshore::{CancelToken, JoinHandle};

use crate::cli::{Cli, OnError};
use crate::files;
use crate::index::Index;
use crate::report::complain;
use crate::stage::{Stage, StageReport};
use crate::work::{self, Entry, Object};

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
    objects: PathBuf,
    level: i32,
    on_error: OnError,
    /// The user's, and ours: cancelled by Ctrl-C or at an error.
    stop: CancelToken,
}

/// Stores the files that the command line names, unless `interrupt` is cancelled before the end.
pub fn run(cli: &Cli, interrupt: &CancelToken) -> Result<Outcome> {
    let start = Instant::now();
    let paths = files::find(&cli.inputs)?;
    let objects = cli.output.join("objects");
    fs::create_dir_all(&objects).with_context(|| format!("cannot make {}", objects.display()))?;
    let index = Index::begin(&cli.output)?;
    let pipeline = Pipeline {
        hash: Stage::new("hash", Some(cli.readers), cli.queue)?,
        compress: Arc::new(Stage::new("compress", cli.compressors, cli.queue)?),
        objects,
        level: cli.level,
        on_error: cli.on_error,
        stop: interrupt.child(),
    };
    let files = paths.len();
    // As many as may wait and run in both stages, and as many again that have ended out of their turn.
    let window = 4 * cli.queue.get() + 2 * cli.readers.get();
    let (sums, index) = pipeline.store(paths, index, window)?;
    let stages = [pipeline.hash.close()?, pipeline.compress.close()?];
    let end = match (interrupt.is_cancelled(), sums.failed) {
        // Too late to matter if everything was stored.
        (true, _) if sums.stored < files => End::Interrupted,
        (_, 0) => End::Complete,
        _ => End::Failed,
    };
    let is_indexed = end == End::Complete || (end == End::Failed && cli.on_error == OnError::Skip);
    if is_indexed {
        index.finish()?;
    }
    Ok(Outcome { end, files, sums, is_indexed, stages, elapsed: start.elapsed() })
}

impl Pipeline {
    /// Feeds the first stage and takes the results, in order.
    fn store(&self, paths: Vec<PathBuf>, mut index: Index, window: usize) -> Result<(Sums, Index)> {
        let mut pending = VecDeque::with_capacity(window);
        let mut sums = Sums::default();
        for path in paths {
            if self.stop.is_cancelled() {
                break;
            }
            if pending.len() == window {
                self.take(pending.pop_front(), &mut sums, &mut index)?;
            }
            pending.push_back(self.feed(path)?);
        }
        while let Some(next) = pending.pop_front() {
            self.take(Some(next), &mut sums, &mut index)?;
        }
        Ok((sums, index))
    }

    fn feed(&self, path: PathBuf) -> Result<Pending> {
        let (source, objects, level) = (path.clone(), self.objects.clone(), self.level);
        let (stop, compress) = (self.stop.clone(), self.compress.clone());
        let hashing = self.hash.submit(move || {
            let hashed = work::read(&source, &stop)?;
            compress.submit(move || work::compress(hashed, &objects, level, &stop))
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
                index.add(&entry)?;
                sums.add(&entry);
            }
            // Stopped, whatever it says.
            Err(_) if self.stop.is_cancelled() => {}
            Err(error) => {
                complain(&format!("{}: {error:#}", path.display()));
                sums.failed += 1;
                if self.on_error == OnError::Stop {
                    self.stop.cancel();
                }
            }
        }
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, entry: &Entry) {
        self.stored += 1;
        self.size += entry.size;
        self.compressed += entry.compressed;
        if entry.object == Object::Known {
            self.known += 1;
        }
    }
}
