//! The growing file: a thread of its own appends what the tracks have written.
//!
//! A track calls the thread when a block is full, and never waits for it. If the thread falls behind by a
//! whole ring, the oldest records are lost; the numbers of the words show how many. While nothing is recorded
//! the thread sleeps.
//!
//! When the disk is full, or another error comes, the file is cut back to the last whole chunk and ended
//! there with a note, as far as the disk allows; the run goes on.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};

use super::{State, clock};
use crate::format::{Facts, Writer};
use crate::record::Word;

/// Calls the flusher.
#[derive(Debug, Clone)]
pub struct Signal(Arc<Call>);

#[derive(Debug, Default)]
struct Call {
    is_due: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Signal {
    /// There is something to write.
    pub fn call(&self) {
        // Release pairs with the Acquire in `Flusher::work`: the flusher sees the words of the block.
        if !self.0.is_due.swap(true, Ordering::Release) {
            self.0.thread.get().into_iter().for_each(|thread| thread.unpark());
        }
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Flusher {
    signal: Signal,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Output>,
}

/// Where it writes to.
#[derive(Debug)]
struct Output {
    path: PathBuf,
    writer: Writer<File>,
    state: Arc<State>,
    /// How many words of each track are written.
    written: Vec<u64>,
    labels: usize,
    error: Option<io::Error>,
}

impl Flusher {
    /// Creates the file, and the thread.
    pub fn start(path: &Path, state: Arc<State>) -> io::Result<Flusher> {
        let mut writer = Writer::new(File::create(path)?)?;
        writer.pool(&state.book().pool.clone())?;
        let output =
            Output { path: path.to_owned(), writer, state, written: Vec::new(), labels: 0, error: None };
        let signal = Signal(Arc::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let work = {
            let (signal, is_over) = (signal.clone(), is_over.clone());
            move || output.work(&signal, &is_over)
        };
        let thread = thread::Builder::new().name("longshore-trace".to_owned()).spawn(work)?;
        _ = signal.0.thread.set(thread.thread().clone());
        Ok(Flusher { signal, is_over, thread })
    }

    /// What the tracks call it with.
    pub fn signal(&self) -> Signal {
        self.signal.clone()
    }

    /// Writes the rest, and the end.
    pub fn finish(self, stats: &Facts) -> io::Result<()> {
        self.is_over.store(true, Ordering::Release); // pairs with the Acquire in `work`
        self.thread.thread().unpark();
        let output = self
            .thread
            .join()
            .map_err(|_| io::Error::other("the thread that writes the recording panicked"))?;
        output.end(stats)
    }
}

impl Output {
    fn work(mut self, signal: &Signal, is_over: &AtomicBool) -> Output {
        loop {
            // Acquire pairs with the Release in `finish`: what was recorded before is seen by the last round.
            let is_last = is_over.load(Ordering::Acquire);
            signal.0.is_due.swap(false, Ordering::Acquire); // see `Signal::call`
            self.append(is_last);
            if is_last {
                return self;
            }
            while !signal.0.is_due.load(Ordering::Relaxed) && !is_over.load(Ordering::Relaxed) {
                thread::park();
            }
        }
    }

    /// Appends what is new, unless an error has come before.
    fn append(&mut self, is_last: bool) {
        if self.error.is_none() {
            self.try_append(is_last).unwrap_or_else(|error| self.cut_back(error));
        }
    }

    fn try_append(&mut self, is_last: bool) -> io::Result<()> {
        let tracks = self.state.book().tracks.clone();
        for (number, (kind, ring)) in tracks.iter().enumerate() {
            if number >= self.written.len() {
                self.writer.track(number as u32, *kind)?;
                self.written.push(0);
            }
            let mut copy = ring.snapshot(self.written[number]);
            // The track may count more submissions in its last word.
            if !is_last && copy.words.last().is_some_and(|word| Word(*word).may_grow()) {
                copy.words.pop();
            }
            if copy.words.is_empty() {
                continue;
            }
            self.writer.data(number as u32, copy.first, &copy.words)?;
            self.written[number] = copy.first + copy.words.len() as u64;
        }
        let labels = self.state.labels.since(self.labels);
        if !labels.is_empty() {
            self.writer.labels(&labels)?;
            self.labels += labels.len();
        }
        Ok(())
    }

    /// Leaves a file that can be read, as far as it goes.
    fn cut_back(&mut self, error: io::Error) {
        let whole = self.writer.written();
        let seconds = (clock::nanos().saturating_sub(self.state.book().clock[0].1)) as f64 / 1e9;
        let text = format!("{}: records after {seconds:.3} s are missing: {error}", self.path.display());
        let file = self.writer.get_mut();
        _ = file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map(|_| ());
        self.error = Some(io::Error::new(error.kind(), text));
    }

    fn end(mut self, stats: &Facts) -> io::Result<()> {
        let state = self.state.clone();
        if let Some(error) = self.error.take() {
            // The cut has made room for these few bytes, unless another process took it.
            _ = self.writer.note(&format!("records are missing at the end: {error}"));
            _ = write_tail(&mut self.writer, &state, usize::MAX, stats)
                .and_then(|()| self.writer.end().map(|_| ()));
            return Err(error);
        }
        let ended = write_tail(&mut self.writer, &state, self.labels, stats)
            .and_then(|()| self.writer.end())
            .and_then(|mut file| file.flush());
        ended.map_err(|error| {
            let text = format!("{}: the end of the recording is missing: {error}", self.path.display());
            io::Error::new(error.kind(), text)
        })
    }
}

/// What comes after the records: labels from number `labels + 1` on, clocks, notes, statistics.
pub fn write_tail(
    writer: &mut Writer<impl Write>,
    state: &State,
    labels: usize,
    stats: &Facts,
) -> io::Result<()> {
    let (pairs, unrecorded) = {
        let book = state.book();
        (book.pairs(), book.unrecorded)
    };
    writer.clock(&pairs)?;
    let labels = state.labels.since(labels);
    if !labels.is_empty() {
        writer.labels(&labels)?;
    }
    if unrecorded > 0 {
        writer.note(&format!(
            "{unrecorded} threads that submitted tasks were not recorded: there were too many"
        ))?;
    }
    writer.stats(stats)
}
