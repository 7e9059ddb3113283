//! Decoders: what the header of a source tells, and its pixels.
//!
//! Whatever a file contains is read by code that is safe by construction (no C library sees a source), and
//! within limits: a header is read before anything of the announced size is allocated.

mod gain_map;
mod gif;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod png;
mod tiff;
mod webp;

use std::io::{BufRead, Seek};

use longshore_jpeg::Scale;

use crate::colour::Profile;
use crate::failure::{Failure, Kind};
use crate::format::{self, Input, Sniffed};
use crate::metadata::exif;
use crate::orientation::Orientation;
use crate::raster::{Model, Pixels, Raster};
use crate::recipe::{Limits, Recipe};

/// Where a source is read from: one type for all decoders, so that each is compiled once.
pub trait Source: BufRead + Seek {}

impl<R: BufRead + Seek> Source for R {}

/// What the header of a source tells.
#[derive(Clone, Debug)]
pub struct Header {
    /// The format of the source.
    pub format: Input,
    /// Width and height, as stored.
    pub size: (u32, u32),
    /// How it is to be turned.
    pub orientation: Orientation,
    /// Whether there is more than one picture in it.
    pub frames: Frames,
    /// Whether it was stored with loss.
    pub is_lossy: bool,
    /// What the decoded samples mean.
    pub model: Model,
    /// Bytes of a decoded sample.
    pub depth: u8,
    /// What decides how much memory the decoder takes.
    decoder: Decoder,
}

/// How many pictures a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// One.
    Still,
    /// Several, one after the other in time.
    Animated,
    /// Several pages.
    Pages,
}

/// What decides how much memory a decoder takes.
#[derive(Clone, Debug)]
enum Decoder {
    Jpeg(longshore_jpeg::Header),
    /// So many bytes for each pixel, beside the decoded ones.
    Other {
        beside: u64,
    },
}

/// A decoded source.
#[derive(Debug)]
pub struct Picture {
    /// Its pixels, perhaps at a fraction of its size.
    pub pixels: Pixels,
    /// Its colours.
    pub profile: Profile,
    /// Its EXIF data, without a head.
    pub exif: Option<Vec<u8>>,
    /// Its XMP packet.
    pub xmp: Option<Vec<u8>>,
    /// Whether its colours were those of a palette.
    pub has_palette: bool,
    /// What of it is missing.
    pub damage: Option<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Picture {
    /// A whole picture that says nothing but its pixels.
    fn of(raster: Raster) -> Picture {
        Picture {
            pixels: Pixels::Raster(raster),
            profile: Profile::Srgb,
            exif: None,
            xmp: None,
            has_palette: false,
            damage: None,
            warnings: Vec::new(),
        }
    }
}

/// One picture of an animation, on a canvas of the animation's size.
#[derive(Debug)]
pub struct Frame {
    /// Its pixels.
    pub raster: Raster,
    /// How long it is shown, in milliseconds.
    pub milliseconds: u32,
}

/// Reads the header of a source, by what its content says that it is.
///
/// # Errors
/// If the source cannot be read, is no image, or is larger than the limits allow.
pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let head = reader.fill_buf().map_err(|error| Failure::unreadable(&error))?;
    let header = match format::sniff(&head[..head.len().min(format::SNIFF)]) {
        Sniffed::Known(Input::Jpeg) => jpeg::header(reader, limits)?,
        Sniffed::Known(Input::Png) => png::header(reader, limits)?,
        Sniffed::Known(Input::Webp) => webp::header(reader, limits)?,
        Sniffed::Known(Input::Gif) => gif::header(reader, limits)?,
        Sniffed::Known(Input::Tiff) => tiff::header(reader, limits)?,
        #[cfg(feature = "jxl")]
        Sniffed::Known(Input::Jxl) => jxl::header(reader, limits)?,
        #[cfg(not(feature = "jxl"))]
        Sniffed::Known(Input::Jxl) => return Err(Failure::unsupported(refusal(format::JPEG_XL))),
        Sniffed::Foreign(name) => return Err(Failure::unsupported(refusal(name))),
        Sniffed::Unknown if head.is_empty() => return Err(Failure::damaged("the file is empty")),
        Sniffed::Unknown => {
            return Err(Failure::unsupported(
                "the content is that of no image format that this program reads",
            ));
        }
    };
    check_pixels(header.size, limits)?;
    Ok(header)
}

/// Refuses a picture of no pixels, or of too many.
fn check_pixels(size: (u32, u32), limits: &Limits) -> Result<(), Failure> {
    match u64::from(size.0) * u64::from(size.1) {
        0 => Err(Failure::damaged("the image has no pixels")),
        pixels if pixels > limits.pixels => Err(too_many_pixels(size, limits.pixels)),
        _ => Ok(()),
    }
}

/// The refusal of metadata that has too many bytes.
#[cfg(feature = "jxl")]
fn too_large(what: &str, bytes: u64) -> Failure {
    Failure::new(Kind::TooLarge, format!("its {what} has more than {} kB", bytes / 1000))
}

/// The sentence about a source of a format that is not read.
fn refusal(name: &str) -> String {
    match name {
        "HEIC" => {
            "this is a HEIC file; its coding is patented and has no free decoder in Rust, convert it first"
                .into()
        }
        format::JPEG_XL => {
            "this is a JPEG XL file, which a program that is built with the feature `jxl` reads".into()
        }
        name => format!("the content is {name}, which this program does not read"),
    }
}

fn too_many_pixels((width, height): (u32, u32), limit: u64) -> Failure {
    let text = format!(
        "{width}x{height} are {} megapixels, more than the {} that --max-pixels allows",
        megapixels(u64::from(width) * u64::from(height)),
        megapixels(limit)
    );
    Failure::new(Kind::TooLarge, text)
}

/// A number of pixels in millions, with two digits behind the point where there are few.
pub(crate) fn megapixels(pixels: u64) -> String {
    let millions = pixels as f64 / 1e6;
    if millions < 10.0 { format!("{millions:.2}") } else { format!("{millions:.0}") }
}

/// Decodes a source at a scale, which only JPEG has.
///
/// # Errors
/// If the source is damaged so that nothing of it can be shown, or uses what is not supported.
pub fn decode(
    bytes: &[u8],
    header: &Header,
    scale: Scale,
    limits: &Limits,
    spare: &mut Vec<Vec<u8>>,
) -> Result<Picture, Failure> {
    match &header.decoder {
        Decoder::Jpeg(jpeg) => jpeg::decode(bytes, jpeg, scale, limits, spare),
        Decoder::Other { .. } => match header.format {
            Input::Png => png::decode(bytes, limits),
            Input::Webp => webp::decode(bytes, limits),
            Input::Gif => gif::decode(bytes, limits),
            #[cfg(feature = "jxl")]
            Input::Jxl => jxl::decode(bytes, limits),
            _ => tiff::decode(bytes, limits),
        },
    }
}

/// Calls `each` with every frame of an animation, and returns how often it is repeated; 0 is for ever.
///
/// # Errors
/// Those of the decoder and of `each`.
pub fn frames(
    bytes: &[u8],
    header: &Header,
    limits: &Limits,
    each: &mut dyn FnMut(Frame) -> Result<(), Failure>,
) -> Result<u32, Failure> {
    match header.format {
        Input::Gif => gif::frames(bytes, limits, each),
        Input::Webp => webp::frames(bytes, limits, each),
        #[cfg(feature = "jxl")]
        Input::Jxl => jxl::frames(bytes, limits, each),
        other => Err(Failure::unsupported(format!("animations in {} files are not supported", other.name()))),
    }
}

impl Header {
    /// The smallest scale of decoding that still leaves the resampler twice the wanted size, so that its
    /// filter decides about the quality.
    pub fn scale_for(&self, wanted: (u32, u32), recipe: &Recipe) -> Scale {
        // What a decoder averages are not amounts of light.
        if recipe.linear || !matches!(self.decoder, Decoder::Jpeg(_)) {
            return Scale::Full;
        }
        let is_enough = |scale: &Scale| {
            let divisor = scale.divisor();
            self.size.0 / divisor >= 2 * wanted.0 && self.size.1 / divisor >= 2 * wanted.1
        };
        Scale::ALL.into_iter().find(is_enough).unwrap_or(Scale::Full)
    }

    /// Bytes of the decoded picture at a scale.
    pub fn pixel_bytes(&self, scale: Scale) -> u64 {
        match &self.decoder {
            // Three planes at most that are never more than the picture, or interleaved samples made from
            // them.
            Decoder::Jpeg(jpeg) if self.model == Model::Rgb => jpeg.plane_bytes(scale),
            Decoder::Jpeg(jpeg) => 2 * jpeg.plane_bytes(scale),
            Decoder::Other { .. } => {
                u64::from(self.size.0)
                    * u64::from(self.size.1)
                    * self.model.channels() as u64
                    * u64::from(self.depth)
            }
        }
    }

    /// Whether it is a JPEG that becomes sharper scan by scan.
    pub fn is_progressive(&self) -> bool {
        matches!(&self.decoder, Decoder::Jpeg(jpeg) if jpeg.is_progressive)
    }

    /// Bytes that the decoder has beside the decoded picture.
    pub fn decoder_bytes(&self, scale: Scale) -> u64 {
        match &self.decoder {
            Decoder::Jpeg(jpeg) => jpeg.memory(scale) - jpeg.plane_bytes(scale),
            Decoder::Other { beside } => beside * u64::from(self.size.0) * u64::from(self.size.1),
        }
    }
}

/// Some programs write EXIF data with the head that it has in JPEG files.
fn without_head(exif: &[u8]) -> &[u8] {
    exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)
}

/// The orientation that EXIF data names, and whether it says that the colours are Adobe RGB.
fn of_exif(exif: Option<&[u8]>) -> exif::Facts {
    exif.map(exif::facts).unwrap_or_default()
}
