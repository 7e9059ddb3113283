//! PNG sources.

use std::io::{Cursor, Read, SeekFrom};

use png::text_metadata::{ITXtChunk, ZTXtChunk};
use png::{BitDepth, ColorType, Decoder as Png, DecodingError, Info, Limits as PngLimits, Transformations};

use super::{Decoder, Frames, Header, Picture, Source};
use crate::colour::{Chromaticities, Profile};
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::raster::{Model, Pixels, Raster, Samples};
use crate::recipe::Limits;

/// What text, EXIF data and the like may take beside the profile.
const METADATA: u64 = 4 << 20;

/// The name of the text chunk that holds XMP (XMP specification, part 3, 1.1.5).
const XMP: &str = "XML:com.adobe.xmp";

fn decoder<'a>(reader: &'a mut (dyn Source + 'a), limits: &Limits) -> Png<&'a mut (dyn Source + 'a)> {
    let bytes = usize::try_from(limits.profile + METADATA).unwrap_or(usize::MAX);
    let mut decoder = Png::new_with_limits(reader, PngLimits { bytes });
    decoder.set_transformations(Transformations::EXPAND);
    decoder
}

fn failure(error: DecodingError) -> Failure {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::damaged("the file is cut short")
        }
        DecodingError::IoError(error) => Failure::unreadable(&error),
        DecodingError::LimitsExceeded => {
            Failure::new(Kind::TooLarge, "its metadata is larger than this program accepts")
        }
        other => Failure::damaged(other),
    }
}

pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let chunks = chunks(reader).map_err(|error| Failure::unreadable(&error))?;
    reader.seek(SeekFrom::Start(0)).map_err(|error| Failure::unreadable(&error))?;
    let reader = decoder(reader, limits).read_info().map_err(failure)?;
    let info = reader.info();
    check_profile(chunks.has_profile, info, limits)?;
    check_light(info)?;
    let is_animated = info.animation_control.is_some_and(|control| control.num_frames > 1);
    let (model, depth) = model_of(reader.output_color_type())?;
    // An interlaced picture is put together from seven.
    let beside = if info.interlaced { model.channels() as u64 * u64::from(depth) } else { 0 };
    Ok(Header {
        format: Input::Png,
        size: info.size(),
        orientation: super::of_exif(exif(info, chunks.late_exif, limits).as_deref()).orientation,
        frames: if is_animated { Frames::Animated } else { Frames::Still },
        is_lossy: false,
        model,
        depth,
        decoder: Decoder::Other { beside },
    })
}

/// What the decoder does not tell of the chunks.
struct Chunks {
    has_profile: bool,
    /// EXIF data behind the pixels, where ImageMagick writes it.
    late_exif: Option<Vec<u8>>,
}

/// Bytes at the end of a file among which EXIF data is looked for: a camera's has 64 kB at most.
const TAIL: u64 = 80 << 10;

/// Walks over the chunks before the pixels without reading their contents, and looks at the end of the
/// file.
fn chunks(reader: &mut dyn Source) -> std::io::Result<Chunks> {
    let mut found = Chunks { has_profile: false, late_exif: None };
    let mut has_exif = false;
    reader.seek(SeekFrom::Start(8))?;
    let mut head = [0; 8];
    while reader.read_exact(&mut head).is_ok() {
        let [a, b, c, d, name @ ..] = head;
        match &name {
            b"iCCP" => found.has_profile = true,
            b"eXIf" => has_exif = true,
            b"IDAT" | b"IEND" => break,
            _ => {}
        }
        // The contents, and their checksum.
        reader.seek_relative(i64::from(u32::from_be_bytes([a, b, c, d])) + 4)?;
    }
    if !has_exif {
        let length = reader.seek(SeekFrom::End(0))?;
        reader.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
        let mut tail = Vec::new();
        reader.take(TAIL).read_to_end(&mut tail)?;
        found.late_exif = exif_within(&tail).map(<[u8]>::to_vec);
    }
    Ok(found)
}

/// The contents of a chunk of EXIF data among bytes that may begin within a chunk: its checksum tells it
/// from pixels that look alike.
fn exif_within(tail: &[u8]) -> Option<&[u8]> {
    let mut names = tail.windows(4).enumerate().filter(|(_, name)| name == b"eXIf").map(|(at, _)| at);
    names.find_map(|at| {
        let length = u32::from_be_bytes(*tail.get(at.checked_sub(4)?..at)?.first_chunk()?);
        let end = at.checked_add(4 + usize::try_from(length).ok()?)?;
        let checksum = u32::from_be_bytes(*tail.get(end..)?.first_chunk()?);
        (crc32fast::hash(&tail[at..end]) == checksum).then(|| &tail[at + 4..end])
    })
}

/// EXIF data, wherever it is, without the head that it has in JPEG files.
fn exif(info: &Info<'_>, late: Option<Vec<u8>>, limits: &Limits) -> Option<Vec<u8>> {
    let chunk = info.exif_metadata.as_ref().map(|exif| exif.to_vec());
    let exif = chunk.or(late).or_else(|| raw_profile(info, limits))?;
    Some(super::without_head(&exif).to_vec())
}

/// EXIF data as text, as ImageMagick and others wrote it before there was a chunk for it: a line of its
/// name, a line of its length, and lines of two digits for each byte.
fn raw_profile(info: &Info<'_>, limits: &Limits) -> Option<Vec<u8>> {
    let is_exif = |name: &str| matches!(name, "Raw profile type exif" | "Raw profile type APP1");
    let packed = info.compressed_latin1_text.iter().filter(|chunk| is_exif(&chunk.keyword));
    let plain = info.uncompressed_latin1_text.iter().filter(|chunk| is_exif(&chunk.keyword));
    let packed = packed.filter_map(|chunk| unpacked(chunk.clone(), limits));
    packed.chain(plain.map(|chunk| chunk.text.clone())).find_map(|text| {
        let mut lines = text.trim_start().lines();
        let (_, length) = (lines.next()?, lines.next()?.trim().parse::<usize>().ok()?);
        let digits: Vec<u32> = lines.flat_map(str::chars).filter_map(|digit| digit.to_digit(16)).collect();
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
        // Under the second name there may be XMP as well.
        let has_head = [&b"Exif\0\0"[..], b"II*\0", b"MM\0*"].iter().any(|head| bytes.starts_with(head));
        (has_head && bytes.len() == length).then_some(bytes)
    })
}

/// Text that may be packed. The decoder unpacks it without a limit unless it is told of one.
trait Packed: Sized {
    /// Unpacks the text within a limit of bytes.
    fn unpack(&mut self, most: usize) -> Result<(), DecodingError>;
    /// The text.
    fn text(&self) -> Result<String, DecodingError>;
}

impl Packed for ZTXtChunk {
    fn unpack(&mut self, most: usize) -> Result<(), DecodingError> {
        self.decompress_text_with_limit(most)
    }

    fn text(&self) -> Result<String, DecodingError> {
        self.get_text()
    }
}

impl Packed for ITXtChunk {
    fn unpack(&mut self, most: usize) -> Result<(), DecodingError> {
        self.decompress_text_with_limit(most)
    }

    fn text(&self) -> Result<String, DecodingError> {
        self.get_text()
    }
}

/// The text of a chunk; `None` if it is broken or too large.
fn unpacked(mut chunk: impl Packed, limits: &Limits) -> Option<String> {
    chunk.unpack(usize::try_from(limits.profile).unwrap_or(usize::MAX)).ok()?;
    chunk.text().ok()
}

/// The decoder leaves out a profile that is too large or broken without a word, and colours would be wrong.
fn check_profile(has_profile: bool, info: &Info<'_>, limits: &Limits) -> Result<(), Failure> {
    let is_read = info.icc_profile.as_ref().is_some_and(|profile| profile.len() as u64 <= limits.profile);
    if has_profile && !is_read {
        let text = format!("its colour profile is broken, or has more than {} kB", limits.profile / 1000);
        return Err(Failure::new(Kind::TooLarge, text));
    }
    Ok(())
}

/// Refuses what is brighter than a screen's white.
fn check_light(info: &Info<'_>) -> Result<(), Failure> {
    // ITU-T H.273: 16 is PQ, 18 is HLG.
    match info.coding_independent_code_points.map(|points| points.transfer_function) {
        Some(16 | 18) => Err(Failure::unsupported("HDR pictures (PQ or HLG) in PNG files are not supported")),
        _ => Ok(()),
    }
}

fn model_of((color, depth): (ColorType, BitDepth)) -> Result<(Model, u8), Failure> {
    let model = match color {
        ColorType::Grayscale => Model::Grey,
        ColorType::GrayscaleAlpha => Model::GreyAlpha,
        ColorType::Rgb => Model::Rgb,
        ColorType::Rgba => Model::Rgba,
        ColorType::Indexed => return Err(Failure::internal("a palette that was not expanded")),
    };
    Ok((model, if depth == BitDepth::Sixteen { 2 } else { 1 }))
}

pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Failure> {
    let chunks = chunks(&mut Cursor::new(bytes)).map_err(|error| Failure::unreadable(&error))?;
    let mut cursor = Cursor::new(bytes);
    let mut reader = decoder(&mut cursor, limits).read_info().map_err(failure)?;
    check_profile(chunks.has_profile, reader.info(), limits)?;
    check_light(reader.info())?;
    let (model, depth) = model_of(reader.output_color_type())?;
    let (width, height) = reader.info().size();
    let has_palette = reader.info().color_type == ColorType::Indexed;
    let is_interlaced = reader.info().interlaced;
    let row = width as usize * model.channels() * usize::from(depth);
    let mut data = vec![0; row * height as usize];
    let mut damage = None;
    if is_interlaced {
        reader.next_frame(&mut data).map_err(failure)?;
    } else {
        for (number, line) in data.chunks_exact_mut(row).enumerate() {
            match reader.read_row(line) {
                Ok(Some(_)) => {}
                Ok(None) => return Err(Failure::damaged("the file ends before its last row")),
                Err(error) if number == 0 => return Err(failure(error)),
                Err(error) => {
                    let share = 100.0 * (f64::from(height) - number as f64) / f64::from(height);
                    damage = Some(format!("{share:.0} % of the picture is missing ({})", failure(error)));
                    break;
                }
            }
        }
        // The checksum of the last pixels. What is missing behind them is none of theirs.
        if damage.is_none()
            && let Err(DecodingError::Format(error)) = reader.finish()
        {
            damage = Some(error.to_string());
        }
    }
    let samples = if depth == 1 {
        Samples::Eight(data)
    } else {
        Samples::Sixteen(data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
    };
    let info = reader.info();
    let xmp = info.utf8_text.iter().find(|chunk| chunk.keyword == XMP);
    let xmp = xmp.and_then(|chunk| unpacked(chunk.clone(), limits)).map(String::into_bytes);
    Ok(Picture {
        pixels: Pixels::Raster(Raster { width, height, model, samples }),
        profile: profile(info),
        exif: exif(info, chunks.late_exif, limits),
        xmp,
        has_palette,
        damage,
        warnings: Vec::new(),
    })
}

/// What the file says of its colours, by the precedence of the standard (PNG, third edition, 4.3).
fn profile(info: &Info<'_>) -> Profile {
    if let Some(points) = info.coding_independent_code_points
        && let Some(profile) = coded(points.color_primaries, points.transfer_function)
    {
        return profile;
    }
    if let Some(profile) = &info.icc_profile {
        return Profile::Icc(profile.to_vec());
    }
    if info.srgb.is_some() {
        return Profile::Srgb;
    }
    let pair = |point: (png::ScaledFloat, png::ScaledFloat)| (point.0.into_value(), point.1.into_value());
    let chromaticities = info.chrm_chunk.map(|c| Chromaticities {
        white: pair(c.white),
        primaries: [pair(c.red), pair(c.green), pair(c.blue)],
    });
    Profile::described(info.gama_chunk.map(|gamma| gamma.into_value()), chromaticities)
}

/// Colours by the numbers of ITU-T H.273; `None` for numbers that mean nothing here.
fn coded(primaries: u8, transfer: u8) -> Option<Profile> {
    let chromaticities = |white: (f32, f32), primaries| Some(Chromaticities { white, primaries });
    const D65: (f32, f32) = (0.3127, 0.329);
    let space = match primaries {
        1 => None,
        9 => chromaticities(D65, [(0.708, 0.292), (0.17, 0.797), (0.131, 0.046)]),
        11 => chromaticities((0.314, 0.351), [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)]),
        12 => chromaticities(D65, [(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)]),
        _ => return None,
    };
    let gamma = match transfer {
        4 => Some(1.0 / 2.2),
        5 => Some(1.0 / 2.8),
        8 => Some(1.0),
        // The curves of films are shown as sRGB's is.
        1 | 6 | 13 | 14 | 15 => None,
        _ => return None,
    };
    Some(Profile::described(gamma, space))
}
