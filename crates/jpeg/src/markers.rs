//! The numbers of markers (T.81, table B.1), and the walk from one to the next.

use crate::Error;

pub const SOI: u8 = 0xd8;
pub const EOI: u8 = 0xd9;
pub const SOS: u8 = 0xda;
pub const DQT: u8 = 0xdb;
pub const DNL: u8 = 0xdc;
pub const DRI: u8 = 0xdd;
pub const DHT: u8 = 0xc4;
pub const APP0: u8 = 0xe0;
pub const APP14: u8 = 0xee;

/// Whether a marker begins a frame.
pub fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Whether a marker separates two restart intervals.
pub fn is_restart(marker: u8) -> bool {
    matches!(marker, 0xd0..=0xd7)
}

/// Whether a marker has no length and no contents.
fn is_alone(marker: u8) -> bool {
    matches!(marker, SOI | EOI | 0x01) || is_restart(marker)
}

/// A marker with the contents of its segment.
#[derive(Clone, Copy, Debug)]
pub struct Marked<'a> {
    pub marker: u8,
    /// Without the two bytes of the length; empty for a marker that is alone.
    pub contents: &'a [u8],
    /// Where the next byte after it is.
    pub end: usize,
}

/// The next marker at or after `at`. Bytes before it are passed over, as all decoders do; a marker's first
/// byte may be repeated.
pub fn next(data: &[u8], mut at: usize) -> Result<Marked<'_>, Error> {
    loop {
        at += data
            .get(at..)
            .and_then(|rest| rest.iter().position(|&byte| byte == 0xff))
            .ok_or(Error::CutShort)?;
        let Some(more) = data[at..].iter().position(|&byte| byte != 0xff) else {
            return Err(Error::CutShort);
        };
        at += more + 1;
        let marker = data[at - 1];
        if marker == 0 {
            continue;
        }
        if is_alone(marker) {
            return Ok(Marked { marker, contents: &[], end: at });
        }
        let &[high, low] = data.get(at..at + 2).ok_or(Error::CutShort)? else { return Err(Error::CutShort) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(Error::invalid(format!("a segment 0x{marker:02X} of {length} bytes")));
        }
        let contents = data.get(at + 2..at + length).ok_or(Error::CutShort)?;
        return Ok(Marked { marker, contents, end: at + length });
    }
}
