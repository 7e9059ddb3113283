//! [`Recording`]: a handle to what is recorded of a pool; and labels for the tasks in it.
//!
//! A thin layer over `runtime/recorder.rs`. Guarded by `tests/recording` and `tests/process_recording.rs`.

use std::path::Path;
use std::sync::Arc;

use crate::api::pool::Pool;
use crate::base::record_error::RecordError;
use crate::base::recording;
use crate::runtime::active_recording::ActiveRecording;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::recorder;
use crate::runtime::recorder_settings::Recorder;

/// What is recorded of a pool. Made by [`Pool::record`] and [`Pool::recording`]; a clone is another handle to
/// the same recording.
///
/// The recording goes on when the handle is dropped, until [`Recording::stop`] or the end of the pool. What
/// the rings hold can be saved afterwards as well.
///
/// ```
/// use longshore::{Pool, Recorder};
///
/// let pool = Pool::new()?;
/// let recording = pool.record(Recorder::new())?;
/// let squares = pool.map(0..1_000u64, |n| n * n);
/// recording.stop()?;
/// # let path = std::env::temp_dir().join(format!("longshore-doc-r{}.lsr", std::process::id()));
/// recording.save(&path)?;
/// # std::fs::remove_file(&path)?;
/// # assert_eq!(squares[3], 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Recording {
    active: Arc<ActiveRecording>,
}

impl Recording {
    pub(super) fn begin<M: PoolKind>(shared: &Arc<M>, recorder: Recorder) -> Result<Self, RecordError> {
        recorder::begin(shared, recorder).map(|active| Recording { active })
    }

    pub(super) fn of(shared: &impl PoolKind) -> Option<Self> {
        shared.recorder.active().map(|active| Recording { active })
    }

    /// Saves the last records of each thread, while the pool goes on. The ending of the path says in which
    /// form: see [`Recorder`]. The file says how much was overwritten in the rings.
    ///
    /// # Errors
    /// [`RecordError::UnknownFormat`] for any other ending, [`RecordError::File`] if the file cannot be
    /// written, [`RecordError::FeatureMissing`] if the program does not know the format; then the recording
    /// itself is in the file that the error names.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), RecordError> {
        self.active.save(path.as_ref())
    }

    /// Where the time went, by the last records of each thread: a text for people to read. `None` without the
    /// feature `trace`.
    ///
    /// # Errors
    /// [`RecordError::Unreadable`], which is a fault of this library.
    pub fn report(&self) -> Result<Option<String>, RecordError> {
        self.active.report()
    }

    /// Ends the recording. Its [file](Recorder::file), if there is one, is complete when this returns. A task
    /// that runs meanwhile is recorded in part. Called again, it does nothing.
    ///
    /// # Errors
    /// [`RecordError::File`] if something could not be written: the disk is full, or the file system is gone.
    /// The message says from when on records are missing. The pool has gone on all the same.
    pub fn stop(&self) -> Result<(), RecordError> {
        self.active.finish()
    }
}

/// Gives the running task a label, as [`TaskBuilder::label`](crate::TaskBuilder::label) does. The last call
/// wins. Outside of a task, and if the pool is not recorded, it does nothing, at the price of one look at a
/// thread-local.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// pool.submit(|| longshore::label("decode"))?.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn label(label: &'static str) {
    recording::label(label);
}

/// Recording.
impl Pool {
    /// Begins to record the pool, from this moment on: what each worker does, and when. A worker is recorded
    /// from the end of its present task on. [`PoolBuilder::recorder`](crate::PoolBuilder::recorder) records a
    /// pool from its start, [`Recorder`] says what can be set.
    ///
    /// ```
    /// use longshore::{Pool, Recorder};
    ///
    /// let pool = Pool::new()?;
    /// let recording = pool.record(Recorder::new())?;
    /// pool.submit(|| 6 * 7)?.join()?;
    /// recording.stop()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RecordError::AlreadyRecorded`] if the pool is recorded; [`RecordError::UnknownFormat`] and
    /// [`RecordError::File`] for the recorder's files; [`RecordError::Closed`] if the pool has ended;
    /// [`RecordError::Forked`] in a forked child.
    pub fn record(&self, recorder: Recorder) -> Result<Recording, RecordError> {
        Recording::begin(&self.shared, recorder)
    }

    /// The recording of the pool. `None` if it is not recorded.
    ///
    /// ```
    /// assert!(longshore::Pool::new()?.recording().is_none());
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    pub fn recording(&self) -> Option<Recording> {
        Recording::of(&*self.shared)
    }
}
