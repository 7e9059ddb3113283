//! [`Recorder`]: how a pool is recorded, as the user says it. Plain data. Guarded by `tests/recording`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{env, process};

use crate::base::page::RecordingFormat;

/// If this environment variable names a file, every pool is recorded to it.
const VARIABLE: &str = "LONGSHORE_TRACE";

/// The number of the last pool that the environment has recorded.
static NUMBERS: AtomicUsize = AtomicUsize::new(0);

/// How a pool is recorded: by [`PoolBuilder::recorder`](crate::PoolBuilder::recorder) from its start, or by
/// [`Pool::record`](crate::Pool::record) from any moment on.
///
/// A recorder writes what each worker does into a ring of its own, eight bytes for each task: begin and end,
/// the task that submitted it, the worker from which it was stolen, waits, sleep and its reason. The ring
/// keeps the last records, and [`Recording::save`](crate::Recording::save) or a trigger writes them to a
/// file. With [`Recorder::file`] all records are appended to a growing file.
///
/// The ending of a path says what is written:
///
/// | ending | content |
/// |---|---|
/// | `.lsr` | the recording, which the command `longshore-trace` reads |
/// | `.html` | one page for a browser, which needs no network |
/// | `.json`, `.pftrace` | for other viewers: Chrome's trace events, Perfetto's format |
///
/// A program writes the last three itself if it is built with the feature `trace` of this library. Without
/// the feature it writes the recording, to the same path with `.lsr` at the end, and an error says which
/// command makes the rest.
///
/// The environment variable `LONGSHORE_TRACE=run.html` records each pool that has no recorder of its own to a
/// growing file, the second pool to `run-2.html`; when a pool ends, its file is complete, and a program with
/// the feature `trace` prints where the time went. Child processes inherit the variable: in `run-%p.html` the
/// `%p` stands for the number of the process, so that each has files of its own.
///
/// ```
/// use longshore::{Pool, Recorder};
///
/// # let directory = std::env::temp_dir().join(format!("longshore-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # std::env::set_current_dir(&directory)?;
/// let pool = Pool::builder().workers(2).recorder(Recorder::new().file("run.lsr")).build()?;
/// pool.task().label("decode").submit(|| 6 * 7)?.join()?;
/// pool.shutdown()?; // completes the file
/// assert!(std::fs::metadata("run.lsr")?.len() > 0);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a recorder does nothing until a pool is recorded with it"]
pub struct Recorder {
    pub(super) ring_bytes: usize,
    pub(super) has_exact_times: bool,
    pub(super) file: Option<PathBuf>,
    pub(super) on_panic: Option<PathBuf>,
    pub(super) on_long: Option<(Duration, PathBuf)>,
    pub(super) on_expired: Option<PathBuf>,
    pub(super) on_quit: Option<PathBuf>,
    /// If the environment asks for it: the number of the pool among those that it records, and 0 before the
    /// pool starts.
    number: Option<usize>,
}

impl Recorder {
    /// Keeps the last records of each thread, 64 KiB for each.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the size of each ring, in bytes; 0 means the default, 64 KiB, which holds some 8,000 records. It
    /// is raised to a power of two, at least 16 KiB.
    pub fn ring_bytes(mut self, bytes: usize) -> Self {
        self.ring_bytes = bytes;
        self
    }

    /// Gives each task times of its own. By default small tasks share looks at the clock: groups of up to
    /// sixteen tasks that take less than three microseconds together.
    pub fn exact_times(mut self) -> Self {
        self.has_exact_times = true;
        self
    }

    /// Has all records appended to a file as the run goes on. The file is complete when the pool has ended or
    /// the [recording](crate::Recording::stop) is stopped.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Saves the recording when a task panics for the first time.
    pub fn save_on_panic(mut self, path: impl Into<PathBuf>) -> Self {
        self.on_panic = Some(path.into());
        self
    }

    /// Saves the recording when a task has run for at least `limit` for the first time. That is noticed at
    /// the end of the task, and includes what it has waited.
    pub fn save_on_long_task(mut self, limit: Duration, path: impl Into<PathBuf>) -> Self {
        self.on_long = Some((limit, path.into()));
        self
    }

    /// Saves the recording when a worker finds for the first time a task whose
    /// [deadline](crate::TaskBuilder::deadline) has passed.
    pub fn save_on_missed_deadline(mut self, path: impl Into<PathBuf>) -> Self {
        self.on_expired = Some(path.into());
        self
    }

    /// Saves the recording whenever the process gets the signal SIGQUIT (`Ctrl-\` on a terminal). From then
    /// on that signal no longer ends the process. Does nothing on a system without this signal.
    pub fn save_on_quit(mut self, path: impl Into<PathBuf>) -> Self {
        self.on_quit = Some(path.into());
        self
    }

    /// All files that it may write.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let long = self.on_long.as_ref().map(|(_, path)| path);
        let saves = [self.on_panic.as_ref(), long, self.on_expired.as_ref(), self.on_quit.as_ref()];
        saves.into_iter().chain([self.file.as_ref()]).flatten()
    }

    /// What the environment asks for.
    pub(crate) fn from_environment() -> Option<Self> {
        let path = PathBuf::from(env::var_os(VARIABLE).filter(|path| !path.is_empty())?);
        if let Err(error) = RecordingFormat::of(&path) {
            eprintln!("longshore: {VARIABLE}: {error}; nothing is recorded");
            return None;
        }
        Some(Recorder { number: Some(0), ..Recorder::new().file(with_process(path)) })
    }

    /// Whether the environment asks for it, so that its errors are printed.
    pub(super) fn is_from_environment(&self) -> bool {
        self.number.is_some()
    }

    /// Gives the next pool that the environment has recorded a file of its own.
    pub(super) fn take_number(&mut self) {
        if let (Some(number), Some(file)) = (&mut self.number, &mut self.file) {
            *number = NUMBERS.fetch_add(1, Ordering::Relaxed) + 1; // only uniqueness matters
            *file = numbered(file, *number);
        }
    }

    /// Lets the next pool have the number, because this one could not be started. Not if a pool has taken a
    /// number meanwhile.
    pub(super) fn return_number(&self) {
        if let Some(number) = self.number {
            // Relaxed: as in `take_number`.
            _ = NUMBERS.compare_exchange(number, number - 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// The path with the number of this process for each `%p`.
fn with_process(path: PathBuf) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace("%p", &process::id().to_string()).into(),
        None => path,
    }
}

/// The path of the pool of this number: the first has `path` itself.
fn numbered(path: &std::path::Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}."));
    name.push(path.extension().unwrap_or_default());
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pool_has_a_file_of_its_own() {
        let path = std::path::Path::new("a/run.html");
        assert_eq!(
            [1, 2, 13].map(|n| numbered(path, n)),
            ["a/run.html", "a/run-2.html", "a/run-13.html"].map(PathBuf::from)
        );
    }
}
