//! TIFF sources.

use std::io::Cursor;

use tiff::decoder::{Decoder as Tiff, DecodingResult, Limits as TiffLimits};
use tiff::tags::{Tag, Type, ValueBuffer};
use tiff::{ColorType, TiffError};

use super::{Decoder, Frames, Header, Picture, Source};
use crate::colour::Profile;
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::orientation::Orientation;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Limits;

/// The profile's tag (ICC.1:2010, B.5).
const ICC: Tag = Tag::Unknown(34_675);

/// What tags may take while the header is read.
const MOST_TAGS: u64 = 8 << 20;

/// The decoder of any source.
type Opened<'a> = Tiff<&'a mut (dyn Source + 'a)>;

/// Opens a source with so many bytes for its pixels or its tags.
fn open<'a>(reader: &'a mut (dyn Source + 'a), most: u64, limits: &Limits) -> Result<Opened<'a>, Failure> {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut bounds = TiffLimits::default();
    bounds.decoding_buffer_size = bytes(most);
    bounds.intermediate_buffer_size = bytes(limits.memory);
    bounds.ifd_value_size = bytes(limits.profile.max(1 << 20));
    Ok(Tiff::new(reader).map_err(failure)?.with_limits(bounds))
}

fn failure(error: TiffError) -> Failure {
    match error {
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::damaged("the file is cut short")
        }
        TiffError::IoError(error) => Failure::unreadable(&error),
        TiffError::UnsupportedError(what) => Failure::unsupported(format!("this kind of TIFF file: {what}")),
        TiffError::LimitsExceeded => {
            Failure::new(Kind::TooLarge, "it takes more memory than --max-memory allows")
        }
        other => Failure::damaged(other),
    }
}

/// How the samples of a file become those of a raster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    model: Model,
    bits: u8,
    has_palette: bool,
}

fn layout(tiff: &mut Opened<'_>) -> Result<Layout, Failure> {
    let color = tiff.colortype().map_err(failure)?;
    let (model, bits, has_palette) = match color {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8 | 16)) => (Model::Grey, bits, false),
        ColorType::GrayA(bits @ (8 | 16)) => (Model::GreyAlpha, bits, false),
        ColorType::RGB(bits @ (8 | 16)) => (Model::Rgb, bits, false),
        ColorType::RGBA(bits @ (8 | 16)) => (Model::Rgba, bits, false),
        ColorType::CMYK(bits @ (8 | 16)) => (Model::Cmyk, bits, false),
        ColorType::Palette(bits @ (1 | 2 | 4 | 8)) => (Model::Rgb, bits, true),
        ColorType::YCbCr(8) => (Model::Rgb, 8, false),
        other => {
            return Err(Failure::unsupported(format!(
                "TIFF files with pixels of {other:?} are not supported"
            )));
        }
    };
    let planes = tiff.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(failure)?;
    if planes == Some(2) && !matches!(color, ColorType::Gray(_) | ColorType::Palette(_)) {
        return Err(Failure::unsupported(
            "TIFF files with planes of their own for each colour are not supported",
        ));
    }
    let formats = tiff.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(failure)?;
    if formats.is_some_and(|formats| formats.iter().any(|&format| format != 1)) {
        return Err(Failure::unsupported("TIFF files with signed or fractional samples are not supported"));
    }
    Ok(Layout { model, bits, has_palette })
}

fn orientation(tiff: &mut Opened<'_>) -> Orientation {
    let number = tiff.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten();
    number.and_then(|number| Orientation::from_exif(number.into())).unwrap_or(Orientation::UPRIGHT)
}

pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let mut tiff = open(reader, MOST_TAGS, limits)?;
    check_profile(&mut tiff, limits)?;
    let Layout { model, bits, .. } = layout(&mut tiff)?;
    let depth = if bits == 16 { 2 } else { 1 };
    Ok(Header {
        format: Input::Tiff,
        size: tiff.dimensions().map_err(failure)?,
        orientation: orientation(&mut tiff),
        frames: if tiff.more_images() { Frames::Pages } else { Frames::Still },
        is_lossy: false,
        model,
        depth,
        // Strips or tiles of unknown height.
        decoder: Decoder::Other { beside: model.channels() as u64 * u64::from(depth) },
    })
}

/// The colour profile. One that cannot be read is refused, because without it the colours would be wrong.
fn profile(tiff: &mut Opened<'_>, limits: &Limits) -> Result<Option<Vec<u8>>, Failure> {
    check_profile(tiff, limits)?;
    // As bytes: each would be a value of 32 bytes otherwise.
    let mut value = ValueBuffer::empty(Type::UNDEFINED);
    let found = tiff.image_ifd().find_tag_buf(ICC, &mut value).map_err(failure)?;
    Ok(found.map(|_| value.as_bytes().to_vec()))
}

fn check_profile(tiff: &mut Opened<'_>, limits: &Limits) -> Result<(), Failure> {
    match tiff.image_ifd().find_entry(ICC) {
        Some(entry) if entry.count() > limits.profile => {
            let text = format!("its colour profile has more than {} kB", limits.profile / 1000);
            Err(Failure::new(Kind::TooLarge, text))
        }
        _ => Ok(()),
    }
}

pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Failure> {
    let mut cursor = Cursor::new(bytes);
    let mut tiff = open(&mut cursor, limits.memory, limits)?;
    let layout = layout(&mut tiff)?;
    let (width, height) = tiff.dimensions().map_err(failure)?;
    let palette = if layout.has_palette {
        Some(tiff.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(failure)?)
    } else {
        None
    };
    let icc = profile(&mut tiff, limits)?;
    // 1 is alpha that the colours are multiplied by.
    let extra = tiff.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
    let is_premultiplied = layout.model.has_alpha() && extra.is_some_and(|kinds| kinds.first() == Some(&1));
    let samples = match tiff.read_image().map_err(failure)? {
        DecodingResult::U8(samples) => Samples::Eight(samples),
        DecodingResult::U16(samples) => Samples::Sixteen(samples),
        _ => return Err(Failure::unsupported("TIFF files with samples of this kind are not supported")),
    };
    let samples = match (samples, layout.bits) {
        (Samples::Eight(packed), bits @ (1 | 2 | 4)) => {
            Samples::Eight(unpacked(&packed, width as usize, bits, layout.has_palette))
        }
        (samples, _) => samples,
    };
    let samples = match (samples, palette) {
        (Samples::Eight(indices), Some(Some(palette))) => Samples::Eight(coloured(&indices, &palette)?),
        (_, Some(_)) => return Err(Failure::damaged("a palette image without a palette")),
        (samples, None) => samples,
    };
    let samples = if is_premultiplied { divided(samples, layout.model.channels()) } else { samples };
    let count = width as usize * height as usize * layout.model.channels();
    if samples.bytes().len() != count * samples.size() {
        return Err(Failure::damaged("the file has fewer pixels than it says"));
    }
    let raster = Raster { width, height, model: layout.model, samples };
    let profile = icc.map_or(Profile::Srgb, Profile::Icc);
    Ok(Picture { profile, has_palette: layout.has_palette, ..Picture::of(raster) })
}

/// Takes samples of less than a byte out of their bytes; as shades of grey they are spread over the whole
/// range.
fn unpacked(packed: &[u8], width: usize, bits: u8, are_indices: bool) -> Vec<u8> {
    let per_byte = usize::from(8 / bits);
    let most = (1_u8 << bits) - 1;
    let factor = if are_indices { 1 } else { 255 / most };
    let sample = |row: &[u8], x: usize| {
        let shift = 8 - bits - (x % per_byte) as u8 * bits;
        (row[x / per_byte] >> shift & most) * factor
    };
    packed
        .chunks_exact(width.div_ceil(per_byte))
        .flat_map(|row| (0..width).map(move |x| sample(row, x)))
        .collect()
}

/// Looks up colours: a palette has all reds, then all greens, then all blues, of 16 bits.
fn coloured(indices: &[u8], palette: &[u16]) -> Result<Vec<u8>, Failure> {
    let count = palette.len() / 3;
    let mut samples = Vec::with_capacity(indices.len() * 3);
    for &index in indices {
        let index = usize::from(index);
        if index >= count {
            return Err(Failure::damaged("a colour that the palette does not have"));
        }
        samples.extend(
            [palette[index], palette[count + index], palette[2 * count + index]].map(|s| (s >> 8) as u8),
        );
    }
    Ok(samples)
}

/// Divides colours by the alpha that they are multiplied by.
fn divided(samples: Samples, channels: usize) -> Samples {
    fn divide<T: Copy + Into<u64>>(samples: &mut [T], channels: usize, most: u64, narrow: impl Fn(u64) -> T) {
        for pixel in samples.chunks_exact_mut(channels) {
            let alpha: u64 = pixel[channels - 1].into();
            for sample in &mut pixel[..channels - 1] {
                let value: u64 = (*sample).into();
                *sample = narrow((value * most + alpha / 2).checked_div(alpha).unwrap_or(0).min(most));
            }
        }
    }
    match samples {
        Samples::Eight(mut samples) => {
            divide(&mut samples, channels, 255, |x| x as u8);
            Samples::Eight(samples)
        }
        Samples::Sixteen(mut samples) => {
            divide(&mut samples, channels, 65_535, |x| x as u16);
            Samples::Sixteen(samples)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_samples_are_taken_apart() {
        assert_eq!(unpacked(&[0b1010_0000, 0b0100_0000], 3, 1, false), [255, 0, 255, 0, 255, 0]);
        assert_eq!(unpacked(&[0b0001_1011], 4, 2, false), [0, 85, 170, 255]);
        assert_eq!(unpacked(&[0x3f], 2, 4, true), [3, 15]);
    }

    #[test]
    fn premultiplied_colours_are_divided() {
        let samples = divided(Samples::Eight(vec![64, 0, 128, 128, 9, 9, 9, 0]), 4);
        assert_eq!(samples, Samples::Eight(vec![128, 0, 255, 128, 0, 0, 0, 0]));
    }
}
