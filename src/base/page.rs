//! The only file that knows whether the feature `trace` is on. With it a recording becomes a page, an export
//! or a report in the program itself; without it only the command `longshore-trace` does that.
//!
//! No state. Guarded by `tests/recording` and `crates/together/tests/features.rs`.

use std::path::Path;

use crate::base::record_error::RecordError;

/// A format that a recording can be saved in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingFormat {
    /// The recording itself.
    Lsr,
    /// One page for a browser.
    Html,
    /// Chrome's trace events.
    Json,
    /// Perfetto's protobuf.
    Pftrace,
}

impl RecordingFormat {
    /// The format that the ending of a path names.
    pub fn of(path: &Path) -> Result<Self, RecordError> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("lsr") => Ok(RecordingFormat::Lsr),
            Some("html") => Ok(RecordingFormat::Html),
            Some("json") => Ok(RecordingFormat::Json),
            Some("pftrace") => Ok(RecordingFormat::Pftrace),
            _ => Err(RecordError::UnknownFormat { path: path.to_owned() }),
        }
    }
}

/// Whether forks are counted that no thief takes, which costs each fork some instructions. The span of a
/// recording is estimated with their number.
pub const COUNTS_FORKS: bool = cfg!(feature = "trace");

#[cfg(feature = "trace")]
mod imp {
    use std::fs::File;
    use std::io::{BufWriter, Write};

    use longshore_trace::analysis::Analysis;
    use longshore_trace::export;
    use longshore_trace::format::Recording;
    use longshore_trace::run::Run;

    use super::*;

    fn run_of(recording: &[u8]) -> Result<Run, RecordError> {
        let unreadable =
            |error: longshore_trace::format::ReadError| RecordError::Unreadable { reason: error.to_string() };
        Run::new(&Recording::parse_cut(recording).map_err(unreadable)?).map_err(unreadable)
    }

    /// Writes a recording to `path` in another format.
    pub fn write(recording: &[u8], format: RecordingFormat, path: &Path) -> Result<(), RecordError> {
        let run = run_of(recording)?;
        let written = File::create(path).and_then(|file| {
            let mut out = BufWriter::new(file);
            match format {
                RecordingFormat::Lsr => out.write_all(recording),
                RecordingFormat::Html => export::write_page(&run, &Analysis::new(&run), &mut out),
                RecordingFormat::Json => export::write_chrome(&run, &mut out),
                RecordingFormat::Pftrace => export::write_perfetto(&run, &mut out),
            }?;
            out.flush()
        });
        written.map_err(|error| RecordError::file(path, error))
    }

    /// Where the time of a recording went, as text. `None` without the feature `trace`.
    pub fn report(recording: &[u8]) -> Result<Option<String>, RecordError> {
        let run = run_of(recording)?;
        Ok(Some(Analysis::new(&run).report(&run)))
    }

    /// Whether [`write`] knows other formats than that of the recording.
    pub const IS_HERE: bool = true;
}

#[cfg(not(feature = "trace"))]
mod imp {
    use super::*;

    pub fn write(_: &[u8], _: RecordingFormat, path: &Path) -> Result<(), RecordError> {
        Err(RecordError::FeatureMissing { path: path.to_owned(), recording: path.to_owned() })
    }

    pub fn report(_: &[u8]) -> Result<Option<String>, RecordError> {
        Ok(None)
    }

    pub const IS_HERE: bool = false;
}

pub use imp::{IS_HERE, report, write};
