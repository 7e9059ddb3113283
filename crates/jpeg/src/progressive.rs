//! Progressive scans (T.81, G.2): coefficients are collected and refined, and transformed when all scans are
//! read.

use crate::bits::Bits;
use crate::huffman::Huffman;
use crate::idct;
use crate::vector::Vectors;

/// The coefficients of a block in the order of a scan.
pub type Coefficients = [i16; 64];

/// Which coefficients a scan is about, and which of their bits.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    /// The first and the last coefficient.
    pub first: usize,
    pub last: usize,
    /// The lowest bit that the scans before have told; 0 in a first scan.
    pub before: u32,
    /// The lowest bit that this scan tells.
    pub bit: u32,
}

/// The first scan of a block's mean.
#[inline(always)]
pub fn first_mean(
    bits: &mut Bits<'_>,
    table: &Huffman,
    band: Band,
    previous: &mut i32,
    block: &mut Coefficients,
) -> Option<()> {
    let size = table.symbol(bits)?;
    if size > 15 {
        return None;
    }
    *previous = previous.wrapping_add(bits.signed(size.into()));
    block[0] = (*previous << band.bit) as i16;
    Some(())
}

/// One more bit of a block's mean.
#[inline(always)]
pub fn refine_mean(bits: &mut Bits<'_>, band: Band, block: &mut Coefficients) {
    if bits.bit() {
        block[0] |= 1 << band.bit;
    }
}

/// The first scan of a band. `blank` is the number of blocks, this one among them, that have no more of the
/// band.
#[inline(always)]
pub fn first_band(
    bits: &mut Bits<'_>,
    table: &Huffman,
    band: Band,
    blank: &mut u32,
    block: &mut Coefficients,
) -> Option<()> {
    if *blank > 0 {
        *blank -= 1;
        return Some(());
    }
    let mut index = band.first;
    while index <= band.last {
        let symbol = table.symbol(bits)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        match (run, size) {
            (15, 0) => index += 16,
            (_, 0) => {
                *blank = (1 << run) + bits.take(run) - 1;
                break;
            }
            _ => {
                index += run as usize;
                let value = bits.signed(size);
                if index > band.last {
                    break;
                }
                block[index] = (value << band.bit) as i16;
                index += 1;
            }
        }
    }
    Some(())
}

/// One more bit of a band.
#[inline(always)]
pub fn refine_band(
    bits: &mut Bits<'_>,
    table: &Huffman,
    band: Band,
    blank: &mut u32,
    block: &mut Coefficients,
) -> Option<()> {
    let mut index = band.first;
    if *blank == 0 {
        while index <= band.last {
            let symbol = table.symbol(bits)?;
            let (mut run, size) = (symbol >> 4, symbol & 15);
            let mut value = 0;
            match size {
                0 if run < 15 => {
                    *blank = (1 << run) + bits.take(run.into());
                    break;
                }
                0 => {}
                1 => value = if bits.take(1) == 1 { 1_i16 << band.bit } else { -1 << band.bit },
                _ => return None,
            }
            while index <= band.last {
                let coefficient = &mut block[index];
                index += 1;
                if *coefficient != 0 {
                    refine(bits, coefficient, band);
                } else if run == 0 {
                    *coefficient = value;
                    break;
                } else {
                    run -= 1;
                }
            }
        }
    }
    if *blank > 0 {
        for coefficient in &mut block[index..=band.last] {
            if *coefficient != 0 {
                refine(bits, coefficient, band);
            }
        }
        *blank -= 1;
    }
    Some(())
}

/// The next bit of a coefficient that is not zero.
#[inline(always)]
fn refine(bits: &mut Bits<'_>, coefficient: &mut i16, band: Band) {
    if bits.bit() && *coefficient & (1 << band.bit) == 0 {
        *coefficient =
            coefficient.wrapping_add(if *coefficient > 0 { 1 << band.bit } else { -1 << band.bit });
    }
}

/// Turns a block into samples.
#[inline(always)]
pub fn finish<const SIDE: usize>(
    vectors: Vectors,
    coefficients: &Coefficients,
    factors: &[f32; 64],
    plane: &mut [u8],
    at: usize,
    stride: usize,
) {
    let last = idct::last_coefficient(SIDE);
    let mean = f32::from(coefficients[0]) * factors[0];
    if SIDE == 1 || coefficients[1..=last].iter().all(|&coefficient| coefficient == 0) {
        idct::fill::<SIDE>(mean, plane, at, stride);
        return;
    }
    let mut block = [[0.0; 8]; 8];
    for index in 0..=last {
        let place = usize::from(idct::PLACES[index]);
        block[place / 8][place % 8] = f32::from(coefficients[index]) * factors[index];
    }
    idct::transform::<SIDE>(vectors, &block, plane, at, stride);
}
