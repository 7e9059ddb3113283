//! The recorder: the half of this library that a pool carries. It has a ring for each worker and each
//! submitting thread, and writes what they hold to a file, at any moment or as the run goes on.
//!
//! A recorder costs nothing while no [`Track`] is asked for. `docs/trace-format.md` says which call belongs
//! where in a pool.

mod atomics;
pub mod clock;
mod file;
mod labels;
mod ring;
mod track;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use clock::{Clock, Manual, Ticks};
pub use labels::LabelCache;
pub use ring::{BLOCK, Ring, Snapshot};
pub use track::{Begun, LARGE_TASK, MOST_ENDS, MOST_GROUPED, Precision, SHORT_GROUP, Track};

use crate::format::{Facts, TrackKind, Writer};
use file::{Flusher, Signal};
use labels::Labels;

/// Bytes of a ring, if nothing else is said: some 8,000 records.
pub const RING_BYTES: usize = 64 << 10;

/// Tracks of threads from outside that a recorder keeps. A thread beyond them takes a track that its thread
/// has left, and if there is none it is not recorded (and counted).
pub const MOST_OUTSIDE: usize = 1024;

/// How a recorder works.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Bytes of each ring; 0 stands for [`RING_BYTES`].
    pub ring_bytes: usize,
    /// How exact times are.
    pub precision: Precision,
    /// A file to which all records are appended as the run goes on. Without it the rings keep the last ones.
    pub file: Option<PathBuf>,
}

/// See the module's text. Cloning it makes another handle to the same recorder.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

/// What all handles share.
#[derive(Debug)]
struct Inner {
    settings: Settings,
    state: Arc<State>,
    flusher: Mutex<Option<Flusher>>,
}

/// What the flusher needs as well.
#[derive(Debug)]
struct State {
    labels: Labels,
    book: Mutex<Book>,
}

/// The tracks, and what was measured.
#[derive(Debug)]
struct Book {
    pool: Facts,
    tracks: Vec<(TrackKind, Arc<Ring>)>,
    outside: usize,
    /// Threads that got no track.
    unrecorded: u64,
    clock: Vec<(u64, u64)>,
    /// Whether the times are those of a simulation.
    is_simulated: bool,
}

impl Book {
    /// The pairs for a file that is written now.
    fn pairs(&self) -> Vec<(u64, u64)> {
        let mut pairs = self.clock.clone();
        if !self.is_simulated {
            pairs.push(clock::pair());
        }
        pairs
    }
}

impl State {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// A recorder of a pool that `pool` describes. The keys that the analysis knows are in
    /// `docs/trace-format.md`.
    ///
    /// # Errors
    /// If the file of the settings cannot be created, or its thread cannot be started.
    pub fn new(pool: Facts, settings: Settings) -> io::Result<Recorder> {
        let book = Book {
            pool,
            tracks: Vec::new(),
            outside: 0,
            unrecorded: 0,
            clock: vec![clock::pair()],
            is_simulated: false,
        };
        let state = Arc::new(State { labels: Labels::default(), book: Mutex::new(book) });
        let flusher = match &settings.file {
            Some(path) => Some(Flusher::start(path, state.clone())?),
            None => None,
        };
        Ok(Recorder(Arc::new(Inner { settings, state, flusher: Mutex::new(flusher) })))
    }

    /// A track for worker `index`. A worker that takes up a number again goes on with the track of that
    /// number.
    pub fn worker(&self, index: usize) -> Track {
        self.worker_with(index, Ticks)
    }

    /// As [`Recorder::worker`], with a clock of the caller's.
    pub fn worker_with<C: Clock>(&self, index: usize, clock: C) -> Track<C> {
        let kind = TrackKind::Worker(index as u32);
        self.track(kind, clock).expect("workers always have a track")
    }

    /// A track for the calling thread, which is no worker. `None` if [`MOST_OUTSIDE`] threads have one: that
    /// one is counted.
    pub fn outside(&self) -> Option<Track> {
        self.track(TrackKind::Outside, Ticks)
    }

    /// As [`Recorder::outside`], with a clock of the caller's.
    pub fn outside_with<C: Clock>(&self, clock: C) -> Option<Track<C>> {
        self.track(TrackKind::Outside, clock)
    }

    fn track<C: Clock>(&self, kind: TrackKind, clock: C) -> Option<Track<C>> {
        let precision = self.0.settings.precision;
        let mut book = self.0.state.book();
        let is_outside = kind == TrackKind::Outside;
        // A thread from outside gets a track of its own as long as there are few.
        let may_reuse = !is_outside || book.outside >= MOST_OUTSIDE / 4;
        let free = book.tracks.iter().position(|(other, ring)| may_reuse && *other == kind && ring.take());
        if let Some(number) = free {
            return Some(Track::new(
                book.tracks[number].1.clone(),
                number as u32,
                precision,
                !is_outside,
                clock,
            ));
        }
        if is_outside && book.outside >= MOST_OUTSIDE {
            book.unrecorded += 1;
            return None;
        }
        book.outside += usize::from(is_outside);
        let bytes = if self.0.settings.ring_bytes == 0 { RING_BYTES } else { self.0.settings.ring_bytes };
        let ring = Arc::new(Ring::new(bytes, self.signal()));
        book.tracks.push((kind, ring.clone()));
        Some(Track::new(ring, book.tracks.len() as u32 - 1, precision, !is_outside, clock))
    }

    fn signal(&self) -> Option<Signal> {
        self.flusher().as_ref().map(Flusher::signal)
    }

    fn flusher(&self) -> MutexGuard<'_, Option<Flusher>> {
        self.0.flusher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a label, for [`Track::label`].
    pub fn label(&self, text: &str) -> u16 {
        self.0.state.labels.number(text)
    }

    /// As [`Recorder::label`], with the calling thread's memory of what it asked for lately.
    #[inline]
    pub fn label_cached(&self, text: &'static str, cache: &LabelCache) -> u16 {
        cache.number(text, &self.0.state.labels)
    }

    /// Has the recording say that these pairs of (ticks, nanoseconds) are the same moments: for simulations,
    /// whose clocks are set by hand.
    pub fn set_clock(&self, pairs: &[(u64, u64)]) {
        let mut book = self.0.state.book();
        book.clock = pairs.to_vec();
        book.is_simulated = true;
    }

    /// Writes what the rings hold now, a whole recording. The pool works on meanwhile.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write, stats: &Facts) -> io::Result<()> {
        let mut writer = Writer::new(out)?;
        let rings = self.head(&mut writer)?;
        for (track, (_, ring)) in rings.iter().enumerate() {
            let copy = ring.snapshot(0);
            writer.data(track as u32, copy.first, &copy.words)?;
        }
        file::write_tail(&mut writer, &self.0.state, 0, stats)?;
        writer.end().map(|_| ())
    }

    fn head(&self, writer: &mut Writer<impl Write>) -> io::Result<Vec<(TrackKind, Arc<Ring>)>> {
        let (pool, tracks) = {
            let book = self.0.state.book();
            (book.pool.clone(), book.tracks.clone())
        };
        writer.pool(&pool)?;
        for (number, (kind, _)) in tracks.iter().enumerate() {
            writer.track(number as u32, *kind)?;
        }
        Ok(tracks)
    }

    /// As [`Recorder::write`], to a file: under another name first, so that there is never half a recording
    /// under this one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_to(&self, path: &Path, stats: &Facts) -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = path.with_file_name(name);
        let written =
            std::fs::File::create(&part).and_then(|file| self.write(io::BufWriter::new(file), stats));
        let result = written.and_then(|()| std::fs::rename(&part, path));
        if result.is_err() {
            _ = std::fs::remove_file(&part);
        }
        result
    }

    /// Ends the file of the settings, if there is one: all records are written when this returns. Tracks may
    /// go on, but no file gets what they write from now on.
    ///
    /// # Errors
    /// If something could not be written; the message says from when on records are missing. The file is a
    /// recording all the same, up to there.
    pub fn finish(&self, stats: &Facts) -> io::Result<()> {
        let flusher = self.flusher().take();
        flusher.map_or(Ok(()), |flusher| flusher.finish(stats))
    }
}
