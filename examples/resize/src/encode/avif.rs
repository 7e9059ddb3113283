//! AVIF outputs, by rav1e.

use imgref::ImgRef;
use ravif::{Encoder, RGB8, RGBA8};

use super::Extras;
use crate::failure::Failure;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Recipe;

/// The speed of the coder, from 1 to 10: beyond 6 files grow.
const SPEED: u8 = 6;

/// Encodes a picture of 8 bits with red, green and blue, in sRGB.
pub fn encode(raster: &Raster, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    let Samples::Eight(samples) = &raster.samples else {
        return Err(Failure::internal("AVIF is written with 8 bits"));
    };
    let (width, height) = (raster.width as usize, raster.height as usize);
    // One thread: the pool has the others.
    let mut encoder = Encoder::new()
        .with_quality(f32::from(recipe.quality))
        .with_alpha_quality(f32::from(recipe.quality))
        .with_speed(SPEED)
        .with_num_threads(Some(1));
    if let Some(exif) = &extras.metadata.exif {
        encoder = encoder.with_exif(exif.clone());
    }
    let encoded = match raster.model {
        Model::Rgba => {
            let pixels: Vec<RGBA8> =
                samples.chunks_exact(4).map(|p| RGBA8::new(p[0], p[1], p[2], p[3])).collect();
            encoder.encode_rgba(ImgRef::new(&pixels, width, height))
        }
        _ => {
            let pixels: Vec<RGB8> = samples.chunks_exact(3).map(|p| RGB8::new(p[0], p[1], p[2])).collect();
            encoder.encode_rgb(ImgRef::new(&pixels, width, height))
        }
    };
    encoded.map(|encoded| encoded.avif_file).map_err(Failure::internal)
}
