//! WebP sources.

use std::io::{Cursor, ErrorKind, SeekFrom};

use image_webp::{DecodingError, LoopCount, WebPDecoder};

use super::{Decoder, Frame, Frames, Header, Picture, Source};
use crate::colour::Profile;
use crate::encode::riff::{self, Survey};
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Limits;

/// The decoder of any source.
type Opened<'a> = WebPDecoder<&'a mut (dyn Source + 'a)>;

/// Opens a source of which the heads of all chunks are acceptable.
fn open<'a>(reader: &'a mut (dyn Source + 'a), limits: &Limits) -> Result<Opened<'a>, Failure> {
    match riff::survey(reader) {
        Ok(found) => check(&found, limits)?,
        // What is cut short is told by the decoder.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(Failure::unreadable(&error)),
    }
    reader.seek(SeekFrom::Start(0)).map_err(|error| Failure::unreadable(&error))?;
    let mut decoder = WebPDecoder::new(reader).map_err(failure)?;
    decoder.set_memory_limit(usize::try_from(limits.memory).unwrap_or(usize::MAX));
    Ok(decoder)
}

/// Refuses what the decoder would find out too late: a coded picture that is larger than the container
/// announces, when it has decoded it; metadata that is too large, when it has read it.
fn check(found: &Survey, limits: &Limits) -> Result<(), Failure> {
    for (name, bytes) in [("colour profile", found.icc), ("EXIF data", found.exif)] {
        if bytes > limits.profile {
            let text = format!("its {name} has more than {} kB", limits.profile / 1000);
            return Err(Failure::new(Kind::TooLarge, text));
        }
    }
    let picture = found.picture;
    match found.canvas {
        Some(canvas) if picture.0 > canvas.0 || picture.1 > canvas.1 => Err(Failure::damaged(format!(
            "it announces {}x{} pixels and has a picture of {}x{}",
            canvas.0, canvas.1, picture.0, picture.1
        ))),
        _ => Ok(()),
    }
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
    let exif = decoder.exif_metadata().map_err(failure)?;
    let is_animated = decoder.is_animated();
    Ok(Header {
        format: Input::Webp,
        size: decoder.dimensions(),
        orientation: super::of_exif(exif.as_deref().map(super::without_head)).orientation,
        frames: if is_animated { Frames::Animated } else { Frames::Still },
        is_lossy: decoder.is_lossy(),
        model: if decoder.has_alpha() { Model::Rgba } else { Model::Rgb },
        depth: 1,
        // A lossless picture is decoded with four channels. A lossy one has planes, which are less; to an
        // animation belongs a canvas.
        decoder: Decoder::Other { beside: if is_animated { 8 } else { 4 } },
    })
}

pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Failure> {
    let mut cursor = Cursor::new(bytes);
    let mut decoder = open(&mut cursor, limits)?;
    let (width, height) = decoder.dimensions();
    let model = if decoder.has_alpha() { Model::Rgba } else { Model::Rgb };
    let icc = decoder.icc_profile().map_err(failure)?;
    let exif = decoder.exif_metadata().map_err(failure)?;
    // Nothing depends on the pixels of this: what is too large is left out.
    decoder.set_memory_limit(usize::try_from(limits.profile).unwrap_or(usize::MAX));
    let xmp = decoder.xmp_metadata().ok().flatten();
    decoder.set_memory_limit(usize::try_from(limits.memory).unwrap_or(usize::MAX));
    let mut samples = vec![0; width as usize * height as usize * model.channels()];
    if decoder.is_animated() {
        decoder.read_frame(&mut samples).map_err(failure)?;
    } else {
        decoder.read_image(&mut samples).map_err(failure)?;
    }
    let raster = Raster { width, height, model, samples: Samples::Eight(samples) };
    let profile = icc.map_or(Profile::Srgb, Profile::Icc);
    let exif = exif.map(|exif| super::without_head(&exif).to_vec());
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
