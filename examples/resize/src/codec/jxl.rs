//! JPEG XL sources (ISO/IEC 18181).
//!
//! The container is read here and the decoder is only given the codestream: the decoder would unpack
//! metadata without a limit, and build a profile of 256 MB before anything could be said against it.

use std::io::{self, ErrorKind, Read, SeekFrom};
use std::ops::Range;

use brotli_decompressor::Decompressor;
use jxl_bitstream::Bitstream;
use jxl_oxide::color::{ColourEncoding, ColourSpace, EnumColourEncoding, RenderingIntent, TransferFunction};
use jxl_oxide::frame::Encoding;
use jxl_oxide::image::{BitDepth, ImageHeader};
use jxl_oxide::{AllocTracker, InitializeResult, JxlImage, PixelFormat, Render};
use jxl_oxide_common::Bundle;
use moxcms::ColorProfile;

use super::{Decoder, Frame, Frames, Header, Picture, Source};
use crate::colour::Profile;
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::metadata::{self, exif};
use crate::orientation::Orientation;
use crate::raster::{Model, Pixels, Raster, Samples};
use crate::recipe::Limits;

/// The first box of a container (ISO/IEC 18181-2, 9.1).
const CONTAINER: &[u8; 12] = b"\0\0\0\x0cJXL \r\n\x87\n";

/// Boxes of one file. Real ones have some dozens, where the codestream is cut into parts.
const MOST_BOXES: usize = 20_000;

/// Bytes of the codestream that the decoder gets at a time: it keeps what it cannot use yet, and begins
/// anew.
const PIECE: usize = 64 << 10;

/// Bytes for each pixel and channel that the decoder has at its peak, beside the decoded samples: planes of
/// 32 bits, and copies of them in the steps of a picture that was stored with loss.
const PLANE_BYTES: u64 = 12;

/// What is outside of the codestream.
#[derive(Debug, Default)]
struct Boxes {
    codestream: Vec<Range<u64>>,
    exif: Option<Place>,
    xmp: Option<Place>,
    has_gain_map: bool,
    /// Whether it was a JPEG file, which can be had back.
    was_jpeg: bool,
}

impl Boxes {
    /// The first of a kind counts.
    fn put(&mut self, name: [u8; 4], place: Place) {
        let slot = match &name {
            b"Exif" => &mut self.exif,
            b"xml " => &mut self.xmp,
            _ => return,
        };
        slot.get_or_insert(place);
    }
}

/// Where metadata is.
#[derive(Clone, Debug)]
struct Place {
    inside: Range<u64>,
    /// Whether it is packed by Brotli.
    is_packed: bool,
}

/// Walks over the boxes of a file, or finds that it is a codestream and nothing else.
fn boxes(reader: &mut dyn Source) -> io::Result<Boxes> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(0))?;
    let mut first = [0; CONTAINER.len()];
    let mut found = Boxes::default();
    if length < first.len() as u64 || {
        reader.read_exact(&mut first)?;
        first != *CONTAINER
    } {
        found.codestream.push(0..length);
        return Ok(found);
    }
    let mut at = first.len() as u64;
    for _ in 0..MOST_BOXES {
        if at + 8 > length {
            return Ok(found);
        }
        let mut head = [0; 8];
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut head)?;
        let [a, b, c, d, name @ ..] = head;
        let (mut start, size) = (at + 8, u64::from(u32::from_be_bytes([a, b, c, d])));
        let end = match size {
            // Up to the end of the file.
            0 => length,
            1 => {
                let mut long = [0; 8];
                reader.read_exact(&mut long)?;
                start += 8;
                at.saturating_add(u64::from_be_bytes(long))
            }
            size => at + size,
        };
        if end < start {
            return Err(io::Error::new(ErrorKind::InvalidData, "a box is shorter than its own head"));
        }
        let inside = start.min(length)..end.min(length);
        match &name {
            b"jxlc" => found.codestream.push(inside),
            // The number of the part comes first.
            b"jxlp" => found.codestream.push((start + 4).min(inside.end)..inside.end),
            b"Exif" | b"xml " => found.put(name, Place { inside, is_packed: false }),
            b"brob" if inside.end - inside.start >= 4 => {
                let mut packed = [0; 4];
                reader.read_exact(&mut packed)?;
                found.put(packed, Place { inside: inside.start + 4..inside.end, is_packed: true });
            }
            b"jhgm" => found.has_gain_map = true,
            b"jbrd" => found.was_jpeg = true,
            _ => {}
        }
        at = end;
    }
    Err(io::Error::new(ErrorKind::InvalidData, "the file has too many boxes"))
}

/// The codestream, in pieces.
struct Codestream<'a> {
    reader: &'a mut dyn Source,
    parts: std::vec::IntoIter<Range<u64>>,
    now: Range<u64>,
}

impl<'a> Codestream<'a> {
    fn of(reader: &'a mut dyn Source, boxes: &Boxes) -> Codestream<'a> {
        Codestream { reader, parts: boxes.codestream.clone().into_iter(), now: 0..0 }
    }

    /// Appends the next piece; returns whether there was one.
    fn next(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        while self.now.is_empty() {
            let Some(part) = self.parts.next() else { return Ok(false) };
            self.now = part;
        }
        let count = (self.now.end - self.now.start).min(PIECE as u64);
        self.reader.seek(SeekFrom::Start(self.now.start))?;
        let start = piece.len();
        piece.resize(start + count as usize, 0);
        self.reader.read_exact(&mut piece[start..])?;
        self.now.start += count;
        Ok(true)
    }
}

fn unreadable(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidData => Failure::damaged(error),
        ErrorKind::UnexpectedEof => cut_short(),
        _ => Failure::unreadable(error),
    }
}

fn cut_short() -> Failure {
    Failure::damaged("the file is cut short")
}

type Refused = Box<dyn std::error::Error + Send + Sync>;

fn failure(error: Refused) -> Failure {
    let text = error.to_string();
    // What the limit of memory was exceeded by has a type of its own in a package that is not visible here.
    if text.contains("failed to allocate") {
        return Failure::new(Kind::TooLarge, "it takes more memory than --max-memory allows");
    }
    Failure::damaged(text)
}

/// What is at the head of the codestream.
struct Opened {
    image: JxlImage,
    /// How many bytes of the codestream it has.
    bytes: u64,
}

/// Reads the codestream until the decoder knows what the picture is.
fn open(stream: &mut Codestream<'_>, limits: &Limits) -> Result<Opened, Failure> {
    let mut head = Vec::new();
    let memory = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    let header = loop {
        if !stream.next(&mut head).map_err(|error| unreadable(&error))? {
            return Err(cut_short());
        }
        let mut bits = Bitstream::new(&head);
        match ImageHeader::parse(&mut bits, ()) {
            Ok(header) => {
                check_profile(&header, &mut bits, limits)?;
                break header;
            }
            Err(error) if error.unexpected_eof() && head.len() < 16 * PIECE => {}
            Err(error) => return Err(Failure::damaged(error)),
        }
    };
    super::check_pixels((header.size.width, header.size.height), limits)?;
    let mut waiting = JxlImage::builder().alloc_tracker(AllocTracker::with_limit(memory)).build_uninit();
    let (mut bytes, mut piece) = (0, head);
    loop {
        bytes += piece.len() as u64;
        // A codestream is taken as a whole.
        waiting.feed_bytes(&piece).map_err(failure)?;
        match waiting.try_init().map_err(failure)? {
            InitializeResult::Initialized(image) => return Ok(Opened { image, bytes }),
            InitializeResult::NeedMoreData(more) => waiting = more,
        }
        piece.clear();
        if !stream.next(&mut piece).map_err(|error| unreadable(&error))? {
            return Err(cut_short());
        }
    }
}

/// The decoder builds a profile of any size.
fn check_profile(header: &ImageHeader, bits: &mut Bitstream<'_>, limits: &Limits) -> Result<(), Failure> {
    if !header.metadata.colour_encoding.want_icc() {
        return Ok(());
    }
    match bits.read_u64() {
        Ok(bytes) if bytes > limits.profile => Err(super::too_large("colour profile", limits.profile)),
        _ => Ok(()),
    }
}

/// Feeds the next piece; returns whether there was one.
fn feed(opened: &mut Opened, stream: &mut Codestream<'_>) -> Result<bool, Failure> {
    let mut piece = Vec::new();
    if !stream.next(&mut piece).map_err(|error| unreadable(&error))? {
        return Ok(false);
    }
    opened.bytes += piece.len() as u64;
    opened.image.feed_bytes(&piece).map_err(failure)?;
    Ok(true)
}

/// How the decoded samples become those of a raster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    model: Model,
    depth: u8,
    is_linear: bool,
    is_premultiplied: bool,
}

fn layout(image: &JxlImage) -> Result<Layout, Failure> {
    let metadata = &image.image_header().metadata;
    if image.hdr_type().is_some() {
        return Err(Failure::unsupported("HDR pictures (PQ or HLG) in JPEG XL files are not supported"));
    }
    if metadata.ec_info.iter().any(|channel| channel.is_black()) {
        return Err(Failure::unsupported("CMYK pictures in JPEG XL files are not supported"));
    }
    if metadata.colour_encoding.colour_space() == ColourSpace::Unknown {
        return Err(Failure::unsupported("JPEG XL files with colours of an unknown kind are not supported"));
    }
    let model = match image.pixel_format() {
        PixelFormat::Gray => Model::Grey,
        PixelFormat::Graya => Model::GreyAlpha,
        PixelFormat::Rgb => Model::Rgb,
        PixelFormat::Rgba => Model::Rgba,
        _ => return Err(Failure::unsupported("CMYK pictures in JPEG XL files are not supported")),
    };
    let is_linear = match &metadata.colour_encoding {
        ColourEncoding::Enum(colours) => colours.tf == TransferFunction::Linear,
        ColourEncoding::IccProfile(_) => image.rendered_cicp().is_some_and(|[_, transfer, ..]| transfer == 8),
    };
    let is_deep = !matches!(metadata.bit_depth, BitDepth::IntegerSample { bits_per_sample: ..=8 });
    let alpha = metadata.ec_info.iter().find_map(|channel| channel.alpha_associated());
    Ok(Layout {
        model,
        depth: if is_deep || is_linear { 2 } else { 1 },
        is_linear,
        is_premultiplied: alpha == Some(true),
    })
}

pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let boxes = boxes(reader).map_err(|error| unreadable(&error))?;
    check_exif(&boxes, limits)?;
    let mut stream = Codestream::of(reader, &boxes);
    let mut opened = open(&mut stream, limits)?;
    let Layout { model, depth, .. } = layout(&opened.image)?;
    let is_xyb = opened.image.image_header().metadata.xyb_encoded;
    while !is_xyb && opened.image.frame(0).is_none() && feed(&mut opened, &mut stream)? {}
    let is_animation = opened.image.image_header().metadata.animation.is_some();
    while is_animation && opened.image.num_loaded_keyframes() < 2 && feed(&mut opened, &mut stream)? {}
    let image = &opened.image;
    // Colours that are not those of the decoder's own are stored with loss if they were a JPEG file's.
    let is_lossy = is_xyb
        || boxes.was_jpeg
        || image.frame(0).is_some_and(|frame| frame.header().encoding == Encoding::VarDct);
    let channels = 3 + image.image_header().metadata.ec_info.len() as u64;
    Ok(Header {
        format: Input::Jxl,
        size: (image.width(), image.height()),
        // The decoder applies it.
        orientation: Orientation::UPRIGHT,
        frames: if is_animation && image.num_loaded_keyframes() > 1 {
            Frames::Animated
        } else {
            Frames::Still
        },
        is_lossy,
        model,
        depth,
        decoder: Decoder::Other { beside: PLANE_BYTES * channels },
    })
}

fn check_exif(boxes: &Boxes, limits: &Limits) -> Result<(), Failure> {
    match &boxes.exif {
        Some(Place { inside, .. }) if inside.end - inside.start > limits.profile => {
            Err(super::too_large("EXIF data", limits.profile))
        }
        _ => Ok(()),
    }
}

/// The contents of a box of metadata; `None` if they are broken or too large.
fn contents(bytes: &[u8], place: Option<&Place>, limits: &Limits) -> Option<Vec<u8>> {
    let Place { inside, is_packed } = place?;
    let found = bytes.get(usize::try_from(inside.start).ok()?..usize::try_from(inside.end).ok()?)?;
    let mut contents = Vec::new();
    let most = limits.profile + 1;
    let read = if *is_packed {
        Decompressor::new(found, PIECE).take(most).read_to_end(&mut contents)
    } else {
        found.take(most).read_to_end(&mut contents)
    };
    (read.is_ok() && contents.len() as u64 <= limits.profile).then_some(contents)
}

/// EXIF data of an upright picture: the orientation is that of the codestream, whatever the data says.
fn upright_exif(contents: &[u8]) -> Option<Vec<u8>> {
    let skipped = usize::try_from(u32::from_be_bytes(*contents.first_chunk()?)).ok()?;
    Some(exif::all(contents.get(4_usize.checked_add(skipped)?..)?, true))
}

pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Failure> {
    let mut cursor = io::Cursor::new(bytes);
    let boxes = boxes(&mut cursor).map_err(|error| unreadable(&error))?;
    check_exif(&boxes, limits)?;
    let mut stream = Codestream::of(&mut cursor, &boxes);
    let mut opened = open(&mut stream, limits)?;
    let layout = layout(&opened.image)?;
    request_colours(&mut opened.image);
    while opened.image.num_loaded_keyframes() == 0 && feed(&mut opened, &mut stream)? {}
    let (render, damage) = if opened.image.num_loaded_keyframes() > 0 {
        (opened.image.render_frame(0).map_err(failure)?, None)
    } else {
        let damage = missing(&opened);
        let nothing = |_| Failure::damaged(format!("{damage}, so that nothing of it can be shown"));
        (opened.image.render_loading_frame().map_err(nothing)?, Some(damage))
    };
    let mut warnings = Vec::new();
    if boxes.has_gain_map {
        warnings.push("its gain map (the bright part of an HDR picture) is left out".into());
    }
    let exif = contents(bytes, boxes.exif.as_ref(), limits);
    let xmp = contents(bytes, boxes.xmp.as_ref(), limits);
    Ok(Picture {
        pixels: Pixels::Raster(raster(&opened.image, &render, layout)),
        profile: profile(&opened.image, layout, limits)?,
        exif: exif.as_deref().and_then(upright_exif),
        xmp: xmp.as_deref().map(metadata::upright_xmp),
        has_palette: false,
        damage,
        warnings,
    })
}

pub fn frames(
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(Frame) -> Result<(), Failure>,
) -> Result<u32, Failure> {
    let mut cursor = io::Cursor::new(bytes);
    let boxes = boxes(&mut cursor).map_err(|error| unreadable(&error))?;
    let mut stream = Codestream::of(&mut cursor, &boxes);
    let mut opened = open(&mut stream, limits)?;
    let layout = layout(&opened.image)?;
    request_colours(&mut opened.image);
    let mut number = 0;
    loop {
        while number == opened.image.num_loaded_keyframes() && feed(&mut opened, &mut stream)? {}
        if number == opened.image.num_loaded_keyframes() {
            break;
        }
        let render = opened.image.render_frame(number).map_err(failure)?;
        let milliseconds = milliseconds(&opened.image, render.duration());
        each(Frame { raster: raster(&opened.image, &render, layout), milliseconds })?;
        number += 1;
    }
    if !opened.image.is_loading_done() {
        return Err(cut_short());
    }
    Ok(opened.image.image_header().metadata.animation.as_ref().map_or(0, |animation| animation.num_loops))
}

fn milliseconds(image: &JxlImage, ticks: u32) -> u32 {
    let Some(animation) = &image.image_header().metadata.animation else { return 0 };
    let (ticks, numerator) = (u64::from(ticks), u64::from(animation.tps_numerator.max(1)));
    let milliseconds = ticks * 1000 * u64::from(animation.tps_denominator) / numerator;
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}

/// The colours of the decoder's own coding are for no screen.
fn request_colours(image: &mut JxlImage) {
    if image.image_header().metadata.colour_encoding.colour_space() == ColourSpace::Xyb {
        image.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
    }
}

/// How much of the first picture is missing.
fn missing(opened: &Opened) -> String {
    let number = opened.image.num_loaded_frames();
    let end = opened.image.frame(number).zip(opened.image.frame_offset(number)).map(|(frame, offset)| {
        // The head of the frame and its table of contents are a few bytes more.
        offset as u64 + frame.toc().total_byte_size() as u64
    });
    match end.filter(|&end| end > opened.bytes) {
        Some(end) => {
            let share = 100.0 * (end - opened.bytes) as f64 / end as f64;
            format!("{share:.0} % of the data of the picture is missing (the file is cut short)")
        }
        None => "the end of the picture is missing (the file is cut short)".into(),
    }
}

fn raster(image: &JxlImage, render: &Render, layout: Layout) -> Raster {
    let (width, height) = (image.width(), image.height());
    let count = width as usize * height as usize * layout.model.channels();
    let mut stream = if layout.model.has_alpha() { render.stream() } else { render.stream_no_alpha() };
    let samples = if layout.depth == 1 {
        let mut samples = vec![0; count];
        stream.write_to_buffer::<u8>(&mut samples);
        Samples::Eight(samples)
    } else {
        let mut samples = vec![0; count];
        stream.write_to_buffer::<u16>(&mut samples);
        Samples::Sixteen(samples)
    };
    let raster = Raster { width, height, model: layout.model, samples };
    if layout.is_premultiplied && layout.model.has_alpha() { raster.divided() } else { raster }
}

fn profile(image: &JxlImage, layout: Layout, limits: &Limits) -> Result<Profile, Failure> {
    // ITU-T H.273: the primaries and the curve of sRGB.
    if matches!(image.rendered_cicp(), Some([1, 13, ..])) {
        return Ok(Profile::Srgb);
    }
    let icc = image.rendered_icc();
    if icc.len() as u64 > limits.profile {
        return Err(super::too_large("colour profile", limits.profile));
    }
    // In few bits, light that is not encoded has no shadows.
    match ColorProfile::new_from_slice(&icc) {
        Ok(profile) if layout.is_linear => Ok(Profile::Described(Box::new(profile), "linear light")),
        _ => Ok(Profile::Icc(icc)),
    }
}
