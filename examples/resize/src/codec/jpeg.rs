//! JPEG sources.

use std::io::{self, ErrorKind};

use longshore_jpeg::{Colour, Error, Header as Jpeg, Image, Plane, Scale, Segments};

use super::{Decoder, Frames, Header, Picture, Source, gain_map};
use crate::colour::Profile;
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::raster::{Model, Pixels, Raster, Samples, rgb_of_pixel};
use crate::recipe::Limits;

/// Segments of one header. Real ones have some hundreds, where a film or a depth map is part of a picture.
const MOST_SEGMENTS: usize = 20_000;

/// Bytes of those that are kept until the header is understood. Real ones have one segment of 64 kB among
/// them.
const MOST_HEADER: usize = 1 << 20;

const EXIF: &[u8] = b"Exif\0\0";
pub const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The head of each part of a colour profile (ICC.1:2010, B.4); two bytes with numbers follow.
const ICC: &[u8; 12] = b"ICC_PROFILE\0";

pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let mut profile = 0;
    let file = condensed(reader, &mut profile).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => failure(Error::CutShort),
        _ => Failure::unreadable(&error),
    })?;
    check_profile(profile, limits)?;
    match Jpeg::read(&file) {
        Err(error) => Err(failure(error)),
        Ok(jpeg) => Ok(described(jpeg, &file)),
    }
}

/// The header of a file up to its first scan, without the segments that say nothing about it: they can be
/// megabytes. Adds up the bytes of its colour profile.
fn condensed(reader: &mut dyn Source, profile: &mut u64) -> io::Result<Vec<u8>> {
    let mut file = vec![0; 2];
    let mut has_exif = false;
    reader.read_exact(&mut file)?;
    for _ in 0..MOST_SEGMENTS {
        let marker = marker(reader)?;
        // Markers without a length.
        if matches!(marker, 0x01 | 0xd0..=0xd9) {
            file.extend([0xff, marker]);
            continue;
        }
        let mut length = [0; 2];
        reader.read_exact(&mut length)?;
        let contents = u16::from_be_bytes(length).saturating_sub(2);
        let is_needed = matches!(marker, 0xc0..=0xcf | 0xda | 0xdc | 0xe0 | 0xe1 | 0xee);
        if is_needed {
            file.extend([0xff, marker]);
            file.extend(length);
            let start = file.len();
            file.resize(start + usize::from(contents), 0);
            reader.read_exact(&mut file[start..])?;
            // Other segments of that number are XMP packets, of which there can be many.
            if marker == 0xe1 && (has_exif || !file[start..].starts_with(EXIF)) {
                file.truncate(start - 4);
            } else {
                has_exif |= marker == 0xe1;
            }
            if file.len() > MOST_HEADER {
                break;
            }
        } else {
            let mut head = [0; ICC.len()];
            let length = if marker == 0xe2 { ICC.len().min(contents.into()) } else { 0 };
            reader.read_exact(&mut head[..length])?;
            if head == *ICC {
                *profile += u64::from(contents).saturating_sub(ICC.len() as u64 + 2);
            }
            reader.seek_relative(i64::from(contents) - length as i64)?;
        }
        if marker == 0xda {
            return Ok(file);
        }
    }
    Err(io::Error::new(ErrorKind::InvalidData, "the header has too many segments"))
}

/// The next marker. Bytes before it are passed over, its first byte may be repeated.
fn marker(reader: &mut dyn Source) -> io::Result<u8> {
    let mut byte = [0];
    loop {
        while byte != [0xff] {
            reader.read_exact(&mut byte)?;
        }
        while byte == [0xff] {
            reader.read_exact(&mut byte)?;
        }
        if byte != [0] {
            return Ok(byte[0]);
        }
    }
}

fn described(jpeg: Jpeg, bytes: &[u8]) -> Header {
    let model = match jpeg.colour {
        Colour::Grey => Model::Grey,
        Colour::YCbCr | Colour::Rgb => Model::Rgb,
        Colour::Cmyk | Colour::Ycck => Model::Cmyk,
    };
    Header {
        format: Input::Jpeg,
        size: (jpeg.width.into(), jpeg.height.into()),
        orientation: super::of_exif(segment(bytes, 1, EXIF)).orientation,
        frames: Frames::Still,
        is_lossy: true,
        model,
        depth: 1,
        decoder: Decoder::Jpeg(jpeg),
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Unsupported(_) => Failure::unsupported(error.to_string()),
        _ => Failure::damaged(error),
    }
}

/// The contents of the first segment of a number and name, without the name.
fn segment<'a>(bytes: &'a [u8], number: u8, name: &[u8]) -> Option<&'a [u8]> {
    let mut segments = Segments::of(bytes).filter(|segment| segment.number == number);
    segments.find_map(|segment| segment.contents.strip_prefix(name))
}

fn check_profile(bytes: u64, limits: &Limits) -> Result<(), Failure> {
    if bytes <= limits.profile {
        return Ok(());
    }
    let text = format!("its colour profile has more than {} kB", limits.profile / 1000);
    Err(Failure::new(Kind::TooLarge, text))
}

pub fn decode(
    bytes: &[u8],
    jpeg: &Jpeg,
    scale: Scale,
    limits: &Limits,
    spare: &mut Vec<Vec<u8>>,
) -> Result<Picture, Failure> {
    let image = jpeg.decode_into(bytes, scale, spare).map_err(failure)?;
    let damage = image.damage.map(|damage| damage.to_string());
    let exif = segment(bytes, 1, EXIF);
    let profile = longshore_jpeg::icc_profile(bytes);
    let mut warnings = Vec::new();
    if profile.is_none() && segment(bytes, 2, ICC).is_some() {
        warnings.push("its colour profile lacks a part and is left out".into());
    }
    check_profile(profile.as_ref().map_or(0, |profile| profile.len() as u64), limits)?;
    let profile = match profile {
        Some(profile) => Profile::Icc(profile),
        None if super::of_exif(exif).is_adobe_rgb && jpeg.components.len() == 3 => Profile::adobe_rgb(),
        None => Profile::Srgb,
    };
    if gain_map::is_in(bytes) {
        warnings.push("its gain map (the bright part of an HDR picture) is left out".into());
    }
    Ok(Picture {
        pixels: pixels(jpeg.colour, image, spare)?,
        profile,
        exif: exif.map(<[u8]>::to_vec),
        xmp: segment(bytes, 1, XMP).map(<[u8]>::to_vec),
        has_palette: false,
        damage,
        warnings,
    })
}

fn pixels(colour: Colour, image: Image, spare: &mut Vec<Vec<u8>>) -> Result<Pixels, Failure> {
    let planes = image.planes;
    if colour == Colour::YCbCr {
        let planes = <[Plane; 3]>::try_from(planes);
        return planes.map(Pixels::Planes).map_err(|_| Failure::internal("a JPEG file without three planes"));
    }
    let raster = interleaved(colour, &planes)?;
    spare.extend(planes.into_iter().map(|plane| plane.data));
    Ok(Pixels::Raster(raster))
}

/// Interleaves planes. Those of a subsampled component are repeated: no encoder makes such files except for
/// chroma.
fn interleaved(colour: Colour, planes: &[Plane]) -> Result<Raster, Failure> {
    let (width, height) = planes.iter().fold((0, 0), |most, p| (p.width.max(most.0), p.height.max(most.1)));
    let mut samples = Vec::with_capacity(width * height * planes.len());
    let column = |plane: &Plane, x: usize| (x * plane.width / width).min(plane.width - 1);
    for y in 0..height {
        let row = |plane: &Plane| (y * plane.height / height).min(plane.height - 1) * plane.stride;
        for x in 0..width {
            let sample = |index: usize| {
                let plane = &planes[index];
                plane.data[row(plane) + column(plane, x)]
            };
            match colour {
                Colour::Grey => samples.push(sample(0)),
                Colour::Cmyk => samples.extend([0, 1, 2, 3].map(|index| 255 - sample(index))),
                Colour::Ycck => {
                    // What luma and chroma stand for is the complement of the stored inks.
                    let [cyan, magenta, yellow] = rgb_of_pixel(sample(0), sample(1), sample(2));
                    samples.extend([cyan, magenta, yellow, 255 - sample(3)]);
                }
                _ => samples.extend([sample(0), sample(1), sample(2)]),
            }
        }
    }
    let model = match colour {
        Colour::Grey => Model::Grey,
        Colour::Cmyk | Colour::Ycck => Model::Cmyk,
        _ => Model::Rgb,
    };
    let (width, height) =
        (u32::try_from(width).map_err(Failure::internal)?, u32::try_from(height).map_err(Failure::internal)?);
    Ok(Raster { width, height, model, samples: Samples::Eight(samples) })
}
