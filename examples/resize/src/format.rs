//! Formats: those that are read or written, and those that are only known by name.

use std::ffi::OsStr;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy or lossless.
    Webp,
    /// GIF.
    Gif,
    /// TIFF.
    Tiff,
    /// JPEG XL. Needs the feature `jxl`.
    Jxl,
}

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// JPEG: lossy, 8 bits, without transparency.
    Jpeg,
    /// PNG: lossless, 8 or 16 bits.
    Png,
    /// WebP: lossy or lossless, 8 bits.
    Webp,
    /// AVIF: lossy, 8 bits. Needs the feature `avif`.
    Avif,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// A format that is read.
    Known(Input),
    /// A format that is not read, with its name.
    Foreign(&'static str),
    /// Nothing.
    Unknown,
}

impl Input {
    /// All of them.
    pub const ALL: [Input; 6] = [Input::Jpeg, Input::Png, Input::Webp, Input::Gif, Input::Tiff, Input::Jxl];
}

/// The name of the format that is read with the feature `jxl` alone.
pub(crate) const JPEG_XL: &str = "JPEG XL";

/// What the names of JPEG XL files announce.
const JXL: Result<Input, &str> = if cfg!(feature = "jxl") { Ok(Input::Jxl) } else { Err(JPEG_XL) };

/// How many bytes [`sniff`] wants to see.
pub const SNIFF: usize = 64;

/// Extensions of names, in lower case, and what they announce: a format that is read, or the name of another
/// one.
const EXTENSIONS: &[(&str, Result<Input, &str>)] = &[
    ("jpg", Ok(Input::Jpeg)),
    ("jpeg", Ok(Input::Jpeg)),
    ("jpe", Ok(Input::Jpeg)),
    ("jfif", Ok(Input::Jpeg)),
    ("png", Ok(Input::Png)),
    ("apng", Ok(Input::Png)),
    ("webp", Ok(Input::Webp)),
    ("gif", Ok(Input::Gif)),
    ("tif", Ok(Input::Tiff)),
    ("tiff", Ok(Input::Tiff)),
    ("heic", Err("HEIC")),
    ("heif", Err("HEIF")),
    ("avif", Err("AVIF")),
    ("jxl", JXL),
    ("jp2", Err("JPEG 2000")),
    ("j2k", Err("JPEG 2000")),
    ("bmp", Err("BMP")),
    ("psd", Err("Photoshop")),
    ("svg", Err("SVG")),
    ("ico", Err("ICO")),
    ("exr", Err("OpenEXR")),
    ("hdr", Err("Radiance HDR")),
    ("dng", Err("camera raw")),
    ("cr2", Err("camera raw")),
    ("cr3", Err("camera raw")),
    ("nef", Err("camera raw")),
    ("arw", Err("camera raw")),
    ("orf", Err("camera raw")),
    ("rw2", Err("camera raw")),
    ("raf", Err("camera raw")),
];

/// What a name announces: a format that is read, or the name of another image format. `None` for all other
/// names.
pub fn announced(path: &Path) -> Option<Result<Input, &'static str>> {
    let extension = path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase();
    EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|&(_, what)| what)
}

/// What the first bytes of a file say.
pub fn sniff(head: &[u8]) -> Sniffed {
    let known = match head {
        [0xff, 0xd8, 0xff, ..] => Some(Input::Jpeg),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Input::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Input::Webp),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Input::Gif),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Input::Tiff),
        // A codestream, or a container.
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', b'\r', b'\n', 0x87, b'\n', ..] => {
            Some(Input::Jxl)
        }
        _ => None,
    };
    match (known, foreign(head)) {
        (Some(known), _) => Sniffed::Known(known),
        (None, Some(name)) => Sniffed::Foreign(name),
        (None, None) => Sniffed::Unknown,
    }
}

/// Names the format of a file that is not read.
fn foreign(head: &[u8]) -> Option<&'static str> {
    if let [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] = head {
        // The major brand, a version, and brands that the file is compatible with.
        let size = usize::try_from(u32::from_be_bytes([head[0], head[1], head[2], head[3]])).unwrap_or(0);
        let end = size.saturating_sub(8).min(brands.len());
        let has = |wanted: &[&[u8; 4]]| brands[..end].chunks_exact(4).any(|b| wanted.iter().any(|w| b == *w));
        return Some(match () {
            () if has(&[b"avif", b"avis"]) => "AVIF",
            () if has(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevx"]) => "HEIC",
            () if has(&[b"mif1", b"msf1"]) => "HEIF",
            () if has(&[b"crx "]) => "camera raw",
            () => "a film in MP4 or QuickTime",
        });
    }
    let starts: &[(&[u8], &str)] = &[
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x4f\xff\x51", "JPEG 2000"),
        (b"BM", "BMP"),
        (b"8BPS", "Photoshop"),
        (b"%PDF", "PDF"),
        (b"\0\0\x01\0", "ICO"),
        (b"v/1\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"FUJIFILMCCD-RAW", "camera raw"),
        (b"IIU\0", "camera raw"),
        (b"IIRO", "camera raw"),
        (b"<svg", "SVG"),
        (b"<?xml", "XML, perhaps SVG"),
        (b"\0\x05\x16\x07", "the resource fork of a file, made by macOS"),
        (b"\x8aMNG", "MNG"),
        (b"qoif", "QOI"),
    ];
    starts.iter().find(|(start, _)| head.starts_with(start)).map(|&(_, name)| name)
}

impl Input {
    /// Its name for a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Input::Jpeg => "JPEG",
            Input::Png => "PNG",
            Input::Webp => "WebP",
            Input::Gif => "GIF",
            Input::Tiff => "TIFF",
            Input::Jxl => JPEG_XL,
        }
    }

    /// The format of an output that keeps the input's, or the nearest that loses nothing.
    pub fn kept(self) -> Output {
        match self {
            Input::Jpeg => Output::Jpeg,
            // Lossy stays lossy and lossless lossless, and an animation stays one.
            Input::Webp | Input::Jxl => Output::Webp,
            Input::Png | Input::Gif | Input::Tiff => Output::Png,
        }
    }
}

impl Output {
    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Output::Jpeg => "jpg",
            Output::Png => "png",
            Output::Webp => "webp",
            Output::Avif => "avif",
        }
    }

    /// Whether a file of this format may be called so.
    pub fn fits(self, path: &Path) -> bool {
        match announced(path) {
            Some(Ok(input)) => matches!(
                (input, self),
                (Input::Jpeg, Output::Jpeg) | (Input::Png, Output::Png) | (Input::Webp, Output::Webp)
            ),
            Some(Err("AVIF")) => self == Output::Avif,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_format() {
        let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        let avif = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf";
        for (head, sniffed) in [
            (&b"\xff\xd8\xff\xe0"[..], Sniffed::Known(Input::Jpeg)),
            (b"II*\0", Sniffed::Known(Input::Tiff)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Sniffed::Known(Input::Webp)),
            (b"RIFF\x10\0\0\0WAVE", Sniffed::Unknown),
            (heic, Sniffed::Foreign("HEIC")),
            (avif, Sniffed::Foreign("AVIF")),
            (b"\0\0\0\x14ftypisom\0\0\0\0", Sniffed::Foreign("a film in MP4 or QuickTime")),
            (b"%PDF-1.7", Sniffed::Foreign("PDF")),
            (b"hello", Sniffed::Unknown),
            (b"", Sniffed::Unknown),
        ] {
            assert_eq!(sniff(head), sniffed, "{head:?}");
        }
    }

    #[test]
    fn names_announce_formats() {
        let of = |name: &str| announced(Path::new(name));
        assert_eq!(of("a/IMG.JPG"), Some(Ok(Input::Jpeg)));
        assert_eq!(of("a.heic"), Some(Err("HEIC")));
        assert_eq!(of("scan.v1"), None);
        assert!(Output::Jpeg.fits(Path::new("a.JPE")) && !Output::Jpeg.fits(Path::new("a.png")));
        assert!(!Output::Png.fits(Path::new("a.gif")) && Output::Avif.fits(Path::new("a.avif")));
    }
}
