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
    /// Whether each sample of a pixel is in a plane of its own.
    is_planar: bool,
    /// Whether colours are multiplied by their alpha.
    is_premultiplied: bool,
}

/// What PhotometricInterpretation says of a palette (TIFF 6.0, section 5), which the decoder does not read.
const PALETTE: u16 = 3;

/// What it says where 0 is black.
const SHADES: u16 = 1;

fn layout(tiff: &mut Opened<'_>) -> Result<Layout, Failure> {
    let unsupported = |color: ColorType| {
        Err(Failure::unsupported(format!("TIFF files with pixels of {color:?} are not supported")))
    };
    let numbers = |tiff: &mut Opened<'_>, tag| {
        tiff.find_tag_unsigned_vec::<u16>(tag).map(Option::unwrap_or_default).map_err(failure)
    };
    let interpretation = numbers(tiff, Tag::PhotometricInterpretation)?;
    let color = match interpretation.first() {
        Some(&PALETTE) => {
            let bits = numbers(tiff, Tag::BitsPerSample)?;
            match bits[..] {
                [] => ColorType::Palette(1),
                [bits @ (1 | 2 | 4 | 8)] => ColorType::Palette(bits as u8),
                _ => return Err(Failure::unsupported("TIFF files with such a palette are not supported")),
            }
        }
        _ => tiff.colortype().map_err(failure)?,
    };
    // 1 is alpha that the colours are multiplied by, 2 is alpha that they are not multiplied by.
    let extra = numbers(tiff, Tag::ExtraSamples)?.first().copied().unwrap_or_default();
    let (model, bits, has_palette) = match color {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8 | 16)) => (Model::Grey, bits, false),
        ColorType::Multiband { bit_depth: bits @ (8 | 16), num_samples: 2 } if matches!(extra, 1 | 2) => {
            (Model::GreyAlpha, bits, false)
        }
        ColorType::RGB(bits @ (8 | 16)) => (Model::Rgb, bits, false),
        ColorType::RGBA(bits @ (8 | 16)) => (Model::Rgba, bits, false),
        ColorType::CMYK(bits @ (8 | 16)) => (Model::Cmyk, bits, false),
        ColorType::Palette(bits) => (Model::Rgb, bits, true),
        // Luma and chroma as well: the decoder does not convert them.
        other => return unsupported(other),
    };
    let is_planar = numbers(tiff, Tag::PlanarConfiguration)?.first() == Some(&2) && model.channels() > 1;
    if is_planar && has_palette {
        return unsupported(color);
    }
    if numbers(tiff, Tag::SampleFormat)?.iter().any(|&format| format != 1) {
        return Err(Failure::unsupported("TIFF files with signed or fractional samples are not supported"));
    }
    let is_premultiplied = model.has_alpha() && extra == 1;
    Ok(Layout { model, bits, has_palette, is_planar, is_premultiplied })
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
    let icc = profile(&mut tiff, limits)?;
    let samples = if layout.has_palette {
        let palette = tiff.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(failure)?;
        let palette = palette.ok_or_else(|| Failure::damaged("a palette image without a palette"))?;
        let shades = as_shades(bytes).ok_or_else(|| Failure::damaged("a directory that is broken"))?;
        let mut cursor = Cursor::new(&shades[..]);
        let indices = read(&mut open(&mut cursor, limits.memory, limits)?, layout, width)?;
        Samples::Eight(coloured(indices.bytes(), &palette)?)
    } else {
        read(&mut tiff, layout, width)?
    };
    let count = width as usize * height as usize * layout.model.channels();
    if samples.bytes().len() != count * samples.size() {
        return Err(Failure::damaged("the file has fewer pixels than it says"));
    }
    let raster = Raster { width, height, model: layout.model, samples };
    let raster = if layout.is_premultiplied { raster.divided() } else { raster };
    let profile = icc.map_or(Profile::Srgb, Profile::Icc);
    Ok(Picture { profile, has_palette: layout.has_palette, ..Picture::of(raster) })
}

/// The samples of all pixels, or the numbers of their colours.
fn read(tiff: &mut Opened<'_>, layout: Layout, width: u32) -> Result<Samples, Failure> {
    let mut result = DecodingResult::U8(Vec::new());
    tiff.read_image_to_buffer(&mut result).map_err(failure)?;
    let samples = match result {
        DecodingResult::U8(samples) => Samples::Eight(samples),
        DecodingResult::U16(samples) => Samples::Sixteen(samples),
        _ => return Err(Failure::unsupported("TIFF files with samples of this kind are not supported")),
    };
    let planes = tiff.find_tag_unsigned::<u16>(Tag::SamplesPerPixel).map_err(failure)?.unwrap_or(1);
    let planes = if layout.is_planar { usize::from(planes) } else { 1 };
    Ok(match samples {
        Samples::Eight(packed) if matches!(layout.bits, 1 | 2 | 4) => {
            Samples::Eight(unpacked(&packed, width as usize, layout.bits, layout.has_palette))
        }
        Samples::Eight(samples) => Samples::Eight(interleaved(samples, planes, layout.model.channels())),
        Samples::Sixteen(samples) => Samples::Sixteen(interleaved(samples, planes, layout.model.channels())),
    })
}

/// Puts the samples of each pixel side by side, of those planes that are shown.
fn interleaved<T: Copy>(samples: Vec<T>, planes: usize, channels: usize) -> Vec<T> {
    let length = samples.len() / planes.max(1);
    if planes < 2 || planes < channels || length == 0 {
        return samples;
    }
    let planes: Vec<&[T]> = samples.chunks_exact(length).take(channels).collect();
    (0..length).flat_map(|pixel| planes.iter().map(move |plane| plane[pixel])).collect()
}

/// The file with the numbers of colours as shades of grey, which the decoder reads.
fn as_shades(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_little = bytes.first()? == &b'I';
    let number = |at: usize, length: usize| -> Option<usize> {
        let found = bytes.get(at..at.checked_add(length)?)?;
        let append = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
        Some(if is_little { found.iter().rev().fold(0, append) } else { found.iter().fold(0, append) })
    };
    // A file of more than 4 GB, or that could be, has wider numbers.
    let is_big = number(2, 2)? == 43;
    let (directory, width, size) = if is_big { (number(8, 8)?, 8, 20) } else { (number(4, 4)?, 2, 12) };
    let count = number(directory, width)?.min(usize::from(u16::MAX));
    let entries = (0..count).map(|index| directory + width + index * size);
    let interpretation = usize::from(Tag::PhotometricInterpretation.to_u16());
    let entry = entries.into_iter().find(|&entry| number(entry, 2) == Some(interpretation))?;
    // A tag, a type, a number of values, and the value.
    let value = entry + size - width.max(4);
    let mut shades = bytes.to_vec();
    let place = shades.get_mut(value..value + 2)?;
    place.copy_from_slice(&if is_little { SHADES.to_le_bytes() } else { SHADES.to_be_bytes() });
    Some(shades)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_samples_are_taken_apart() {
        assert_eq!(unpacked(&[0b1010_0000, 0b0100_0000], 3, 1, false), [255, 0, 255, 0, 255, 0]);
        assert_eq!(unpacked(&[0b0001_1011], 4, 2, false), [0, 85, 170, 255]);
        assert_eq!(unpacked(&[0x3f], 2, 4, true), [3, 15]);
    }
}
