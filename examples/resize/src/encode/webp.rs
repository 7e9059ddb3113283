//! WebP outputs, by libwebp: no coder in Rust has its lossy mode. It sees only pixels that this program has
//! decoded.

use webp::{Encoder, PixelLayout, WebPConfig};

use super::{Extras, riff};
use crate::failure::Failure;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::{Recipe, Webp};

/// The effort of the coder, from 0 to 6: libwebp's default.
const EFFORT: i32 = 4;

/// How hard a lossless coder tries, from 0 to 100: libwebp's default.
const LOSSLESS_EFFORT: f32 = 75.0;

fn config(recipe: &Recipe, was_lossy: bool) -> Result<WebPConfig, Failure> {
    let mut config = WebPConfig::new().map_err(|()| Failure::internal("libwebp has another version"))?;
    let is_lossy = match recipe.webp {
        Webp::Auto => was_lossy,
        Webp::Lossy => true,
        Webp::Lossless => false,
    };
    config.lossless = i32::from(!is_lossy);
    config.quality = if is_lossy { f32::from(recipe.quality) } else { LOSSLESS_EFFORT };
    config.method = EFFORT;
    // The pool has the threads.
    config.thread_level = 0;
    Ok(config)
}

/// The file of one picture of 8 bits with red, green and blue.
fn still(raster: &Raster, config: &WebPConfig) -> Result<Vec<u8>, Failure> {
    let (Samples::Eight(samples), Model::Rgb | Model::Rgba) = (&raster.samples, raster.model) else {
        return Err(Failure::internal("WebP has colours of 8 bits"));
    };
    let layout = if raster.model.has_alpha() { PixelLayout::Rgba } else { PixelLayout::Rgb };
    let encoder = Encoder::new(samples, layout, raster.width, raster.height);
    let file =
        encoder.encode_advanced(config).map_err(|error| Failure::internal(format!("libwebp: {error:?}")))?;
    Ok(file.to_vec())
}

/// Encodes a picture of 8 bits with red, green and blue.
pub fn encode(raster: &Raster, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    let file = still(raster, &config(recipe, extras.was_lossy)?)?;
    finish(&file, extras)
}

fn finish(file: &[u8], extras: &Extras) -> Result<Vec<u8>, Failure> {
    let mut parts =
        riff::Parts::of(file).ok_or_else(|| Failure::internal("libwebp has made no WebP file"))?;
    parts.icc.clone_from(&extras.icc);
    parts.exif.clone_from(&extras.metadata.exif);
    parts.xmp.clone_from(&extras.metadata.xmp);
    Ok(parts.file())
}

/// An animation, frame by frame (RFC 9649, section 2.7.1.1). Every frame is a whole picture: that is simple,
/// and right whatever the frames before were.
#[derive(Debug)]
pub struct Animation {
    size: (u32, u32),
    has_alpha: bool,
    frames: Vec<u8>,
    /// The picture and the duration of the last frame: equal ones become one.
    last: Option<(Raster, u32)>,
}

impl Animation {
    /// An animation without frames.
    pub fn new(size: (u32, u32)) -> Animation {
        Animation { size, has_alpha: false, frames: Vec::new(), last: None }
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// Those of libwebp.
    pub fn add(
        &mut self,
        raster: Raster,
        milliseconds: u32,
        recipe: &Recipe,
        was_lossy: bool,
    ) -> Result<(), Failure> {
        match &mut self.last {
            Some((last, duration)) if *last == raster => *duration += milliseconds,
            _ => {
                self.write_last(recipe, was_lossy)?;
                self.last = Some((raster, milliseconds));
            }
        }
        Ok(())
    }

    fn write_last(&mut self, recipe: &Recipe, was_lossy: bool) -> Result<(), Failure> {
        let Some((raster, milliseconds)) = self.last.take() else { return Ok(()) };
        let file = still(&raster, &config(recipe, was_lossy)?)?;
        let parts =
            riff::Parts::of(&file).ok_or_else(|| Failure::internal("libwebp has made no WebP file"))?;
        self.has_alpha |= raster.model.has_alpha();
        // At the upper left corner; the frame replaces what is there.
        let mut frame = vec![0; 6];
        frame.extend(riff::three(raster.width - 1));
        frame.extend(riff::three(raster.height - 1));
        frame.extend(riff::three(milliseconds.min(0xff_ffff)));
        frame.push(0b10);
        frame.extend(parts.picture);
        riff::put(&mut self.frames, b"ANMF", &frame);
        Ok(())
    }

    /// The file, shown `repeat` times, or for ever if that is 0.
    ///
    /// # Errors
    /// Those of libwebp.
    pub fn finish(mut self, repeat: u32, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
        self.write_last(recipe, extras.was_lossy)?;
        let mut picture = Vec::new();
        let repeat = u16::try_from(repeat).unwrap_or(u16::MAX).to_le_bytes();
        riff::put(&mut picture, b"ANIM", &[0, 0, 0, 0, repeat[0], repeat[1]]);
        picture.append(&mut self.frames);
        let parts = riff::Parts {
            size: self.size,
            has_alpha: self.has_alpha,
            icc: extras.icc.clone(),
            picture,
            is_animated: true,
            exif: extras.metadata.exif.clone(),
            xmp: extras.metadata.xmp.clone(),
        };
        Ok(parts.file())
    }
}
