//! From a file to its planes: tables, scans, what to do where data is missing.

use std::fmt;

use crate::blocks::{Blocks, Layout};
use crate::huffman::Huffman;
use crate::markers::{self, DHT, DQT, DRI, EOI, SOS};
use crate::progressive::Coefficients;
use crate::scan::{self, Scan};
use crate::{Error, Header, Scale, idct};

/// Scans of one file. An encoder makes about ten; a hostile file could keep a decoder busy with thousands.
const MOST_SCANS: usize = 500;

/// A decoded picture.
#[derive(Clone, Debug)]
pub struct Image {
    /// A plane for each component, in their order.
    pub planes: Vec<Plane>,
    /// What is missing, if anything is. Missing samples are those of a middle grey.
    pub damage: Option<Damage>,
}

/// The samples of one component.
#[derive(Clone, Debug)]
pub struct Plane {
    /// Rows of samples, [`stride`](Plane::stride) from one to the next.
    pub data: Vec<u8>,
    /// How far apart two rows begin.
    pub stride: usize,
    /// Samples of a row that belong to the picture, the last one perhaps in part.
    pub width: usize,
    /// Rows that belong to the picture, the last one perhaps in part.
    pub height: usize,
    /// The exact sides of the picture in samples of this plane.
    pub extent: (f64, f64),
}

/// What of a picture is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damage {
    /// The share of its blocks of which something is missing, from 0 to 1.
    pub missing: f64,
    /// Whether scans that refine it are missing at the end of the file.
    pub lacks_scans: bool,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.missing * 100.0, self.lacks_scans) {
            (0.0, _) => write!(f, "the last scans, which refine the picture, are missing"),
            (percent, _) if percent < 1.0 => write!(f, "less than 1 % of the picture is missing"),
            // All of it is missing only if nothing is there.
            (percent, _) if percent > 99.0 && percent < 100.0 => write!(f, "99 % of the picture is missing"),
            (percent, _) => write!(f, "{percent:.0} % of the picture is missing"),
        }
    }
}

/// What scans refer to.
#[derive(Debug, Default)]
pub struct Tables {
    pub quantization: [Option<[u16; 64]>; 4],
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    /// Units between two restart markers; 0 for none.
    pub restart: usize,
}

/// What has been decoded so far.
#[derive(Debug)]
pub struct State {
    pub layout: Layout,
    pub planes: Vec<Vec<u8>>,
    /// Of a progressive picture.
    pub coefficients: Vec<Vec<Coefficients>>,
    /// The factors of each component, as of its first scan.
    pub factors: Vec<Option<[f32; 64]>>,
    /// For each component, the share of blocks that its worst scan has decoded.
    pub done: Vec<f64>,
    /// For each component and coefficient of a progressive picture: the lowest bit that is known.
    pub known: Vec<[u8; 64]>,
}

/// No bit of a coefficient is known.
const UNKNOWN: u8 = u8::MAX;

impl Header {
    /// Decodes the file that this is the header of.
    ///
    /// # Errors
    /// If the file contradicts itself. Missing data is no error, but [`Image::damage`].
    pub fn decode(&self, data: &[u8], scale: Scale) -> Result<Image, Error> {
        self.decode_into(data, scale, &mut Vec::new())
    }

    /// The same with memory from `spare`, to which the planes' [`data`](Plane::data) can be returned.
    ///
    /// # Errors
    /// As those of [`decode`](Header::decode).
    pub fn decode_into(&self, data: &[u8], scale: Scale, spare: &mut Vec<Vec<u8>>) -> Result<Image, Error> {
        let mut state = State::new(self, scale, spare);
        let has_end = self.scans(data, &mut state)?;
        if self.is_progressive {
            for index in 0..state.planes.len() {
                if let Some(factors) = state.factors[index] {
                    let blocks = state.layout.components[index];
                    finish(&state.coefficients[index], &factors, blocks, &mut state.planes[index]);
                }
            }
        }
        let damage = state.damage(self.is_progressive, has_end);
        let planes = state.planes.into_iter().zip(&state.layout.components);
        let planes = planes.map(|(data, blocks)| Plane {
            data,
            stride: blocks.wide * blocks.side,
            width: blocks.extent.0.ceil() as usize,
            height: blocks.extent.1.ceil() as usize,
            extent: blocks.extent,
        });
        Ok(Image { planes: planes.collect(), damage })
    }

    /// Reads all scans; says whether the file has an end marker.
    fn scans(&self, data: &[u8], state: &mut State) -> Result<bool, Error> {
        let mut tables = Tables::default();
        let (mut at, mut scans) = (0, 0);
        loop {
            let marked = match markers::next(data, at) {
                Ok(marked) => marked,
                // Behind a scan: the rest of the file is cut off, or is something else.
                Err(_) if scans > 0 => return Ok(false),
                Err(error) => return Err(error),
            };
            at = marked.end;
            match marked.marker {
                EOI => return Ok(true),
                DQT => tables.read_quantization(marked.contents)?,
                DHT => tables.read_huffman(marked.contents)?,
                DRI => {
                    let &[high, low, ..] = marked.contents else {
                        return Err(Error::invalid("a restart interval that is too short"));
                    };
                    tables.restart = u16::from_be_bytes([high, low]).into();
                }
                SOS => {
                    scans += 1;
                    if scans > MOST_SCANS {
                        return Err(Error::Unsupported(format!("a number of more than {MOST_SCANS} scans")));
                    }
                    at = scan::decode(&Scan::read(self, marked.contents)?, &tables, state, data, at)?;
                }
                _ => {}
            }
        }
    }
}

impl State {
    fn new(header: &Header, scale: Scale, spare: &mut Vec<Vec<u8>>) -> State {
        let layout = Layout::new(header, scale);
        let plane = |blocks: &Blocks| {
            let mut plane = spare.pop().unwrap_or_default();
            plane.clear();
            plane.resize(blocks.wide * blocks.high * blocks.side * blocks.side, 128);
            plane
        };
        let planes = layout.components.iter().map(plane).collect();
        let coefficients = |blocks: &Blocks| vec![[0; 64]; blocks.wide * blocks.high];
        let count = layout.components.len();
        State {
            planes,
            coefficients: if header.is_progressive {
                layout.components.iter().map(coefficients).collect()
            } else {
                Vec::new()
            },
            factors: vec![None; count],
            done: vec![f64::INFINITY; count],
            known: vec![[UNKNOWN; 64]; count],
            layout,
        }
    }

    /// Sums up what is missing.
    fn damage(&self, is_progressive: bool, has_end: bool) -> Option<Damage> {
        let weight = |blocks: &Blocks| (blocks.own.0 * blocks.own.1) as f64;
        let all: f64 = self.layout.components.iter().map(weight).sum();
        // A component without a scan is missing as a whole.
        let done = |share: f64| if share.is_finite() { share } else { 0.0 };
        let parts = self.layout.components.iter().zip(&self.done);
        let missing = parts.map(|(blocks, &share)| weight(blocks) * (1.0 - done(share))).sum::<f64>() / all;
        let lacks_scans = is_progressive && !has_end && self.known.iter().flatten().any(|&known| known != 0);
        (missing > 0.0 || lacks_scans).then_some(Damage { missing, lacks_scans })
    }
}

/// Transforms the blocks of a progressive picture.
fn finish(coefficients: &[Coefficients], factors: &[f32; 64], blocks: Blocks, plane: &mut [u8]) {
    crate::vector::dispatch(
        #[inline(always)]
        |vectors| {
            let stride = blocks.wide * blocks.side;
            for (row, line) in coefficients.chunks_exact(blocks.wide).enumerate() {
                for (column, block) in line.iter().enumerate() {
                    let at = row * blocks.side * stride + column * blocks.side;
                    match blocks.side {
                        8 => crate::progressive::finish::<8>(vectors, block, factors, plane, at, stride),
                        4 => crate::progressive::finish::<4>(vectors, block, factors, plane, at, stride),
                        2 => crate::progressive::finish::<2>(vectors, block, factors, plane, at, stride),
                        _ => crate::progressive::finish::<1>(vectors, block, factors, plane, at, stride),
                    }
                }
            }
        },
    );
}

impl Tables {
    /// Quantization tables (T.81, B.2.4.1).
    pub fn read_quantization(&mut self, mut contents: &[u8]) -> Result<(), Error> {
        let short = || Error::invalid("a quantization table that is too short");
        while let [head, rest @ ..] = contents {
            let (is_wide, number) = (head >> 4 != 0, usize::from(head & 15));
            let table = self.quantization.get_mut(number);
            let table = table.ok_or_else(|| Error::invalid(format!("a quantization table {number}")))?;
            let size = if is_wide { 128 } else { 64 };
            let values = rest.get(..size).ok_or_else(short)?;
            *table = Some(std::array::from_fn(|index| {
                if is_wide {
                    u16::from_be_bytes([values[2 * index], values[2 * index + 1]])
                } else {
                    values[index].into()
                }
            }));
            contents = &rest[size..];
        }
        Ok(())
    }

    /// Huffman tables (T.81, B.2.4.2).
    pub fn read_huffman(&mut self, mut contents: &[u8]) -> Result<(), Error> {
        let short = || Error::invalid("a Huffman table that is too short");
        while let [head, rest @ ..] = contents {
            let counts: &[u8; 16] = rest.first_chunk().ok_or_else(short)?;
            let size = counts.iter().map(|&count| usize::from(count)).sum();
            let values = rest[16..].get(..size).ok_or_else(short)?;
            let tables = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                class => return Err(Error::invalid(format!("a Huffman table of class {class}"))),
            };
            let number = usize::from(head & 15);
            let table = tables.get_mut(number);
            let table = table.ok_or_else(|| Error::invalid(format!("a Huffman table {number}")))?;
            *table = Some(Huffman::new(counts, values)?);
            contents = &rest[16 + size..];
        }
        Ok(())
    }

    /// A table for DC differences, from 0 to 3.
    pub fn dc(&self, number: usize) -> Result<&Huffman, Error> {
        self.dc[number].as_ref().ok_or_else(no_table)
    }

    /// A table for AC coefficients, from 0 to 3.
    pub fn ac(&self, number: usize) -> Result<&Huffman, Error> {
        self.ac[number].as_ref().ok_or_else(no_table)
    }

    /// The factors for a component's blocks.
    pub fn factors(&self, table: u8, blocks: Blocks) -> Result<[f32; 64], Error> {
        let table = self.quantization[usize::from(table)].as_ref();
        table
            .map(|table| idct::factors(table, blocks.side))
            .ok_or_else(|| Error::invalid("a scan comes before its quantization table"))
    }
}

fn no_table() -> Error {
    Error::invalid("a scan comes before its Huffman table")
}
