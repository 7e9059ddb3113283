//! WebP sources.

use std::io::Cursor;

use image_webp::{DecodingError, LoopCount, WebPDecoder};

use super::{Decoder, Frame, Frames, Header, Picture, Source};
use crate::colour::Profile;
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Limits;

fn open<'a>(
    reader: &'a mut (dyn Source + 'a),
    limits: &Limits,
) -> Result<WebPDecoder<&'a mut (dyn Source + 'a)>, Failure> {
    let mut decoder = WebPDecoder::new(reader).map_err(failure)?;
    decoder.set_memory_limit(usize::try_from(limits.memory).unwrap_or(usize::MAX));
    Ok(decoder)
}

fn failure(error: DecodingError) -> Failure {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::damaged("the file is cut short")
        }
        DecodingError::IoError(error) => Failure::unreadable(&error),
        DecodingError::MemoryLimitExceeded => {
            Failure::new(Kind::TooLarge, "it takes more memory than --max-memory allows")
        }
        other => Failure::damaged(other),
    }
}

pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let mut decoder = open(reader, limits)?;
    let exif = decoder.exif_metadata().ok().flatten();
    let is_animated = decoder.is_animated();
    Ok(Header {
        format: Input::Webp,
        size: decoder.dimensions(),
        orientation: super::of_exif(exif.as_deref().map(without_head)).orientation,
        frames: if is_animated { Frames::Animated } else { Frames::Still },
        is_lossy: decoder.is_lossy(),
        model: if decoder.has_alpha() { Model::Rgba } else { Model::Rgb },
        depth: 1,
        // A lossless picture is decoded with four channels. A lossy one has planes, which are less; to an
        // animation belongs a canvas.
        decoder: Decoder::Other { beside: if is_animated { 8 } else { 4 } },
    })
}

/// Some programs write EXIF data with the head that it has in JPEG files.
fn without_head(exif: &[u8]) -> &[u8] {
    exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)
}

pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Failure> {
    let mut cursor = Cursor::new(bytes);
    let mut decoder = open(&mut cursor, limits)?;
    let (width, height) = decoder.dimensions();
    let model = if decoder.has_alpha() { Model::Rgba } else { Model::Rgb };
    let mut samples = vec![0; width as usize * height as usize * model.channels()];
    let icc = decoder.icc_profile().map_err(failure)?;
    if icc.as_ref().is_some_and(|profile| profile.len() as u64 > limits.profile) {
        let text = format!("its colour profile has more than {} kB", limits.profile / 1000);
        return Err(Failure::new(Kind::TooLarge, text));
    }
    let exif = decoder.exif_metadata().ok().flatten();
    let xmp = decoder.xmp_metadata().ok().flatten();
    if decoder.is_animated() {
        decoder.read_frame(&mut samples).map_err(failure)?;
    } else {
        decoder.read_image(&mut samples).map_err(failure)?;
    }
    let raster = Raster { width, height, model, samples: Samples::Eight(samples) };
    let profile = icc.map_or(Profile::Srgb, Profile::Icc);
    let exif = exif.map(|exif| without_head(&exif).to_vec());
    Ok(Picture { profile, exif, xmp, ..Picture::of(raster) })
}

pub fn frames(
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(Frame) -> Result<(), Failure>,
) -> Result<u32, Failure> {
    let mut cursor = Cursor::new(bytes);
    let mut decoder = open(&mut cursor, limits)?;
    let (width, height) = decoder.dimensions();
    let model = if decoder.has_alpha() { Model::Rgba } else { Model::Rgb };
    for _ in 0..decoder.num_frames() {
        let mut samples = vec![0; width as usize * height as usize * model.channels()];
        let milliseconds = decoder.read_frame(&mut samples).map_err(failure)?;
        let raster = Raster { width, height, model, samples: Samples::Eight(samples) };
        each(Frame { raster, milliseconds })?;
    }
    Ok(match decoder.loop_count() {
        LoopCount::Forever => 0,
        LoopCount::Times(times) => times.get().into(),
    })
}
