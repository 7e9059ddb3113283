//! Writes a recording, chunk by chunk.

use std::io::{self, Write};

use super::{Facts, SIGNATURE, TrackKind, VERSION, chunk, tag};

/// Words in one chunk at most: 64 KiB, which is what a full disk or the end of the process can cost.
const MOST_WORDS: usize = 1 << 13;

/// Writes chunks to `W`. What was written before an error is a recording that was cut.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    /// Bytes of whole chunks.
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        let (major, minor) = VERSION;
        let mut head = SIGNATURE.to_vec();
        head.extend_from_slice(&major.to_le_bytes());
        head.extend_from_slice(&minor.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        out.write_all(&head)?;
        Ok(Writer { out, written: head.len() as u64 })
    }

    /// Bytes up to the end of the last whole chunk.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Where it writes to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn chunk(&mut self, tag: [u8; 4], content: &[u8]) -> io::Result<()> {
        let bytes = chunk::encode(tag, content);
        self.out.write_all(&bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn facts(&mut self, tag: [u8; 4], facts: &Facts) -> io::Result<()> {
        let plain = |text: &str| text.replace(['\n', '\r'], " ");
        let lines =
            facts.iter().map(|(key, value)| format!("{}={}\n", plain(key).replace('=', " "), plain(value)));
        self.chunk(tag, lines.collect::<String>().as_bytes())
    }

    /// Describes the pool.
    ///
    /// # Errors
    /// Those of the output; so for all that follow.
    pub fn pool(&mut self, facts: &Facts) -> io::Result<()> {
        self.facts(tag::POOL, facts)
    }

    /// The pool's statistics at the end.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn stats(&mut self, facts: &Facts) -> io::Result<()> {
        self.facts(tag::STATS, facts)
    }

    /// Pairs of (ticks, nanoseconds) at the same moments.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn clock(&mut self, pairs: &[(u64, u64)]) -> io::Result<()> {
        let bytes: Vec<u8> =
            pairs.iter().flat_map(|(t, n)| [t.to_le_bytes(), n.to_le_bytes()]).flatten().collect();
        self.chunk(tag::CLOCK, &bytes)
    }

    /// Labels with their numbers.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn labels(&mut self, labels: &[(u16, String)]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for (number, text) in labels {
            let mut end = text.len().min(u16::MAX.into());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let text = &text.as_bytes()[..end];
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
            bytes.extend_from_slice(text);
        }
        self.chunk(tag::LABELS, &bytes)
    }

    /// Announces a track.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn track(&mut self, track: u32, kind: TrackKind) -> io::Result<()> {
        let (code, index) = match kind {
            TrackKind::Worker(index) => (0u32, index),
            TrackKind::Outside => (1, 0),
        };
        self.chunk(tag::TRACK, &[track, code, index].map(u32::to_le_bytes).concat())
    }

    /// Words of a track, the first of which has number `first`.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn data(&mut self, track: u32, first: u64, words: &[u64]) -> io::Result<()> {
        for (i, part) in words.chunks(MOST_WORDS).enumerate() {
            let mut bytes = Vec::with_capacity(12 + part.len() * 8);
            bytes.extend_from_slice(&track.to_le_bytes());
            bytes.extend_from_slice(&(first + (i * MOST_WORDS) as u64).to_le_bytes());
            part.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
            self.chunk(tag::DATA, &bytes)?;
        }
        Ok(())
    }

    /// A line of text for the reader of the recording.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.chunk(tag::NOTE, text.as_bytes())
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// As [`Writer::pool`].
    pub fn end(mut self) -> io::Result<W> {
        self.chunk(tag::END, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }
}
