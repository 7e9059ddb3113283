//! A recording that goes on: its rings and its file, what it is saved for, how it ends.
//!
//! The pool's slot, the handles of the user and the tracks of threads share it. Any thread saves it; one
//! finishes it. The rings and the growing file are in `crates/trace`. Guarded by `tests/recording` and
//! `tests/process_recording.rs`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use std::{fmt, mem, thread};

use longshore_trace::format::Facts;
use longshore_trace::recorder::clock::{self, ROUGH_TICKS_PER_US};
use longshore_trace::recorder::{self as rings, Precision, Settings};

use crate::base::debug::impl_debug;
use crate::base::facade::lock;
use crate::base::page::{self, RecordingFormat};
use crate::base::record_error::RecordError;
use crate::base::recording::{Made, ReadMade, RecordedTrack, TrackOwner, TriggerTarget};
use crate::runtime::metrics::PoolStats;
use crate::runtime::recorder_settings::Recorder;
use crate::sys::{quit, signals};

/// What a recording needs of its pool.
pub struct RecordedPool {
    /// Whether it begins with the pool.
    pub is_whole: bool,
    /// The statistics, and whether the pool has ended; `None` if the pool is gone.
    pub stats: Box<dyn Fn() -> Option<(PoolStats, bool)> + Send + Sync>,
    /// Ends the recording in the pool.
    pub remove: Box<dyn Fn() + Send + Sync>,
}

impl_debug! { RecordedPool {} }

/// A recording that goes on, or has ended.
pub struct ActiveRecording {
    settings: Recorder,
    generation: u32,
    rings: rings::Recorder,
    /// The growing file, and what becomes of it.
    file: Option<GrowingFile>,
    pool: RecordedPool,
    has_ended: AtomicBool,
    /// Whether the recording was saved for a panic, a long task, a missed deadline.
    saved_for: [AtomicBool; 3],
    /// Threads that save it.
    savers: Mutex<Vec<thread::JoinHandle<()>>>,
    /// Ticks and nanoseconds at the begin.
    begun: (u64, u64),
    this: Weak<ActiveRecording>,
}

/// A file that grows, and the file that is made of it at the end.
#[derive(Debug)]
struct GrowingFile {
    recording: PathBuf,
    path: PathBuf,
    format: RecordingFormat,
}

impl fmt::Debug for ActiveRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveRecording").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The path of the recording for another file that is made of it.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".lsr");
    path.with_file_name(name)
}

impl ActiveRecording {
    /// Begins a recording of `pool`, which `facts` describe.
    pub fn new(
        facts: Facts,
        settings: Recorder,
        generation: u32,
        pool: RecordedPool,
    ) -> Result<Arc<Self>, RecordError> {
        let file = match &settings.file {
            None => None,
            Some(path) => {
                let format = RecordingFormat::of(path)?;
                let recording = if format == RecordingFormat::Lsr { path.clone() } else { beside(path) };
                Some(GrowingFile { recording, path: path.clone(), format })
            }
        };
        let precision = if settings.has_exact_times { Precision::Exact } else { Precision::Adaptive };
        let of_rings = Settings {
            ring_bytes: settings.ring_bytes,
            precision,
            file: file.as_ref().map(|file| file.recording.clone()),
        };
        let path = of_rings.file.clone().unwrap_or_default();
        // The thread that appends to the file runs no user code.
        let rings = signals::with_all_blocked(|| rings::Recorder::new(facts, of_rings))
            .map_err(|error| RecordError::file(&path, error))?;
        let recording = Arc::new_cyclic(|this| ActiveRecording {
            settings,
            generation,
            rings,
            file,
            pool,
            has_ended: AtomicBool::new(false),
            saved_for: Default::default(),
            savers: Mutex::default(),
            begun: clock::pair(),
            this: this.clone(),
        });
        if recording.settings.on_quit.is_some() {
            quit::register(&recording);
        }
        Ok(recording)
    }

    /// What its tracks in the pool with this id need.
    fn owner(&self, pool: u32) -> TrackOwner {
        let limit = match &self.settings.on_long {
            Some((limit, _)) => least_ticks(*limit),
            None => u64::MAX,
        };
        let this = self.this.upgrade().expect("the caller has it");
        TrackOwner { pool, generation: self.generation, recorder: self.rings.clone(), triggers: this, limit }
    }

    /// A track for worker `index` of the pool with this id, whose counters `read_made` reads.
    pub fn worker_track(&self, pool: u32, index: usize, read_made: ReadMade) -> Box<RecordedTrack> {
        Box::new(RecordedTrack::new(self.owner(pool), self.rings.worker(index), read_made))
    }

    /// A track for the calling thread, which is no worker of the pool with this id. `None` if there are too
    /// many.
    pub fn outside_track(&self, pool: u32) -> Option<RecordedTrack> {
        let track = RecordedTrack::new(self.owner(pool), self.rings.outside()?, Box::new(Made::default));
        track.starts(thread::current().name().unwrap_or_default(), None);
        Some(track)
    }

    /// The number of the recording.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Saves what the rings hold now.
    pub fn save(&self, path: &Path) -> Result<(), RecordError> {
        let format = RecordingFormat::of(path)?;
        let write = |path: &Path| {
            self.rings.write_to(path, &self.stats_facts()).map_err(|error| RecordError::file(path, error))
        };
        match format {
            RecordingFormat::Lsr => write(path),
            _ if !page::IS_HERE => {
                let recording = beside(path);
                write(&recording)?;
                Err(RecordError::FeatureMissing { path: path.to_owned(), recording })
            }
            _ => page::write(&self.in_memory()?, format, path),
        }
    }

    /// What the rings hold now, as text; `None` without the feature `trace`.
    pub fn report(&self) -> Result<Option<String>, RecordError> {
        page::report(&self.in_memory()?)
    }

    fn in_memory(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = Vec::new();
        let written = self.rings.write(&mut bytes, &self.stats_facts());
        written.map_err(|error| RecordError::file(Path::new("memory"), error))?;
        Ok(bytes)
    }

    /// Ends the recording and completes its file. Called again, it does nothing.
    pub fn finish(&self) -> Result<(), RecordError> {
        // AcqRel: of several calls one finishes.
        if self.has_ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        (self.pool.remove)();
        for saver in mem::take(&mut *lock(&self.savers)) {
            if saver.thread().id() != thread::current().id() {
                _ = saver.join(); // it prints its errors itself
            }
        }
        let Some(file) = &self.file else { return Ok(()) };
        let finished = self.rings.finish(&self.stats_facts());
        let completed = self.complete(file);
        finished.map_err(|error| RecordError::file(&file.recording, error)).and(completed)
    }

    /// Makes what was asked for of the complete recording.
    fn complete(&self, file: &GrowingFile) -> Result<(), RecordError> {
        let is_made = file.format != RecordingFormat::Lsr;
        if is_made && !page::IS_HERE {
            let (path, recording) = (file.path.clone(), file.recording.clone());
            return Err(RecordError::FeatureMissing { path, recording });
        }
        if !is_made && !self.settings.is_from_environment() {
            return Ok(());
        }
        let bytes = std::fs::read(&file.recording);
        let bytes = bytes.map_err(|error| RecordError::file(&file.recording, error))?;
        if is_made {
            page::write(&bytes, file.format, &file.path)?;
            _ = std::fs::remove_file(&file.recording); // it is in the other file now
        }
        if self.settings.is_from_environment() {
            let report = page::report(&bytes)?.unwrap_or_default();
            eprintln!("longshore: recorded to {}\n{report}", file.path.display());
        }
        Ok(())
    }

    /// Ends the recording when its pool ends. Errors are printed, because nothing else can tell them.
    pub fn finish_with_pool(&self) {
        if let Err(error) = self.finish() {
            eprintln!("longshore: {error}");
        }
    }

    /// Lets the next pool have the number of this one; see [`Recorder::take_number`].
    pub fn return_number(&self) {
        self.settings.return_number();
    }

    fn stats_facts(&self) -> Facts {
        let mut facts = Facts::new();
        let Some((stats, has_ended)) = (self.pool.stats)() else { return facts };
        let mut put = |key: &str, value: u64| _ = facts.insert(key.to_owned(), value.to_string());
        put("submitted", stats.submitted);
        put("completed", stats.completed);
        put("panicked", stats.panicked);
        put("stand_ins", stats.stand_ins);
        // Compared with what the recording holds, so only if that is all.
        if has_ended && self.pool.is_whole {
            put("ended", stats.completed + stats.failed + stats.panicked);
        }
        facts
    }

    /// Saves the recording on a thread of its own, the first time that this is asked for.
    fn save_once(&self, reason: usize, path: Option<&PathBuf>) {
        // Relaxed: only the first call goes on, whichever that is.
        if let Some(path) = path.filter(|_| !self.saved_for[reason].swap(true, Ordering::Relaxed)) {
            self.save_elsewhere(path.clone());
        }
    }

    fn save_elsewhere(&self, path: PathBuf) {
        let Some(this) = self.this.upgrade() else { return };
        let save = move || {
            if let Err(error) = this.save(&path) {
                eprintln!("longshore: {error}");
            }
        };
        let saver = thread::Builder::new().name("longshore-save".to_owned());
        match signals::with_all_blocked(|| saver.spawn(save)) {
            Ok(saver) => lock(&self.savers).push(saver),
            Err(error) => eprintln!("longshore: a recording is not saved: {error}"),
        }
    }
}

impl TriggerTarget for ActiveRecording {
    fn task_panicked(&self) {
        self.save_once(0, self.settings.on_panic.as_ref());
    }

    fn task_took_long(&self, ticks: u64) {
        let Some((limit, path)) = &self.settings.on_long else { return };
        let (now, nanos) = clock::pair();
        let per_tick =
            nanos.saturating_sub(self.begun.1) as f64 / now.saturating_sub(self.begun.0).max(1) as f64;
        if ticks as f64 * per_tick >= limit.as_nanos() as f64 {
            self.save_once(1, Some(path));
        }
    }

    fn task_expired(&self) {
        self.save_once(2, self.settings.on_expired.as_ref());
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed) // a track is kept a moment longer if it is seen late
    }
}

impl quit::QuitTarget for ActiveRecording {
    fn quit(&self) {
        let path = self.settings.on_quit.as_ref().filter(|_| !self.has_ended());
        if let Some(Err(error)) = path.map(|path| self.save(path)) {
            eprintln!("longshore: {error}");
        }
    }
}

/// Fewer ticks than `time` has on any processor. A task that takes more is measured exactly.
fn least_ticks(time: Duration) -> u64 {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    (micros.saturating_mul(ROUGH_TICKS_PER_US) / 4).max(1)
}
