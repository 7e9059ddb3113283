//! JPEG outputs.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, ImageBuffer, JpegColorType};

use super::Extras;
use crate::failure::Failure;
use crate::metadata::container::{MOST_SEGMENT, XMP_HEAD};
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Recipe;

/// Luma and chroma of one size, as an encoder takes them.
#[derive(Debug)]
pub struct Upright {
    /// Pixels a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Luma, blue chroma, red chroma.
    pub planes: [Vec<u8>; 3],
}

impl ImageBuffer for &Upright {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width as u16
    }

    fn height(&self) -> u16 {
        self.height as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let width = self.width as usize;
        let row = usize::from(y) * width..(usize::from(y) + 1) * width;
        for (buffer, plane) in buffers.iter_mut().zip(&self.planes) {
            buffer.extend_from_slice(&plane[row.clone()]);
        }
    }
}

fn encoder<'a>(
    bytes: &'a mut Vec<u8>,
    extras: &Extras,
    recipe: &Recipe,
) -> Result<Encoder<&'a mut Vec<u8>>, Failure> {
    let mut encoder = Encoder::new(bytes, recipe.quality);
    encoder.set_progressive(recipe.progressive);
    // Progressive files get codes made to measure here. With sequential ones the encoder would write a scan
    // for each component, which some decoders show wrong: they get them afterwards.
    encoder.set_optimized_huffman_tables(recipe.progressive);
    // The default takes one of four chroma samples, which shows as jagged coloured edges.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    if let Some(exif) = extras.metadata.exif.as_ref().filter(|exif| exif.len() + 6 <= MOST_SEGMENT) {
        encoder.add_exif_metadata(exif).map_err(Failure::internal)?;
    }
    if let Some(xmp) = extras.metadata.xmp.as_ref().filter(|xmp| xmp.len() + XMP_HEAD.len() <= MOST_SEGMENT) {
        encoder.add_app_segment(1, [XMP_HEAD, xmp].concat()).map_err(Failure::internal)?;
    }
    if let Some(icc) = &extras.icc {
        encoder.add_icc_profile(icc).map_err(Failure::internal)?;
    }
    Ok(encoder)
}

/// Encodes an opaque picture of 8 bits.
pub fn encode(raster: &Raster, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    let Samples::Eight(samples) = &raster.samples else {
        return Err(Failure::internal("JPEG has no samples of 16 bits"));
    };
    let mut bytes = Vec::new();
    let encoder = encoder(&mut bytes, extras, recipe)?;
    let color = if raster.model == Model::Grey { ColorType::Luma } else { ColorType::Rgb };
    let side = |side: u32| u16::try_from(side).map_err(Failure::internal);
    encoder.encode(samples, side(raster.width)?, side(raster.height)?, color).map_err(Failure::internal)?;
    optimised(bytes, recipe)
}

/// Encodes luma and chroma.
pub fn encode_planes(planes: &Upright, extras: &Extras, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    super::check_size(recipe.format, (planes.width, planes.height), u64::MAX)?;
    let mut bytes = Vec::new();
    encoder(&mut bytes, extras, recipe)?.encode_image(planes).map_err(Failure::internal)?;
    optimised(bytes, recipe)
}

fn optimised(bytes: Vec<u8>, recipe: &Recipe) -> Result<Vec<u8>, Failure> {
    if recipe.progressive {
        return Ok(bytes);
    }
    Ok(longshore_jpeg::optimised(&bytes).map_err(Failure::internal)?.unwrap_or(bytes))
}
