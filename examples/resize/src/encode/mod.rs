//! Encoders: from a picture in memory to the bytes of a file.

#[cfg(feature = "avif")]
mod avif;
mod jpeg;
pub(crate) mod palette;
mod png;
pub(crate) mod riff;
mod webp;

use crate::failure::{Failure, Kind};
use crate::format::Output;
use crate::metadata::Metadata;
use crate::raster::Raster;
use crate::recipe::Recipe;

pub use jpeg::Upright;
pub use webp::Animation;

/// What is written with the pixels.
#[derive(Debug, Default)]
pub struct Extras {
    /// A colour profile that fits the pixels.
    pub icc: Option<Vec<u8>>,
    /// EXIF data and the like.
    pub metadata: Metadata,
    /// Whether the source had a palette.
    pub had_palette: bool,
    /// Whether the source was stored with loss.
    pub was_lossy: bool,
}

/// Encodes a picture.
///
/// # Errors
/// If the format cannot express it.
pub fn encode(raster: Raster, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    match recipe.format {
        Output::Jpeg => jpeg::encode(&raster.narrowed().on_white(), extras, recipe),
        Output::Png => png::encode(raster, extras),
        Output::Webp => webp::encode(&raster.narrowed().coloured(), extras, recipe),
        #[cfg(feature = "avif")]
        Output::Avif => avif::encode(&raster.narrowed().coloured(), extras, recipe),
        #[cfg(not(feature = "avif"))]
        Output::Avif => Err(Failure::unsupported("this program was built without the feature `avif`")),
    }
}

/// Encodes luma and chroma as JPEG without going through red, green and blue.
///
/// # Errors
/// If the format cannot express it.
pub fn encode_planes(planes: &Upright, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    jpeg::encode_planes(planes, extras, recipe)
}

/// The largest side that a format can express.
pub fn most_side(format: Output) -> u32 {
    match format {
        Output::Webp => 16_383,
        Output::Jpeg | Output::Png | Output::Avif => crate::recipe::MOST_SIDE,
    }
}

/// Refuses an output that a format cannot express.
///
/// # Errors
/// With the size and the limit.
pub fn check_size(format: Output, (width, height): (u32, u32), pixels: u64) -> Result<(), Failure> {
    let most = most_side(format);
    if width > most || height > most {
        let text = format!("an output of {width}x{height} is too large: a side has at most {most} pixels");
        return Err(Failure::new(Kind::TooLarge, text));
    }
    if u64::from(width) * u64::from(height) > pixels {
        let text = format!(
            "an output of {width}x{height} has more than the {} megapixels that --max-pixels allows",
            crate::codec::megapixels(pixels)
        );
        return Err(Failure::new(Kind::TooLarge, text));
    }
    Ok(())
}
