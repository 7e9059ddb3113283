//! What the header of a file tells: size, components, colours, the kind of coding.

use crate::markers::{self, APP0, APP14, DNL, SOI, SOS};
use crate::{Error, Scale};

/// What the header of a file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Pixels a row, at least 1.
    pub width: u16,
    /// Rows, at least 1.
    pub height: u16,
    /// What the components mean.
    pub colour: Colour,
    /// The components, in the order of the planes.
    pub components: Vec<Component>,
    /// Whether the picture comes in several scans of rising quality.
    pub is_progressive: bool,
}

/// A component of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    /// Its number in the file.
    pub id: u8,
    /// Its horizontal sampling, 1 to 4, relative to the other components'.
    pub horizontal: u8,
    /// Its vertical sampling, 1 to 4.
    pub vertical: u8,
    /// Its quantization table, 0 to 3.
    pub(crate) table: u8,
}

/// What the components of a picture mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One component.
    Grey,
    /// Luma and two of chroma (ITU-T T.871).
    YCbCr,
    /// Red, green, blue.
    Rgb,
    /// Four inks, stored inverted: 255 is no ink. Adobe's programs do so, and other readers (libvips,
    /// ImageMagick, browsers) read all files so, whatever they say of Adobe.
    Cmyk,
    /// Luma and chroma of three inks, and black, stored inverted.
    Ycck,
}

impl Header {
    /// Reads the header of a file, from its first bytes at least: [`Error::CutShort`] asks for more of them.
    ///
    /// # Errors
    /// If the file is no JPEG, or one that [`decode`](Header::decode) does not understand.
    pub fn read(data: &[u8]) -> Result<Header, Error> {
        match data {
            [0xff, SOI, ..] => {}
            [] | [0xff] => return Err(Error::CutShort),
            _ => return Err(Error::NotJpeg),
        }
        let (mut at, mut frame, mut is_jfif, mut transform) = (2, None, false, None);
        loop {
            let marked = markers::next(data, at)?;
            at = marked.end;
            match (marked.marker, marked.contents) {
                (SOS, _) => break,
                (APP0, contents) if contents.starts_with(b"JFIF\0") => is_jfif = true,
                (APP14, contents) if contents.starts_with(b"Adobe") => {
                    transform = contents.get(11).copied();
                }
                (DNL, _) => return Err(Error::Unsupported("a number of lines after the picture".into())),
                (markers::EOI, _) => return Err(Error::invalid("it ends before the picture")),
                (marker, contents) if markers::is_frame(marker) => {
                    if frame.is_some() {
                        return Err(Error::Unsupported("a second frame".into()));
                    }
                    frame = Some(Header::of_frame(marker, contents)?);
                }
                _ => {}
            }
        }
        let mut header = frame.ok_or_else(|| Error::invalid("a scan comes before its frame"))?;
        header.colour = colour(&header.components, is_jfif, transform)?;
        Ok(header)
    }

    /// Reads a frame header (T.81, B.2.2).
    fn of_frame(marker: u8, contents: &[u8]) -> Result<Header, Error> {
        let name = match marker {
            0xc0..=0xc2 => None,
            0xc3 | 0xc7 | 0xcb | 0xcf => Some("lossless coding"),
            0xc5 | 0xc6 | 0xcd | 0xce => Some("hierarchical coding"),
            _ => Some("arithmetic coding"),
        };
        if let Some(name) = name {
            return Err(Error::Unsupported(name.into()));
        }
        let &[bits, h1, h2, w1, w2, count, ref rest @ ..] = contents else {
            return Err(Error::invalid("a frame header that is too short"));
        };
        if bits != 8 {
            return Err(Error::Unsupported(format!("a depth of {bits} bits")));
        }
        let (width, height) = (u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2]));
        if height == 0 {
            return Err(Error::Unsupported("a number of lines after the picture".into()));
        }
        if width == 0 {
            return Err(Error::invalid("a width of 0"));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(Error::Unsupported(format!("a number of {count} components")));
        }
        if rest.len() < 3 * usize::from(count) {
            return Err(Error::invalid("a frame header that is too short"));
        }
        let components: Vec<Component> = rest
            .chunks_exact(3)
            .take(count.into())
            .map(|part| Component {
                id: part[0],
                horizontal: part[1] >> 4,
                vertical: part[1] & 15,
                table: part[2],
            })
            .collect();
        for component in &components {
            let (horizontal, vertical) = (component.horizontal, component.vertical);
            if !(1..=4).contains(&horizontal) || !(1..=4).contains(&vertical) || component.table > 3 {
                return Err(Error::invalid(format!(
                    "a component with a sampling of {horizontal}x{vertical}"
                )));
            }
        }
        let is_progressive = marker == 0xc2;
        Ok(Header { width, height, colour: Colour::Grey, components, is_progressive })
    }

    /// The bytes that decoding at a scale takes: the planes, and all coefficients where scans refine them.
    pub fn memory(&self, scale: Scale) -> u64 {
        let layout = crate::blocks::Layout::new(self, scale);
        let planes =
            layout.components.iter().map(|c| (c.wide * c.high * c.side * c.side) as u64).sum::<u64>();
        let blocks = layout.components.iter().map(|c| (c.wide * c.high) as u64).sum::<u64>();
        if self.is_progressive { planes + blocks * 128 } else { planes }
    }

    /// The bytes of the planes at a scale.
    pub fn plane_bytes(&self, scale: Scale) -> u64 {
        let layout = crate::blocks::Layout::new(self, scale);
        layout.components.iter().map(|c| (c.wide * c.high * c.side * c.side) as u64).sum()
    }
}

/// What the components mean, as libjpeg guesses it (its `default_decompress_parms`).
fn colour(components: &[Component], is_jfif: bool, transform: Option<u8>) -> Result<Colour, Error> {
    let ids: Vec<u8> = components.iter().map(|component| component.id).collect();
    Ok(match (components.len(), transform) {
        (1, _) => Colour::Grey,
        (4, Some(2)) => Colour::Ycck,
        (4, _) => Colour::Cmyk,
        (3, Some(0)) if !is_jfif => Colour::Rgb,
        (3, None) if !is_jfif && ids == *b"RGB" => Colour::Rgb,
        (3, _) => Colour::YCbCr,
        (count, _) => return Err(Error::Unsupported(format!("a number of {count} components"))),
    })
}
