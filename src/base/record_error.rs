//! Why a pool could not be recorded, or a recording not be saved. Guarded by `tests/recording`.

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

/// A pool could not be recorded, or a recording could not be saved.
///
/// ```
/// use longshore::{Pool, RecordError, Recorder};
///
/// let pool = Pool::builder().workers(1).recorder(Recorder::new()).build()?;
/// let refused = pool.record(Recorder::new()).expect_err("it is recorded already");
/// assert!(matches!(refused, RecordError::AlreadyRecorded));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordError {
    /// The pool is recorded already. [`Pool::recording`](crate::Pool::recording) returns that recording.
    AlreadyRecorded,
    /// The pool accepts no work any more, or has ended.
    Closed,
    /// This process is a fork of the process that built the pool.
    Forked,
    /// A file could not be written.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The ending of this path names no format. There are `.lsr`, `.html`, `.json` and `.pftrace`.
    UnknownFormat {
        /// The path.
        path: PathBuf,
    },
    /// Only a program that is built with the feature `trace` of this library writes this format. The
    /// recording itself is in the other file.
    FeatureMissing {
        /// The file that was asked for.
        path: PathBuf,
        /// The file that holds the recording.
        recording: PathBuf,
    },
    /// The recording contradicts itself: a fault of this library.
    Unreadable {
        /// The place in the recording, and why.
        reason: String,
    },
}

impl RecordError {
    /// The error of a file.
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        RecordError::File { path: path.to_owned(), source }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::AlreadyRecorded => f.write_str("the pool is recorded already"),
            RecordError::Closed => f.write_str("the pool is shut down"),
            RecordError::Forked => f.write_str("the pool belongs to the parent of this process"),
            RecordError::File { path, source } => write!(f, "{}: {source}", path.display()),
            RecordError::UnknownFormat { path } => write!(
                f,
                "{}: the ending names no format of a recording; there are .lsr, .html, .json and .pftrace",
                path.display()
            ),
            RecordError::FeatureMissing { path, recording } => write!(
                f,
                "{0}: this program was built without the feature `trace` of longshore; `longshore-trace {1} \
                 {2} -o {0}` makes it of the recording",
                path.display(),
                path.extension().unwrap_or_default().to_string_lossy(),
                recording.display()
            ),
            RecordError::Unreadable { reason } => write!(f, "the recording contradicts itself: {reason}"),
        }
    }
}

impl error::Error for RecordError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            RecordError::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
