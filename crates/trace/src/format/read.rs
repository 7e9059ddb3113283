//! Reads a recording back. Every error names the byte. The memory that this takes is a small multiple of the
//! file's size.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Damage, Facts, LONGEST_CHUNK, ReadError, SIGNATURE, TrackKind, VERSION, chunk, tag};
use crate::record::MAX_LABEL;

/// Tracks that a recording may have.
const MOST_TRACKS: usize = 1 << 14;
/// Bytes before the first chunk.
const HEAD: usize = 16;

/// The words of one track, as far as they were kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackData {
    /// Its number.
    pub number: u32,
    /// What wrote it.
    pub kind: TrackKind,
    /// Stretches of words: the number of the first, where in the file it is, the words.
    pub stretches: Vec<Stretch>,
}

/// Words of a track that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The number of the first word.
    pub first: u64,
    /// Its place in the file, in bytes.
    pub offset: u64,
    /// The words.
    pub words: Vec<u64>,
}

/// A recording as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recording {
    /// What it says of the pool.
    pub pool: Facts,
    /// The pool's statistics at the end, if they were written.
    pub stats: Facts,
    /// Pairs of (ticks, nanoseconds).
    pub clock: Vec<(u64, u64)>,
    /// Labels by number.
    pub labels: BTreeMap<u16, String>,
    /// The tracks, in the order of their numbers.
    pub tracks: Vec<TrackData>,
    /// What its reader should know.
    pub notes: Vec<String>,
    /// Where it breaks off, if it has no end.
    pub cut_at: Option<u64>,
}

impl Recording {
    /// Reads a file.
    ///
    /// # Errors
    /// See [`Recording::parse`]; and if the file cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Recording, ReadError> {
        Recording::parse(&std::fs::read(path)?)
    }

    /// Reads a whole recording from memory.
    ///
    /// # Errors
    /// If it is none, has another version, is damaged, or is cut: each but the first two with the place.
    pub fn parse(bytes: &[u8]) -> Result<Recording, ReadError> {
        let recording = Recording::parse_cut(bytes)?;
        match recording.cut_at {
            Some(offset) => Err(ReadError::Damaged { offset, damage: Damage::Cut }),
            None => Ok(recording),
        }
    }

    /// As [`Recording::parse`], but a recording that breaks off is read as far as it goes, as the process may
    /// have been killed; [`Recording::cut_at`] says where.
    ///
    /// # Errors
    /// As [`Recording::parse`], but for a cut.
    pub fn parse_cut(bytes: &[u8]) -> Result<Recording, ReadError> {
        if bytes.len() < SIGNATURE.len() || bytes[..SIGNATURE.len()] != SIGNATURE {
            return Err(ReadError::NotARecording);
        }
        let mut recording = Recording::default();
        if bytes.len() < HEAD {
            recording.cut_at = Some(bytes.len() as u64);
            return Ok(recording);
        }
        let version = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let found = (version(8), version(10));
        if found.0 != VERSION.0 {
            return Err(ReadError::Version { found });
        }
        let mut at = HEAD;
        let mut tracks = BTreeMap::new();
        loop {
            match next_chunk(bytes, at)? {
                None => {
                    recording.cut_at = Some(at as u64);
                    break;
                }
                Some((tag::END, _)) => break,
                Some((tag, content)) => {
                    let place = (at + chunk::HEAD) as u64;
                    recording
                        .take_chunk(tag, content, place, &mut tracks)
                        .map_err(|damage| ReadError::Damaged { offset: at as u64, damage })?;
                    at += chunk::HEAD + content.len();
                }
            }
        }
        recording.tracks = tracks.into_values().collect();
        Ok(recording)
    }

    fn take_chunk(
        &mut self,
        kind: [u8; 4],
        content: &[u8],
        place: u64,
        tracks: &mut BTreeMap<u32, TrackData>,
    ) -> Result<(), Damage> {
        match kind {
            tag::POOL => self.pool.extend(facts(content)?),
            tag::STATS => self.stats.extend(facts(content)?),
            tag::CLOCK => self.clock.extend(clock(content)?),
            tag::LABELS => self.labels.extend(labels(content)?),
            tag::NOTE => self.notes.push(text(content)?.to_owned()),
            tag::TRACK => {
                let track = track(content)?;
                if tracks.len() >= MOST_TRACKS {
                    return Err(Damage::Content("more tracks than a recording can have"));
                }
                if tracks.insert(track.number, track).is_some() {
                    return Err(Damage::Content("a track is announced twice"));
                }
            }
            tag::DATA => data(content, place, tracks)?,
            other if other[0].is_ascii_lowercase() => {}
            other => return Err(Damage::UnknownChunk(other)),
        }
        Ok(())
    }
}

type Chunk<'a> = ([u8; 4], &'a [u8]);

/// The chunk at `at`; `None` if the bytes end before it does.
fn next_chunk(bytes: &[u8], at: usize) -> Result<Option<Chunk<'_>>, ReadError> {
    let damaged = |damage| Err(ReadError::Damaged { offset: at as u64, damage });
    let Some(head) = bytes.get(at..at + chunk::HEAD) else { return Ok(None) };
    let (tag, rest) = head.split_first_chunk::<4>().expect("twelve bytes");
    let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
    let (length, sum) = (number(0), number(4));
    if length > LONGEST_CHUNK {
        return damaged(Damage::TooLong(length));
    }
    let begin = at + chunk::HEAD;
    let Some(content) = bytes.get(begin..begin + length as usize) else { return Ok(None) };
    if chunk::checksum(*tag, content) != sum {
        return damaged(Damage::Checksum);
    }
    Ok(Some((*tag, content)))
}

fn text(content: &[u8]) -> Result<&str, Damage> {
    std::str::from_utf8(content).map_err(|_| Damage::Content("a text is not UTF-8"))
}

fn facts(content: &[u8]) -> Result<Vec<(String, String)>, Damage> {
    let line = |line: &str| {
        let (key, value) = line.split_once('=').ok_or(Damage::Content("a line is not `key=value`"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    text(content)?.lines().map(line).collect()
}

fn clock(content: &[u8]) -> Result<Vec<(u64, u64)>, Damage> {
    let pairs = content.chunks_exact(16);
    if !pairs.remainder().is_empty() {
        return Err(Damage::Content("a pair of times is incomplete"));
    }
    let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    Ok(pairs.map(|pair| (half(&pair[..8]), half(&pair[8..]))).collect())
}

fn labels(mut content: &[u8]) -> Result<Vec<(u16, String)>, Damage> {
    let mut labels = Vec::new();
    while !content.is_empty() {
        let (head, rest) =
            content.split_first_chunk::<4>().ok_or(Damage::Content("a label is incomplete"))?;
        let number = u16::from_le_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let bytes = rest.get(..length).ok_or(Damage::Content("a label is longer than its chunk"))?;
        if number == 0 || number > MAX_LABEL {
            return Err(Damage::Content("a label has a number that no label has"));
        }
        labels.push((number, text(bytes)?.to_owned()));
        content = &rest[length..];
    }
    Ok(labels)
}

fn track(content: &[u8]) -> Result<TrackData, Damage> {
    if content.len() != 12 {
        return Err(Damage::Content("a track needs three numbers"));
    }
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let [number, code, index] = [number(&content[..4]), number(&content[4..8]), number(&content[8..])];
    let kind = match code {
        0 if index as usize <= crate::record::MAX_WORKER => TrackKind::Worker(index),
        0 => return Err(Damage::Content("a worker has a number that no worker has")),
        1 => TrackKind::Outside,
        _ => return Err(Damage::Content("a track of an unknown kind")),
    };
    if number as usize >= MOST_TRACKS {
        return Err(Damage::Content("a track has a number that no track has"));
    }
    Ok(TrackData { number, kind, stretches: Vec::new() })
}

fn data(content: &[u8], place: u64, tracks: &mut BTreeMap<u32, TrackData>) -> Result<(), Damage> {
    let (head, rest) = content.split_first_chunk::<12>().ok_or(Damage::Content("records without a track"))?;
    let number = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let first = u64::from_le_bytes(head[4..].try_into().expect("eight bytes"));
    let words = rest.chunks_exact(8);
    if !words.remainder().is_empty() {
        return Err(Damage::Content("a record is incomplete"));
    }
    let track = tracks.get_mut(&number).ok_or(Damage::UnknownTrack(number))?;
    let words = words.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
    let end = first.checked_add(words.len() as u64).filter(|end| *end < 1 << 60);
    if end.is_none() {
        return Err(Damage::Content("a record has a number that no record has"));
    }
    match track.stretches.last_mut() {
        Some(last) if last.first + last.words.len() as u64 == first => last.words.extend(words),
        Some(last) if last.first + last.words.len() as u64 > first => {
            return Err(Damage::Content("records are not in order"));
        }
        _ => track.stretches.push(Stretch { first, offset: place + 12, words: words.collect() }),
    }
    Ok(())
}
