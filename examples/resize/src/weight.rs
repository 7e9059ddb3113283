//! How much memory the work on an image takes, judged from the header of its file alone.
//!
//! The formulas follow the pipeline and the codecs that it uses, phase by phase, and count what has been touched
//! of each buffer at most. So they belong to the versions of these codecs, and are a little high where a file's
//! content decides.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use image::codecs::{png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};

use longshore_resize::pipeline::{self, Encoding, Format};

/// Whatever the image, in bytes: tables of the codecs, stacks, what an allocator keeps.
const FIXED: u64 = 1 << 20;

/// For each pixel of a row, in bytes: the rows of blocks that a JPEG decoder has at hand.
const JPEG_ROWS: u64 = 256;

/// What a header tells.
struct Header {
    width: u32,
    height: u32,
    orientation: Orientation,
    /// Of the decoded image.
    channels: u64,
    /// The decoded image, in bytes, as the decoder delivers it.
    pixels: u64,
    /// What the decoder has beside that, in bytes.
    decoder: u64,
}

/// The bytes that the work on the image in the file `source` takes at its peak: the file, its pixels, what decoder,
/// resizer and encoder have beside them, and the output.
///
/// `size` gives the size of the output, as in the pipeline. `None` if the file cannot be read or is no image.
pub fn need(source: &Path, output: Encoding, size: impl Fn(u32, u32) -> (u32, u32)) -> Option<u64> {
    let mut reader = BufReader::new(File::open(source).ok()?);
    let file = reader.get_ref().metadata().ok()?.len();
    let header = header(&mut reader)?;
    let (width, height) = pipeline::upright(header.width, header.height, header.orientation);
    let (width, height) = size(width, height);
    let target = pipeline::upright(width, height, header.orientation);
    Some(FIXED.saturating_add(peak(file, &header, target, output)))
}

/// The largest of the phases. `target` is the size of the output before it is turned.
fn peak(file: u64, header: &Header, target: (u32, u32), output: Encoding) -> u64 {
    let sum = |parts: &[u64]| parts.iter().copied().fold(0, u64::saturating_add);
    let area = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let bytes = |pixels: u64| pixels.saturating_mul(header.channels);
    let resized = bytes(area(target.0, target.1));
    let source = bytes(area(header.width, header.height));
    // The resizer multiplies a copy of the source by its alpha; then it goes along the rows, then the columns.
    let is_resized = target != (header.width, header.height);
    let alpha = if is_resized && header.channels.is_multiple_of(2) { source } else { 0 };
    let both_ways = target.0 != header.width && target.1 != header.height;
    let between = if both_ways { bytes(area(target.0, header.height)) } else { 0 };
    let encoder = match output.format {
        // Row by row; only the file counts.
        Format::Jpeg if output.quality <= 90 => resized / 6,
        Format::Jpeg => resized / 2,
        Format::Png => resized.saturating_mul(2),
        // All pixels with four channels, and the file twice.
        Format::Webp => sum(&[area(target.0, target.1).saturating_mul(4), resized, resized]),
    };
    // An image that grows is turned before it does, one that shrinks after: a copy of the smaller one.
    let turning = match header.orientation {
        Orientation::NoTransforms => 0,
        _ => source.min(resized),
    };
    let decoding = sum(&[file, header.pixels, header.decoder]);
    decoding.max(sum(&[file, header.pixels, alpha, between, resized, turning.max(encoder)]))
}

/// Reads it, by what the content says it is, as the pipeline does.
fn header(reader: &mut BufReader<File>) -> Option<Header> {
    match image::guess_format(reader.fill_buf().ok()?).ok()? {
        ImageFormat::Jpeg => jpeg(reader),
        ImageFormat::Png => {
            let decoder = PngDecoder::new(reader).ok()?;
            described(decoder, 0)
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(reader).ok()?;
            // A lossless image is decoded with four channels. A lossy one has planes, which are less; to an
            // animation belongs a canvas.
            let beside = if decoder.has_animation() { 8 } else { 4 };
            described(decoder, beside)
        }
        _ => None,
    }
}

/// `beside` is what the decoder has for each pixel, in bytes.
fn described(mut decoder: impl ImageDecoder, beside: u64) -> Option<Header> {
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Some(Header {
        width,
        height,
        orientation,
        channels: decoder.color_type().channel_count().into(),
        pixels: decoder.total_bytes(),
        decoder: beside * u64::from(width) * u64::from(height),
    })
}

/// Walks the segments up to the first scan. The decoder proper would read the whole file first.
fn jpeg(reader: &mut BufReader<File>) -> Option<Header> {
    let file = reader.get_ref().metadata().ok()?.len();
    let mut frame: Option<(u8, Vec<u8>)> = None;
    let mut orientation = Orientation::NoTransforms;
    loop {
        let marker = marker(reader)?;
        // Start and restarts have no length.
        if matches!(marker, 0xd8 | 0x01 | 0xd0..=0xd7) {
            continue;
        }
        let length = u16::from_be_bytes(bytes(reader)?).checked_sub(2)?;
        let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
        if marker == 0xda {
            let [in_scan] = bytes(reader)?;
            let (marker, segment) = frame?;
            let header = frame_header(file, marker, &segment, in_scan)?;
            return Some(Header { orientation, ..header });
        } else if is_frame || marker == 0xe1 {
            let mut segment = vec![0; length.into()];
            reader.read_exact(&mut segment).ok()?;
            if is_frame {
                frame = Some((marker, segment));
            } else if let Some(exif) = segment.strip_prefix(b"Exif\0\0") {
                orientation = Orientation::from_exif_chunk(exif).unwrap_or(orientation);
            }
        } else {
            reader.seek_relative(length.into()).ok()?;
        }
    }
}

/// The next marker, whose first byte may be repeated.
fn marker(reader: &mut impl Read) -> Option<u8> {
    while bytes(reader)? != [0xff] {}
    loop {
        match bytes(reader)? {
            [0xff] => {}
            [marker] => return Some(marker),
        }
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Reads a frame header: the sides and each component's sampling.
fn frame_header(file: u64, marker: u8, segment: &[u8], in_scan: u8) -> Option<Header> {
    let &[_, h1, h2, w1, w2, count, ref components @ ..] = segment else { return None };
    let (width, height) = (u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2]));
    let samplings: Vec<(u64, u64)> =
        components.chunks_exact(3).map(|c| (u64::from(c[1] >> 4), u64::from(c[1] & 15))).collect();
    let widest = samplings.iter().map(|sampling| sampling.0).max().filter(|&widest| widest > 0)?;
    let highest = samplings.iter().map(|sampling| sampling.1).max().filter(|&highest| highest > 0)?;
    let units = u64::from(width).div_ceil(8 * widest) * u64::from(height).div_ceil(8 * highest);
    let blocks: u64 = samplings.iter().map(|(h, v)| units * h * v).sum();
    // Only where one scan holds everything can the pixels be made as it goes. Else all coefficients are kept, 64 of two
    // bytes for a block.
    let is_sequential = matches!(marker, 0xc0 | 0xc1) && in_scan == count;
    let coefficients = if is_sequential { 0 } else { blocks * 128 };
    let channels = if count == 1 { 1 } else { 3 };
    Some(Header {
        width: width.into(),
        height: height.into(),
        orientation: Orientation::NoTransforms,
        channels,
        pixels: u64::from(width) * u64::from(height) * channels,
        // The decoder has a copy of the file.
        decoder: file + coefficients + u64::from(width) * JPEG_ROWS,
    })
}
