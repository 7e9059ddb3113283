//! Huffman tables (T.81, annex C), ready for looking up several bits at a time.

use crate::Error;
use crate::bits::Bits;

/// Codes of up to so many bits are found with one look.
const LOOK: u32 = 11;

/// What one look finds.
///
/// ```text
/// bits  0..8   length: bits to consume, the code's and those of a value that is known; 0 if the code is
///              longer
/// bits  8..16  advance: by how many coefficients; 64 and more at the end of a block
/// bits 16..24  size: bits of the value that are still to be read
/// bits 32..48  value, if its bits fit into the look
/// ```
#[derive(Clone, Copy, Debug, Default)]
struct Found(u64);

impl Found {
    fn new(length: u32, advance: u32, size: u32, value: i16) -> Found {
        let value = u64::from(value as u16);
        Found(u64::from(length) | u64::from(advance) << 8 | u64::from(size) << 16 | value << 32)
    }

    #[inline(always)]
    fn length(self) -> u32 {
        self.0 as u32 & 0xff
    }

    #[inline(always)]
    fn advance(self) -> usize {
        (self.0 >> 8) as usize & 0xff
    }

    #[inline(always)]
    fn size(self) -> u32 {
        (self.0 >> 16) as u32 & 0xff
    }

    #[inline(always)]
    fn value(self) -> i32 {
        i32::from((self.0 >> 32) as i16)
    }
}

/// A table for DC differences or AC coefficients.
#[derive(Clone)]
pub struct Huffman {
    /// By the next bits: the symbol and the length of its code; (0, 0) if that is longer.
    symbols: Box<[(u8, u8); 1 << LOOK]>,
    /// The same for AC coefficients in sequential scans, with run and value taken apart.
    steps: Box<[Found; 1 << LOOK]>,
    /// For each length of codes the number above its last code, aligned to 16 bits.
    limits: [u32; 17],
    /// For each length: what turns one of its codes into an index of `values`.
    offsets: [i32; 17],
    values: Vec<u8>,
}

impl std::fmt::Debug for Huffman {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Huffman").field("symbols", &self.values.len()).finish_non_exhaustive()
    }
}

impl Huffman {
    /// Builds a table from the numbers of codes of each length and their symbols.
    pub fn new(counts: &[u8; 16], values: &[u8]) -> Result<Huffman, Error> {
        let mut table = Huffman {
            symbols: Box::new([(0, 0); 1 << LOOK]),
            steps: Box::new([Found::default(); 1 << LOOK]),
            limits: [0; 17],
            offsets: [0; 17],
            values: values.to_vec(),
        };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            table.offsets[length as usize] = index as i32 - code as i32;
            for &symbol in &values[index..index + usize::from(count)] {
                if code >> length != 0 {
                    return Err(Error::invalid("a Huffman table has more codes than there can be"));
                }
                table.enter(code, length, symbol);
                code += 1;
            }
            index += usize::from(count);
            if code > 1 << length {
                return Err(Error::invalid("a Huffman table has more codes than there can be"));
            }
            table.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) {
        if length > LOOK {
            return;
        }
        let free = LOOK - length;
        let first = (code << free) as usize;
        for rest in 0..1_u32 << free {
            self.symbols[first + rest as usize] = (symbol, length as u8);
            self.steps[first + rest as usize] = step(symbol, length, rest, free);
        }
    }

    /// The next symbol; `None` if no code fits.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        bits.refill();
        let (symbol, length) = self.symbols[bits.peek(LOOK) as usize];
        if length > 0 {
            bits.consume(length.into());
            return Some(symbol);
        }
        self.long_symbol(bits)
    }

    #[cold]
    fn long_symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let next = bits.peek(16);
        let length = (LOOK + 1..=16).find(|&length| next < self.limits[length as usize])?;
        bits.consume(length);
        let index = (next >> (16 - length)) as i32 + self.offsets[length as usize];
        self.values.get(usize::try_from(index).ok()?).copied()
    }

    /// The next AC coefficient of a sequential scan: by how many coefficients it is further on, and its
    /// value. An advance of 64 or more ends the block.
    #[inline(always)]
    pub fn coefficient(&self, bits: &mut Bits<'_>) -> Option<(usize, i32)> {
        bits.refill();
        let mut found = self.steps[bits.peek(LOOK) as usize];
        if found.length() == 0 {
            found = step(self.long_symbol(bits)?, 0, 0, 0);
        }
        bits.consume(found.length());
        if found.size() == 0 {
            return Some((found.advance(), found.value()));
        }
        Some((found.advance(), bits.signed(found.size())))
    }

    /// Passes over the next AC coefficient, and returns how far it leads.
    #[inline(always)]
    pub fn skip(&self, bits: &mut Bits<'_>) -> Option<usize> {
        bits.refill();
        let mut found = self.steps[bits.peek(LOOK) as usize];
        if found.length() == 0 {
            found = step(self.long_symbol(bits)?, 0, 0, 0);
        }
        bits.consume(found.length() + found.size());
        Some(found.advance())
    }
}

/// Takes an AC symbol apart: `rest` are the `free` bits that were looked at behind its code.
fn step(symbol: u8, length: u32, rest: u32, free: u32) -> Found {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    match (run, size) {
        // Sixteen zeros.
        (15, 0) => Found::new(length, 16, 0, 0),
        // The end of the block.
        (_, 0) => Found::new(length, 64, 0, 0),
        _ if size <= free => {
            let value = (rest >> (free - size)) as i32;
            let value = if value < 1 << (size - 1) { value - (1 << size) + 1 } else { value };
            Found::new(length + size, run + 1, 0, value as i16)
        }
        _ => Found::new(length, run + 1, size, 0),
    }
}
