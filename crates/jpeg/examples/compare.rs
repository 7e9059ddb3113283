//! Compares decoders on photographs that are made smaller, each decoded as the image program would have it:
//! at the smallest scale that leaves twice the wanted size.
//!
//! ```text
//! cargo run --release -p longshore-jpeg --example compare -- examples/photos/*.jpg
//! ```
//!
//! One thread, rounds interleaved, medians of the sums over all photographs. The machine has to be idle.

use std::time::{Duration, Instant};
use std::{env, fs};

use jpeg_decoder::Decoder as JpegDecoder;
use longshore_jpeg::{Header, Scale};
use zune_jpeg::JpegDecoder as ZuneDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

const ROUNDS: usize = 5;

/// The sides that a photograph is to fit into.
const SIZES: [u32; 2] = [400, 1600];

/// A way to decode.
type Way = fn(&[u8], &Header, Scale) -> usize;

/// The ways, each with its name.
const WAYS: [(&str, Way); 4] = [
    ("longshore-jpeg", ours),
    ("jpeg-decoder", jpeg_decoder),
    ("zune-jpeg, always 1/1", |file, _, _| zune(file)),
    ("zune-jpeg at 1/1, jpeg-decoder below", mixed),
];

fn ours(file: &[u8], header: &Header, scale: Scale) -> usize {
    let image = header.decode(file, scale).expect("a photograph");
    image.planes.iter().map(|plane| plane.data.len()).sum()
}

fn jpeg_decoder(file: &[u8], header: &Header, scale: Scale) -> usize {
    let mut decoder = JpegDecoder::new(file);
    let side = |side: u16| side.div_ceil(scale.divisor() as u16);
    decoder.scale(side(header.width), side(header.height)).expect("a photograph");
    decoder.decode().expect("a photograph").len()
}

fn zune(file: &[u8]) -> usize {
    ZuneDecoder::new(ZCursor::new(file)).decode().expect("a photograph").len()
}

fn mixed(file: &[u8], header: &Header, scale: Scale) -> usize {
    if scale == Scale::Full { zune(file) } else { jpeg_decoder(file, header, scale) }
}

fn scale_for(header: &Header, size: u32) -> Scale {
    let longest = u32::from(header.width.max(header.height));
    Scale::ALL.into_iter().find(|scale| longest / scale.divisor() >= 2 * size).unwrap_or(Scale::Full)
}

fn main() {
    let files: Vec<Vec<u8>> = env::args_os().skip(1).map(|path| fs::read(path).expect("readable")).collect();
    let headers: Vec<Header> = files.iter().map(|file| Header::read(file).expect("a JPEG")).collect();
    assert!(!files.is_empty(), "name the photographs");
    for size in SIZES {
        let mut taken = [const { Vec::new() }; WAYS.len()];
        let mut bytes = [0; WAYS.len()];
        for _ in 0..ROUNDS {
            for (way, (_, decode)) in WAYS.iter().enumerate() {
                let mut sum = Duration::ZERO;
                for (file, header) in files.iter().zip(&headers) {
                    let start = Instant::now();
                    let decoded = decode(file, header, scale_for(header, size));
                    sum += start.elapsed();
                    bytes[way] = decoded.max(bytes[way]);
                }
                taken[way].push(sum);
            }
        }
        println!("{} photographs to {size} pixels", files.len());
        for (way, (name, _)) in WAYS.iter().enumerate() {
            taken[way].sort();
            let milliseconds = taken[way][ROUNDS / 2].as_secs_f64() * 1e3;
            println!("{milliseconds:7.0} ms, {:4} MB at most  {name}", bytes[way] / 1_000_000);
        }
    }
}
