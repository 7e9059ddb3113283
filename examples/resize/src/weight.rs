//! How much memory the work on an image takes, judged from the header of its file alone.
//!
//! The formulas follow the phases of the work and count what has been touched of each buffer at most. They
//! belong to the codecs as they are, and are a little high where a file's content decides.

use crate::codec::{Frames, Header};
use crate::format::{Input, Output};
use crate::orientation::Orientation;
use crate::raster::Model;
use crate::recipe::Recipe;
use crate::transform::Sizes;

/// Whatever the image, in bytes: tables of the codecs, stacks, what an allocator keeps.
const FIXED: u64 = 2 << 20;

/// The bytes that the work on an image takes at its peak: its file of `file` bytes, its pixels, what
/// decoder, resampler and encoder have beside them, and the output.
pub fn need(file: u64, header: &Header, sizes: &Sizes, recipe: &Recipe) -> u64 {
    let is_animated = header.frames == Frames::Animated;
    let scale = header.scale_for(sizes.stored, recipe);
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let pixel = header.model.channels() as u64 * u64::from(header.depth);
    let source = header.pixel_bytes(scale);
    let target = area(sizes.stored) * pixel;
    // With --linear, samples have 16 bits on their way.
    let wide =
        if recipe.linear && header.depth == 1 { 2 * area(header.size) * pixel + 2 * target } else { 0 };
    // The resampler multiplies a copy of the source by its alpha; then it goes along the rows, then the
    // columns.
    let is_resized = sizes.stored != header.size;
    let alpha = if is_resized && header.model.has_alpha() { source } else { 0 };
    let between = if is_resized {
        u64::from(sizes.stored.0) * u64::from(header.size.1) * pixel / u64::from(scale.divisor())
    } else {
        0
    };
    // What a conversion of colours or a turn writes.
    let is_turned = sizes.orientation != Orientation::UPRIGHT;
    let copies = target * (1 + u64::from(is_turned) + u64::from(header.model == Model::Cmyk));
    let encoder = match recipe.format {
        // Coefficients of all blocks, for tables of their own, and the file.
        Output::Jpeg => area(sizes.to) * 7,
        Output::Png => 2 * target + area(sizes.to) * 5,
        Output::Webp => area(sizes.to) * 12,
        Output::Avif => area(sizes.to) * 40,
    };
    let frames = if is_animated { 2 * area(header.size) * 4 + file } else { 0 };
    let decoding = file + source + header.decoder_bytes(scale);
    let resampling = file + source + alpha + between + target + wide;
    let encoding = file + target + copies + encoder + frames;
    // Planes that a worker keeps for its next image stay beside the output.
    let kept = source.min(32 << 20);
    FIXED + decoding.max(resampling).max(encoding + kept) + if is_animated { source } else { 0 }
}

/// What an image costs in time, roughly in nanoseconds: enough to begin with those that take longest.
///
/// The factors fit the photographs of `examples/photos` at 400 and 1600 pixels. A progressive JPEG stores
/// the coefficients of all its pixels and goes through them once for each scan. The decoder of JPEG XL
/// reckons in floating point.
pub fn cost(file: u64, header: &Header, sizes: &Sizes) -> u64 {
    let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    let (byte, pixel) = match header.format {
        Input::Jxl => (24, 80),
        _ if header.is_progressive() => (60, 6),
        _ => (24, 1),
    };
    byte * file + pixel * area(header.size) + 30 * area(sizes.to)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::codec;
    use crate::recipe::Limits;

    #[test]
    fn a_progressive_photograph_is_begun_before_a_sequential_one_with_more_bytes() {
        let cost = |name: &str| {
            let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/../photos/");
            let bytes = std::fs::read(format!("{photos}{name}.jpg")).expect("a photograph");
            let header = codec::header(&mut Cursor::new(&bytes), &Limits::default()).expect("a header");
            let size = (400, 300);
            let sizes =
                Sizes { orientation: Orientation::UPRIGHT, from: header.size, to: size, stored: size };
            (bytes.len(), cost(bytes.len() as u64, &header, &sizes))
        };
        let (sequential, progressive) = (cost("umang_by_Abhishek_Mudgal"), cost("Wine_by_Jakkub_Mede"));
        assert!(sequential.0 > progressive.0, "{sequential:?} {progressive:?}");
        assert!(sequential.1 < progressive.1, "{sequential:?} {progressive:?}");
    }
}
