//! Metadata: what is known about a picture beside its pixels and colours.

pub mod container;
pub mod exif;

use crate::codec::Picture;
use crate::recipe;

/// What is written with an output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// EXIF data, without a head.
    pub exif: Option<Vec<u8>>,
    /// An XMP packet.
    pub xmp: Option<Vec<u8>>,
}

/// What of a picture's metadata is written with its output. The pixels are upright by then if `rotate` is
/// set.
pub fn select(exif: Option<&[u8]>, xmp: Option<&[u8]>, wish: recipe::Metadata, rotate: bool) -> Metadata {
    match wish {
        recipe::Metadata::None if !rotate => {
            Metadata { exif: exif.and_then(exif::orientation_alone), xmp: None }
        }
        recipe::Metadata::None => Metadata::default(),
        recipe::Metadata::Basic => {
            Metadata { exif: exif.and_then(|exif| exif::basic(exif, rotate)), xmp: None }
        }
        recipe::Metadata::All => Metadata {
            exif: exif.map(|exif| exif::all(exif, rotate)),
            xmp: xmp.map(|xmp| if rotate { upright_xmp(xmp) } else { xmp.to_vec() }),
        },
    }
}

impl Metadata {
    /// What of a decoded picture's metadata is written.
    pub fn of(picture: &Picture, wish: recipe::Metadata, rotate: bool) -> Metadata {
        select(picture.exif.as_deref(), picture.xmp.as_deref(), wish, rotate)
    }
}

/// Resets the orientation in an XMP packet, whose length stays the same.
pub(crate) fn upright_xmp(xmp: &[u8]) -> Vec<u8> {
    let mut xmp = xmp.to_vec();
    for start in [&b"tiff:Orientation=\""[..], b"tiff:Orientation='", b"<tiff:Orientation>"] {
        let places: Vec<usize> =
            xmp.windows(start.len()).enumerate().filter(|(_, w)| *w == start).map(|(at, _)| at).collect();
        for at in places {
            if let Some(digit) = xmp.get_mut(at + start.len()).filter(|byte| byte.is_ascii_digit()) {
                *digit = b'1';
            }
        }
    }
    xmp
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_orientation_in_xmp_is_reset() {
        let packet = b"<x tiff:Orientation=\"6\"/><tiff:Orientation>8</tiff:Orientation>";
        let upright = b"<x tiff:Orientation=\"1\"/><tiff:Orientation>1</tiff:Orientation>";
        assert_eq!(upright_xmp(packet), upright);
    }
}
