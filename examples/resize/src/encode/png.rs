//! PNG outputs.

use std::borrow::Cow;

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter, Info};

use super::Extras;
use super::palette::{self, Indexed};
use crate::failure::Failure;
use crate::raster::{Model, Raster, Samples};

/// What zlib has as its default, and users compare with.
const LEVEL: u8 = 6;

/// The keyword of a text chunk that holds XMP (XMP specification, part 3, 1.1.5).
const XMP: &str = "XML:com.adobe.xmp";

/// Encodes a picture, in as few bits as show it.
pub fn encode(raster: Raster, extras: &Extras) -> Result<Vec<u8>, Failure> {
    // A profile describes colours or shades of grey, and its picture has to stay that.
    let raster = if extras.icc.is_some() { raster } else { palette::reduced(raster) };
    let mut info = Info::with_size(raster.width, raster.height);
    info.icc_profile = extras.icc.as_ref().map(|icc| Cow::Borrowed(&icc[..]));
    info.exif_metadata = extras.metadata.exif.as_ref().map(|exif| Cow::Borrowed(&exif[..]));
    let (data, filter) = match palette::indexed(&raster, extras.had_palette) {
        Some(Indexed { palette, indices }) => {
            info.color_type = ColorType::Indexed;
            info.palette = Some(palette.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect());
            // Alpha of the last colours may be left out where it is opaque.
            let alpha: Vec<u8> = palette.iter().map(|colour| colour[3]).collect();
            let last = alpha.iter().rposition(|&alpha| alpha != 255);
            info.trns = last.map(|last| Cow::Owned(alpha[..=last].to_vec()));
            info.bit_depth = match palette.len() {
                0..=2 => BitDepth::One,
                3..=4 => BitDepth::Two,
                5..=16 => BitDepth::Four,
                _ => BitDepth::Eight,
            };
            (packed(&indices, raster.width as usize, info.bit_depth as u8), Filter::NoFilter)
        }
        None => {
            info.color_type = match raster.model {
                Model::Grey => ColorType::Grayscale,
                Model::GreyAlpha => ColorType::GrayscaleAlpha,
                Model::Rgba => ColorType::Rgba,
                Model::Rgb | Model::Cmyk => ColorType::Rgb,
            };
            match raster.samples {
                Samples::Eight(samples) => (samples, Filter::Adaptive),
                Samples::Sixteen(samples) => {
                    info.bit_depth = BitDepth::Sixteen;
                    (samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(), Filter::Adaptive)
                }
            }
        }
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::with_info(&mut bytes, info).map_err(Failure::internal)?;
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    encoder.set_filter(filter);
    if let Some(xmp) = extras.metadata.xmp.as_ref().and_then(|xmp| str::from_utf8(xmp).ok()) {
        encoder.add_itxt_chunk(XMP.into(), xmp.into()).map_err(Failure::internal)?;
    }
    let mut writer = encoder.write_header().map_err(Failure::internal)?;
    writer.write_image_data(&data).map_err(Failure::internal)?;
    writer.finish().map_err(Failure::internal)?;
    Ok(bytes)
}

/// Puts indices of a few bits side by side; every row begins with a byte of its own.
fn packed(indices: &[u8], width: usize, bits: u8) -> Vec<u8> {
    if bits == 8 {
        return indices.to_vec();
    }
    let per_byte = usize::from(8 / bits);
    let byte = |part: &[u8]| {
        let shifted = part.iter().zip(1_u8..).map(|(&index, place)| index << (8 - bits * place));
        shifted.fold(0, |byte, part| byte | part)
    };
    indices.chunks_exact(width).flat_map(|row| row.chunks(per_byte).map(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_packed_from_the_left() {
        assert_eq!(packed(&[1, 0, 1, 1, 1, 0], 3, 1), [0b1010_0000, 0b1100_0000]);
        assert_eq!(packed(&[1, 2, 3, 0, 2], 5, 2), [0b0110_1100, 0b1000_0000]);
        assert_eq!(packed(&[15, 1], 2, 4), [0xf1]);
        assert_eq!(packed(&[15, 1], 2, 8), [15, 1]);
    }
}
