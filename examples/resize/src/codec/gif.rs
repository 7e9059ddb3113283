//! GIF sources.

use std::io::{Chain, Cursor, Read};
use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DecodingError, DisposalMethod, MemoryLimit, Repeat};

use super::{Decoder, Frame, Frames, Header, Picture, Source};
use crate::failure::{Failure, Kind};
use crate::format::Input;
use crate::raster::{Model, Raster, Samples};
use crate::recipe::Limits;

/// What browsers make of a delay of nothing, in milliseconds.
const USUAL_DELAY: u32 = 100;

/// What a frame may be larger than the canvas, in bytes: some files have frames that stick out a little.
const SLACK: u64 = 1 << 20;

/// What ends the file. Some programs leave it out, and all viewers do without it. A file that ends within a
/// frame still lacks the rest of it. (The decoder could also pass over blocks that it does not know. But such
/// a block may be a frame with a damaged first byte, which would be lost without a word.)
const END: &[u8] = &[0x3b];

/// A source, and the end that it may lack.
type Ended<'a> = Chain<&'a mut (dyn Source + 'a), &'static [u8]>;

/// For a source whose first bytes these are. A frame gets no more memory than its canvas, which is what the
/// header has announced.
fn options(head: &[u8], limits: &Limits) -> DecodeOptions {
    let canvas = match head {
        &[_, _, _, _, _, _, a, b, c, d, ..] => {
            4 * u64::from(u16::from_le_bytes([a, b])) * u64::from(u16::from_le_bytes([c, d]))
        }
        _ => 0,
    };
    let most = NonZeroU64::new(limits.memory.min(canvas + SLACK)).unwrap_or(NonZeroU64::MIN);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.set_memory_limit(MemoryLimit::Bytes(most));
    options
}

fn failure(error: DecodingError) -> Failure {
    match error {
        DecodingError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::damaged("the file is cut short")
        }
        DecodingError::UnexpectedEof => Failure::damaged("the file is cut short"),
        DecodingError::Io(error) => Failure::unreadable(&error),
        DecodingError::OutOfMemory | DecodingError::MemoryLimit => {
            Failure::new(Kind::TooLarge, "a frame is larger than the picture, or --max-memory allows less")
        }
        other => Failure::damaged(other),
    }
}

pub fn header(reader: &mut dyn Source, limits: &Limits) -> Result<Header, Failure> {
    let head = reader.fill_buf().map_err(|error| Failure::unreadable(&error))?;
    let mut options = options(head, limits);
    options.skip_frame_decoding(true);
    let mut decoder = options.read_info(reader.chain(END)).map_err(failure)?;
    let mut count = 0;
    while count < 2 && decoder.next_frame_info().map_err(failure)?.is_some() {
        count += 1;
    }
    if count == 0 {
        return Err(Failure::damaged("the file has no picture"));
    }
    Ok(Header {
        format: Input::Gif,
        size: (decoder.width().into(), decoder.height().into()),
        orientation: crate::orientation::Orientation::UPRIGHT,
        frames: if count > 1 { Frames::Animated } else { Frames::Still },
        is_lossy: false,
        model: Model::Rgba,
        depth: 1,
        // A frame, and a copy of the canvas where a frame is to vanish.
        decoder: Decoder::Other { beside: 8 },
    })
}

pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, Failure> {
    let mut cursor = Cursor::new(bytes);
    let mut canvas = Canvas::open(&mut cursor, bytes, limits)?;
    let frame = canvas.next()?.ok_or_else(|| Failure::damaged("the file has no picture"))?;
    Ok(Picture { has_palette: true, ..Picture::of(frame.raster) })
}

pub fn frames(
    bytes: &[u8],
    limits: &Limits,
    each: &mut dyn FnMut(Frame) -> Result<(), Failure>,
) -> Result<u32, Failure> {
    let mut cursor = Cursor::new(bytes);
    let mut canvas = Canvas::open(&mut cursor, bytes, limits)?;
    while let Some(frame) = canvas.next()? {
        each(frame)?;
    }
    Ok(match canvas.decoder.repeat() {
        Repeat::Infinite => 0,
        // The number of repetitions after the first time.
        Repeat::Finite(times) => u32::from(times) + 1,
    })
}

/// The canvas on which frames are drawn one after the other (GIF89a, 23).
struct Canvas<'a> {
    decoder: gif::Decoder<Ended<'a>>,
    pixels: Vec<u8>,
}

impl<'a> Canvas<'a> {
    fn open(reader: &'a mut (dyn Source + 'a), head: &[u8], limits: &Limits) -> Result<Self, Failure> {
        let decoder = options(head, limits).read_info(reader.chain(END)).map_err(failure)?;
        let size = usize::from(decoder.width()) * usize::from(decoder.height()) * 4;
        Ok(Canvas { decoder, pixels: vec![0; size] })
    }

    /// The canvas with the next frame on it.
    fn next(&mut self) -> Result<Option<Frame>, Failure> {
        let (width, height) = (usize::from(self.decoder.width()), usize::from(self.decoder.height()));
        let Some(frame) = self.decoder.read_next_frame().map_err(failure)? else { return Ok(None) };
        let before = (frame.dispose == DisposalMethod::Previous).then(|| self.pixels.clone());
        let (left, top) = (usize::from(frame.left), usize::from(frame.top));
        let (wide, high) = (usize::from(frame.width), usize::from(frame.height));
        let shown = wide.min(width.saturating_sub(left));
        let rows = high.min(height.saturating_sub(top));
        let place = |row: usize| {
            let start = ((top + row) * width + left) * 4;
            start..start + shown * 4
        };
        for row in 0..rows {
            let source = &frame.buffer[row * wide * 4..(row * wide + shown) * 4];
            for (below, pixel) in self.pixels[place(row)].chunks_exact_mut(4).zip(source.chunks_exact(4)) {
                if pixel[3] != 0 {
                    below.copy_from_slice(pixel);
                }
            }
        }
        let milliseconds = match u32::from(frame.delay) * 10 {
            0 | 10 => USUAL_DELAY,
            delay => delay,
        };
        let samples = Samples::Eight(self.pixels.clone());
        let raster = Raster { width: width as u32, height: height as u32, model: Model::Rgba, samples };
        match frame.dispose {
            DisposalMethod::Background => (0..rows).for_each(|row| self.pixels[place(row)].fill(0)),
            DisposalMethod::Previous => self.pixels = before.unwrap_or_default(),
            _ => {}
        }
        Ok(Some(Frame { raster, milliseconds }))
    }
}
