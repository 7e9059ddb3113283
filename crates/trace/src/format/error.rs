//! What can be wrong with a recording, and where.

use std::fmt;
use std::io;

/// Why a recording cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file could not be read.
    Io(io::Error),
    /// The first bytes are not those of a recording.
    NotARecording,
    /// It was written by a newer library (or is damaged).
    Version {
        /// Major and minor.
        found: (u16, u16),
    },
    /// It is damaged.
    Damaged {
        /// Bytes from the beginning of the file.
        offset: u64,
        /// What is wrong there.
        damage: Damage,
    },
}

/// What is wrong at some place of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The file ends in the middle of a chunk, or before its last one.
    Cut,
    /// A chunk says that it is longer than any chunk is.
    TooLong(u32),
    /// The content of a chunk has another checksum than it says.
    Checksum,
    /// A chunk of a kind that must be known.
    UnknownChunk([u8; 4]),
    /// Its content is not what its kind demands.
    Content(&'static str),
    /// Words of a track that was not announced.
    UnknownTrack(u32),
    /// A word of a track is no record.
    Word {
        /// The track.
        track: u32,
        /// The number of the word on the track.
        number: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Cut => f.write_str("the file is cut off"),
            Damage::TooLong(length) => write!(f, "a chunk claims a length of {length} bytes"),
            Damage::Checksum => f.write_str("the checksum of a chunk is wrong"),
            Damage::UnknownChunk(tag) => write!(f, "unknown chunk {}", tag.escape_ascii()),
            Damage::Content(why) => f.write_str(why),
            Damage::UnknownTrack(track) => write!(f, "records of track {track}, which was not announced"),
            Damage::Word { track, number, why } => write!(f, "word {number} of track {track}: {why}"),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::NotARecording => f.write_str("not a recording of longshore (.lsr)"),
            ReadError::Version { found: (major, minor) } => {
                let (known, _) = super::VERSION;
                write!(f, "format version {major}.{minor}; this program reads version {known}")
            }
            ReadError::Damaged { offset, damage } => write!(f, "damaged at byte {offset}: {damage}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        ReadError::Io(error)
    }
}
