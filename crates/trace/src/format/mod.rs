//! The file format `.lsr`, version 1: a signature, a version, chunks. `docs/trace-format.md` is its
//! description.

mod chunk;
#[cfg(feature = "analysis")]
mod error;
#[cfg(feature = "analysis")]
mod read;
mod write;

#[cfg(feature = "analysis")]
pub use error::{Damage, ReadError};
#[cfg(feature = "analysis")]
pub use read::{Recording, TrackData};
pub use write::Writer;

/// The first eight bytes. As PNG's, they show when a transfer has changed line ends or cut the eighth bit.
pub const SIGNATURE: [u8; 8] = *b"\x89LSR\r\n\x1a\n";
/// The version that this library writes. A reader refuses another major version, and reads any minor one.
pub const VERSION: (u16, u16) = (1, 0);
/// The longest chunk, in bytes.
pub const LONGEST_CHUNK: u32 = 1 << 26;

/// The kinds of chunks. A reader skips a kind that it does not know if the first letter is a small one.
pub mod tag {
    /// The pool: lines `key=value`.
    pub const POOL: [u8; 4] = *b"POOL";
    /// Pairs of ticks and nanoseconds.
    pub const CLOCK: [u8; 4] = *b"CLCK";
    /// Numbers and texts of labels.
    pub const LABELS: [u8; 4] = *b"LABL";
    /// A track.
    pub const TRACK: [u8; 4] = *b"TRCK";
    /// Words of a track.
    pub const DATA: [u8; 4] = *b"DATA";
    /// The pool's statistics at the end: lines `key=value`.
    pub const STATS: [u8; 4] = *b"STAT";
    /// Something that the reader of the recording should know: text.
    pub const NOTE: [u8; 4] = *b"NOTE";
    /// The end: nothing follows.
    pub const END: [u8; 4] = *b"FINI";
}

/// What writes a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// A worker of the pool, of this number.
    Worker(u32),
    /// A thread that submits tasks from outside.
    Outside,
}

/// What a recording says of the pool.
pub type Facts = std::collections::BTreeMap<String, String>;
