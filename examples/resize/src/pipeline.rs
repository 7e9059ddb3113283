//! One image, in memory: encoded bytes in, resized and encoded bytes out.
//!
//! Depends on nothing else of the program, so that a benchmark can include this file alone.

use std::cell::RefCell;
use std::io::Cursor;

use anyhow::{Context, Result, bail, ensure};
use fast_image_resize as fir;
use fast_image_resize::images::{Image, ImageRef};
use image::codecs::{png::PngEncoder, webp::WebPEncoder};
use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder, ImageReader, Limits,
};
use jpeg_encoder::ChromaSubsamplingMethod;

/// The most memory that the pixels of one decoded or resized image may take. A small file can announce
/// an enormous image, and every worker may hold one at the same time.
const MAX_PIXEL_BYTES: u64 = 512 << 20;

/// Both sides of any image, decoded or resized: what a JPEG file can express.
const MAX_SIDE: u32 = 65_535;

/// A worker keeps its decode buffer for the next image up to this size, since mapping and clearing fresh
/// pages for every photograph costs time. One huge image must not occupy memory for the rest of the batch.
const MAX_KEPT_BYTES: usize = 64 << 20;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// What a worker reuses from image to image.
#[derive(Default)]
struct Scratch {
    pixels: Vec<u8>,
    resizer: fir::Resizer,
}

/// The format of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lossy, without transparency.
    Jpeg,
    /// Lossless.
    Png,
    /// Lossless: the encoder has no lossy mode.
    Webp,
}

/// How to encode an output.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// The format to write, whatever the input's was.
    pub format: Format,
    /// JPEG quality from 1 to 100; the lossless formats ignore it.
    pub quality: u8,
}

/// A resized image.
#[derive(Debug)]
pub struct Resized {
    /// The encoded file.
    pub bytes: Vec<u8>,
    /// Width and height of the source as a viewer shows it, that is with its orientation applied.
    pub from: (u32, u32),
    /// Width and height of the output.
    pub to: (u32, u32),
}

/// Decodes `bytes`, resizes to `size(width, height)` of the upright image, and encodes the result.
///
/// The EXIF orientation is applied to the pixels. An ICC profile is carried over where it fits the output's
/// channels; all other metadata is dropped. Samples of 16 bits become 8 bits. Transparency is kept, except
/// in JPEG, where the image is laid on white.
pub fn resize(
    bytes: &[u8],
    encoding: Encoding,
    size: impl FnOnce(u32, u32) -> (u32, u32),
) -> Result<Resized> {
    // Taken out of its place, not borrowed: a codec that panics leaves a fresh scratch behind.
    let mut scratch = SCRATCH.take();
    let result = resize_with(&mut scratch, bytes, encoding, size);
    if scratch.pixels.capacity() <= MAX_KEPT_BYTES
        && scratch.resizer.size_of_internal_buffers() <= MAX_KEPT_BYTES
    {
        SCRATCH.set(scratch);
    }
    result
}

/// Frees what this thread keeps for its next image.
pub fn forget() {
    SCRATCH.take();
}

fn resize_with(
    scratch: &mut Scratch,
    bytes: &[u8],
    encoding: Encoding,
    size: impl FnOnce(u32, u32) -> (u32, u32),
) -> Result<Resized> {
    let (source, meta) = decode(bytes, &mut scratch.pixels)?;
    let from = upright(source.width, source.height, meta.orientation);
    let to = size(from.0, from.1);
    check_size(to, source.channels)?;

    let (width, height) = upright(to.0, to.1, meta.orientation);
    let shrinks = u64::from(width) * u64::from(height) <= u64::from(source.width) * u64::from(source.height);
    // Turning moves every pixel, so it is done on the smaller side of the resize.
    let mut output = if shrinks {
        let resized = source.scale(&mut scratch.resizer, width, height)?;
        scratch.pixels = source.data;
        resized.turn(meta.orientation)?
    } else {
        source.turn(meta.orientation)?.scale(&mut scratch.resizer, to.0, to.1)?
    };
    if encoding.format == Format::Jpeg {
        output.flatten_on_white();
    }
    let icc = meta.icc.filter(|profile| output.accepts_profile(profile, encoding.format));
    Ok(Resized { bytes: encode(&output, encoding, icc)?, from, to })
}

/// What of a source's metadata matters to its output.
struct Meta {
    orientation: Orientation,
    icc: Option<Vec<u8>>,
}

/// Interleaved 8-bit samples: 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA.
struct Raster {
    width: u32,
    height: u32,
    channels: u8,
    data: Vec<u8>,
}

/// Decodes into the memory of `scratch`, which moves into the raster.
fn decode(bytes: &[u8], scratch: &mut Vec<u8>) -> Result<(Raster, Meta)> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_PIXEL_BYTES);

    // The content decides the format: a file's name may be wrong.
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    // The decoders are not bound to count the caller's buffer.
    limits.reserve(decoder.total_bytes())?;

    // Unusable metadata is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let icc = decoder.icc_profile().ok().flatten();
    let (width, height) = decoder.dimensions();
    ensure!(width > 0 && height > 0, "the image is empty");
    let color = decoder.color_type();

    ensure!(!is_cut_short(bytes), "the file is cut short");

    let mut data = std::mem::take(scratch);
    data.resize(usize::try_from(decoder.total_bytes())?, 0);
    decoder.read_image(&mut data)?;
    let channels = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => color.channel_count(),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            narrow(&mut data);
            color.channel_count()
        }
        other => bail!("the colour type {other:?} is not supported"),
    };
    Ok((Raster { width, height, channels, data }, Meta { orientation, icc }))
}

/// Whether this is a JPEG without an end marker. The decoder would fill what is missing with grey and
/// report success; the other formats' decoders notice by themselves.
fn is_cut_short(bytes: &[u8]) -> bool {
    // Segments, one of which may hold a whole small JPEG as a thumbnail, come first and tell their length.
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8]).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == 0xda {
            // Scans follow up to the end marker, and at times other data after it.
            return !rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
        }
        let fill = marker == 0xff;
        let length = if fill { 1 } else { 2 + usize::from(u16::from_be_bytes([high, low])) };
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// Turns native-endian 16-bit samples into 8-bit ones, in place.
fn narrow(data: &mut Vec<u8>) {
    let samples = data.len() / 2;
    for index in 0..samples {
        let sample = u16::from_ne_bytes([data[2 * index], data[2 * index + 1]]);
        // Rounds to the nearest of 256 levels; 65535 / 255 is 257, and the result is at most 255.
        data[index] = ((u32::from(sample) + 128) / 257) as u8;
    }
    data.truncate(samples);
}

/// Swaps the sides where the orientation is a quarter turn. Its own inverse.
pub fn upright(width: u32, height: u32, orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    }
}

fn check_size((width, height): (u32, u32), channels: u8) -> Result<()> {
    let bytes = u64::from(width) * u64::from(height) * u64::from(channels);
    ensure!(
        width <= MAX_SIDE && height <= MAX_SIDE && bytes <= MAX_PIXEL_BYTES,
        "the output of {width}x{height} pixels would be too large"
    );
    ensure!(width > 0 && height > 0, "the output would be empty");
    Ok(())
}

impl Raster {
    /// Resamples with a Lanczos filter of three lobes.
    fn scale(&self, resizer: &mut fir::Resizer, width: u32, height: u32) -> Result<Raster> {
        let pixel_type = match self.channels {
            1 => fir::PixelType::U8,
            2 => fir::PixelType::U8x2,
            3 => fir::PixelType::U8x3,
            _ => fir::PixelType::U8x4,
        };
        let source = ImageRef::new(self.width, self.height, &self.data, pixel_type)?;
        let mut target = Image::new(width, height, pixel_type);
        // By default the resizer multiplies colours by their alpha first, so that the colour of transparent
        // pixels does not bleed into their neighbours.
        let lanczos = fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3);
        resizer.resize(&source, &mut target, &fir::ResizeOptions::new().resize_alg(lanczos))?;
        Ok(Raster { width, height, channels: self.channels, data: target.into_vec() })
    }

    /// Applies an orientation.
    fn turn(self, orientation: Orientation) -> Result<Raster> {
        if orientation == Orientation::NoTransforms {
            return Ok(self);
        }
        let Raster { width, height, channels, data } = self;
        let image = match channels {
            1 => ImageBuffer::from_raw(width, height, data).map(DynamicImage::ImageLuma8),
            2 => ImageBuffer::from_raw(width, height, data).map(DynamicImage::ImageLumaA8),
            3 => ImageBuffer::from_raw(width, height, data).map(DynamicImage::ImageRgb8),
            _ => ImageBuffer::from_raw(width, height, data).map(DynamicImage::ImageRgba8),
        };
        let mut image = image.context("the pixels do not match the image's size")?;
        image.apply_orientation(orientation);
        let (width, height) = (image.width(), image.height());
        Ok(Raster { width, height, channels, data: image.into_bytes() })
    }

    /// Drops an alpha channel by laying the image on white.
    fn flatten_on_white(&mut self) {
        let channels = usize::from(self.channels);
        if channels % 2 == 1 {
            return;
        }
        let mut kept = 0;
        for start in (0..self.data.len()).step_by(channels) {
            let alpha = u32::from(self.data[start + channels - 1]);
            for sample in start..start + channels - 1 {
                let mixed = u32::from(self.data[sample]) * alpha + 255 * (255 - alpha);
                self.data[kept] = ((mixed + 127) / 255) as u8;
                kept += 1;
            }
        }
        self.data.truncate(kept);
        self.channels -= 1;
    }

    /// Whether an ICC profile describes these channels. One that does not, such as a CMYK profile of a
    /// JPEG that the decoder turned into RGB, would give wrong colours.
    fn accepts_profile(&self, profile: &[u8], format: Format) -> bool {
        // The header holds the colour space's signature at this place.
        match profile.get(16..20) {
            Some(b"RGB ") => self.channels >= 3,
            // A WebP file has no grey pixels: they were written as RGB.
            Some(b"GRAY") => self.channels <= 2 && format != Format::Webp,
            _ => false,
        }
    }
}

/// Writes a raster as a file of the wanted format.
fn encode(raster: &Raster, encoding: Encoding, icc: Option<Vec<u8>>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match encoding.format {
        Format::Jpeg => encode_jpeg(raster, encoding.quality, icc, &mut bytes)?,
        Format::Png => encode_lossless(PngEncoder::new(&mut bytes), raster, icc)?,
        Format::Webp => encode_lossless(WebPEncoder::new_lossless(&mut bytes), raster, icc)?,
    }
    Ok(bytes)
}

fn encode_jpeg(raster: &Raster, quality: u8, icc: Option<Vec<u8>>, bytes: &mut Vec<u8>) -> Result<()> {
    let color =
        if raster.channels == 1 { jpeg_encoder::ColorType::Luma } else { jpeg_encoder::ColorType::Rgb };
    let (width, height) = (u16::try_from(raster.width)?, u16::try_from(raster.height)?);
    let mut encoder = jpeg_encoder::Encoder::new(bytes, quality);
    // The default takes one of four chroma samples, which shows as jagged coloured edges.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    if let Some(profile) = icc {
        encoder.add_icc_profile(&profile)?;
    }
    encoder.encode(&raster.data, width, height, color)?;
    Ok(())
}

fn encode_lossless(mut encoder: impl ImageEncoder, raster: &Raster, icc: Option<Vec<u8>>) -> Result<()> {
    let color = match raster.channels {
        1 => ExtendedColorType::L8,
        2 => ExtendedColorType::La8,
        3 => ExtendedColorType::Rgb8,
        _ => ExtendedColorType::Rgba8,
    };
    if let Some(profile) = icc {
        encoder.set_icc_profile(profile)?;
    }
    encoder.write_image(&raster.data, raster.width, raster.height, color)?;
    Ok(())
}
