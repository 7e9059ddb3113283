//! Application segments: what else a file carries, such as EXIF data and a colour profile.

use crate::bits::Bits;
use crate::markers::{self, EOI, SOI, SOS};

/// An application segment, APP0 to APP15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// 0 to 15.
    pub number: u8,
    /// Its contents, which begin with a name of their format.
    pub contents: &'a [u8],
}

/// The application segments before the first scan, in their order. Ends early if the file does.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// Those of a file.
    pub fn of(data: &'a [u8]) -> Segments<'a> {
        Segments { data, at: 0 }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            let marked = markers::next(self.data, self.at).ok()?;
            self.at = marked.end;
            match marked.marker {
                SOS => {
                    self.at = self.data.len();
                    return None;
                }
                // An image within an image: what follows belongs to that.
                SOI if marked.end > 2 => return None,
                0xe0..=0xef => {
                    return Some(Segment { number: marked.marker - 0xe0, contents: marked.contents });
                }
                _ => {}
            }
        }
    }
}

/// The colour profile that a file carries, put together from its parts (ICC.1:2010, B.4). `None` if there is
/// none, or if parts of it are missing.
pub fn icc_profile(data: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<(u8, u8, &[u8])> = Vec::new();
    for segment in Segments::of(data).filter(|segment| segment.number == 2) {
        if let Some([number, count, part @ ..]) = segment.contents.strip_prefix(b"ICC_PROFILE\0") {
            parts.push((*number, *count, part));
        }
    }
    parts.sort_by_key(|&(number, ..)| number);
    let count = parts.first()?.1;
    let is_whole = parts.len() == usize::from(count)
        && parts.iter().zip(1..).all(|(&(number, of, _), wanted)| number == wanted && of == count);
    is_whole.then(|| parts.iter().flat_map(|&(.., part)| part).copied().collect())
}

/// All that belongs to the picture itself, up to and with its end marker: without application segments and
/// comments, and without the start marker, so that other segments can be put before it. `None` if the file is
/// not a whole JPEG.
pub fn picture(data: &[u8]) -> Option<Vec<u8>> {
    let mut picture = Vec::with_capacity(data.len());
    let mut at = 2;
    let mut has_scan = false;
    loop {
        let Ok(marked) = markers::next(data, at) else {
            // What lacks only its end is whole.
            picture.extend([0xff, EOI]);
            return has_scan.then_some(picture);
        };
        at = marked.end;
        match marked.marker {
            EOI => {
                picture.extend([0xff, EOI]);
                return has_scan.then_some(picture);
            }
            0xe0..=0xef | 0xfe => {}
            marker => {
                let length = u16::try_from(marked.contents.len() + 2).ok()?;
                picture.extend([0xff, marker]);
                picture.extend(length.to_be_bytes());
                picture.extend_from_slice(marked.contents);
                if marker == SOS {
                    has_scan = true;
                    let start = at;
                    at = end_of_scan(data, at);
                    picture.extend_from_slice(&data[start..at]);
                }
            }
        }
    }
}

/// Where the data of a scan ends, with its restart markers.
fn end_of_scan(data: &[u8], mut at: usize) -> usize {
    loop {
        at = Bits::new(data, at).end();
        match data.get(at + 1) {
            Some(&marker) if markers::is_restart(marker) => at += 2,
            _ => return at,
        }
    }
}
