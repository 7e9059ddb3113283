//! Sequential scans (T.81, F.2): each block is decoded, transformed and written into its plane at once.

use crate::bits::Bits;
use crate::blocks::Blocks;
use crate::huffman::Huffman;
use crate::idct;
use crate::vector::Vectors;

/// A component of a scan.
#[derive(Debug)]
pub struct Part<'a> {
    pub dc: &'a Huffman,
    pub ac: &'a Huffman,
    /// See [`idct::factors`].
    pub factors: [f32; 64],
    /// The mean of the block before, which the next one's is relative to.
    pub previous: i32,
    pub blocks: Blocks,
    pub vectors: Vectors,
    pub plane: &'a mut [u8],
}

impl Part<'_> {
    /// Decodes the block in column `x` and row `y`. `None` if the data is not valid.
    #[inline(always)]
    pub fn block(&mut self, bits: &mut Bits<'_>, x: usize, y: usize) -> Option<()> {
        match self.blocks.side {
            8 => self.block_of::<8>(bits, x, y),
            4 => self.block_of::<4>(bits, x, y),
            2 => self.block_of::<2>(bits, x, y),
            _ => self.block_of::<1>(bits, x, y),
        }
    }

    #[inline(always)]
    fn block_of<const SIDE: usize>(&mut self, bits: &mut Bits<'_>, x: usize, y: usize) -> Option<()> {
        let size = self.dc.symbol(bits)?;
        if size > 15 {
            return None;
        }
        self.previous = self.previous.wrapping_add(bits.signed(size.into()));
        let mean = self.previous as f32 * self.factors[0];
        let stride = self.blocks.wide * SIDE;
        let at = y * SIDE * stride + x * SIDE;

        let last = idct::last_coefficient(SIDE);
        let mut block = [[0.0; 8]; 8];
        let mut index = 1;
        let mut is_flat = true;
        while index <= last {
            let (advance, value) = self.ac.coefficient(bits)?;
            index += advance;
            if index > 64 {
                break;
            }
            let place = usize::from(idct::PLACES[index - 1]);
            block[place / 8][place % 8] = value as f32 * self.factors[index - 1];
            is_flat = false;
        }
        while index < 64 {
            index += self.ac.skip(bits)?;
        }
        if SIDE == 1 || is_flat {
            idct::fill::<SIDE>(mean, self.plane, at, stride);
        } else {
            block[0][0] = mean;
            idct::transform::<SIDE>(self.vectors, &block, self.plane, at, stride);
        }
        Some(())
    }
}
