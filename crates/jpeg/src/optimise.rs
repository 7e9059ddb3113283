//! Codes made to measure: a sequential file with its Huffman codes chosen for what is in it. Not a pixel
//! changes.
//!
//! Encoders that write while they encode use the codes that the standard has as an example (T.81, K.3).
//! Others know a file's symbols first, and write each component in a scan of its own, which some decoders
//! show wrong. This goes over the symbols of a finished file, and leaves their order as it is.

use crate::bits::Bits;
use crate::blocks::Layout;
use crate::decode::Tables;
use crate::huffman::Huffman;
use crate::markers::{self, DHT, DQT, DRI, EOI, SOS};
use crate::scan::Scan;
use crate::{Error, Header, Scale};

/// Symbols of a Huffman table, and one more that keeps the code of ones only free (T.81, K.2).
const SYMBOLS: usize = 257;

/// The longest code.
const LONGEST: usize = 16;

/// How often each symbol of each table is used: four for DC, four for AC.
type Counts = [[u32; SYMBOLS]; 8];

/// A symbol and what follows it.
///
/// ```text
/// bits  0..16  the value's bits
/// bits 16..24  the symbol
/// bits 24..27  the table, as in `Counts`
/// ```
#[derive(Clone, Copy)]
struct Token(u32);

/// The file with codes made to measure, if it has one scan of all components without restart markers, as
/// encoders that write while they encode make them. `None` for any other.
///
/// # Errors
/// If it is no JPEG file that [`Header::read`] understands.
pub fn optimised(data: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let header = Header::read(data)?;
    let mut tables = Tables::default();
    let mut file = data[..2].to_vec();
    let mut at = 2;
    loop {
        let marked = markers::next(data, at)?;
        match marked.marker {
            DQT => tables.read_quantization(marked.contents)?,
            DHT => tables.read_huffman(marked.contents)?,
            DRI => return Ok(None),
            SOS => {
                let scan = Scan::read(&header, marked.contents)?;
                if header.is_progressive || scan.count() != header.components.len() {
                    return Ok(None);
                }
                let Some((tokens, end)) = tokens(&header, &scan, &tables, data, marked.end)? else {
                    return Ok(None);
                };
                if markers::next(data, end).is_ok_and(|next| next.marker != EOI) {
                    return Ok(None);
                }
                let codes = Codes::of(&tokens);
                codes.write_tables(&mut file);
                file.extend_from_slice(&data[at..marked.end]);
                codes.write(&tokens, &mut file);
                file.extend([0xff, EOI]);
                return Ok(Some(file));
            }
            _ => {}
        }
        if marked.marker != DHT {
            file.extend_from_slice(&data[at..marked.end]);
        }
        at = marked.end;
    }
}

/// The symbols of a scan, and where it ends. `None` if its data is not valid.
fn tokens(
    header: &Header,
    scan: &Scan,
    tables: &Tables,
    data: &[u8],
    at: usize,
) -> Result<Option<(Vec<Token>, usize)>, Error> {
    let layout = Layout::new(header, Scale::Full);
    let mut parts = Vec::new();
    for (component, dc, ac) in scan.tables() {
        let blocks = layout.components[component];
        let count = if scan.count() == 1 { 1 } else { blocks.horizontal * blocks.vertical };
        parts.push((count, dc, tables.dc(dc)?, ac, tables.ac(ac)?));
    }
    let own = layout.components[0].own;
    let units = if scan.count() == 1 { own.0 * own.1 } else { layout.units.0 * layout.units.1 };
    let mut bits = Bits::new(data, at);
    let mut tokens = Vec::with_capacity(data.len());
    for _ in 0..units {
        for &(count, dc, dc_table, ac, ac_table) in &parts {
            for _ in 0..count {
                if block(&mut bits, (dc, dc_table), (ac, ac_table), &mut tokens).is_none()
                    || bits.is_overdrawn()
                {
                    return Ok(None);
                }
            }
        }
    }
    Ok(Some((tokens, bits.end())))
}

/// The symbols of a block.
fn block(
    bits: &mut Bits<'_>,
    (dc, dc_table): (usize, &Huffman),
    (ac, ac_table): (usize, &Huffman),
    tokens: &mut Vec<Token>,
) -> Option<()> {
    let size = dc_table.symbol(bits)?;
    if size > 15 {
        return None;
    }
    tokens.push(Token::new(dc, size, bits.take(size.into())));
    let mut index = 1;
    while index < 64 {
        let symbol = ac_table.symbol(bits)?;
        let (run, size) = (symbol >> 4, symbol & 15);
        tokens.push(Token::new(4 + ac, symbol, bits.take(size.into())));
        match (run, size) {
            (15, 0) => index += 16,
            (_, 0) => break,
            _ => index += usize::from(run) + 1,
        }
    }
    Some(())
}

impl Token {
    fn new(table: usize, symbol: u8, value: u32) -> Token {
        Token((table as u32) << 24 | u32::from(symbol) << 16 | value)
    }

    fn table(self) -> usize {
        (self.0 >> 24) as usize & 7
    }

    fn symbol(self) -> usize {
        (self.0 >> 16) as usize & 0xff
    }

    /// The value's bits and their number, which the symbol tells.
    fn value(self) -> (u32, u32) {
        (self.0 & 0xffff, (self.0 >> 16) & 15)
    }
}

/// The codes of all tables.
struct Codes {
    /// For each table that is used: numbers of codes by length, and symbols.
    tables: Vec<(usize, [u8; LONGEST], Vec<u8>)>,
    /// By table and symbol: code and length.
    codes: Box<[[(u16, u8); 256]; 8]>,
}

impl Codes {
    fn of(tokens: &[Token]) -> Codes {
        let mut counts: Box<Counts> = Box::new([[0; SYMBOLS]; 8]);
        for token in tokens {
            let count = &mut counts[token.table()][token.symbol()];
            *count = count.saturating_add(1);
        }
        let mut codes = Codes { tables: Vec::new(), codes: Box::new([[(0, 0); 256]; 8]) };
        for (number, counts) in counts.iter().enumerate() {
            if counts.iter().any(|&count| count > 0) {
                let (lengths, symbols) = lengths(counts);
                let (mut code, mut next) = (0_u16, symbols.iter());
                for (length, &count) in (1..).zip(&lengths) {
                    for &symbol in next.by_ref().take(count.into()) {
                        codes.codes[number][usize::from(symbol)] = (code, length);
                        code = code.wrapping_add(1);
                    }
                    code <<= 1;
                }
                codes.tables.push((number, lengths, symbols));
            }
        }
        codes
    }

    fn write_tables(&self, file: &mut Vec<u8>) {
        let size: usize = self.tables.iter().map(|(_, _, symbols)| 1 + LONGEST + symbols.len()).sum();
        file.extend([0xff, DHT]);
        file.extend(((size + 2) as u16).to_be_bytes());
        for (number, lengths, symbols) in &self.tables {
            file.push((number / 4 * 16 + number % 4) as u8);
            file.extend(lengths);
            file.extend(symbols);
        }
    }

    fn write(&self, tokens: &[Token], file: &mut Vec<u8>) {
        let (mut buffer, mut held) = (0_u64, 0_u32);
        for token in tokens {
            let (code, length) = self.codes[token.table()][token.symbol()];
            let (value, size) = token.value();
            buffer = buffer << length | u64::from(code);
            buffer = buffer << size | u64::from(value);
            held += u32::from(length) + size;
            while held >= 8 {
                held -= 8;
                put(file, (buffer >> held) as u8);
            }
        }
        if held > 0 {
            // The rest of the last byte is ones.
            put(file, (buffer << (8 - held) | 0xff >> held) as u8);
        }
    }
}

fn put(file: &mut Vec<u8>, byte: u8) {
    file.push(byte);
    if byte == 0xff {
        file.push(0);
    }
}

/// The best lengths of codes up to 16 bits: how many there are of each, and the symbols from the shortest
/// code to the longest (T.81, K.2, figures K.1 to K.4).
fn lengths(counts: &[u32; SYMBOLS]) -> ([u8; LONGEST], Vec<u8>) {
    let mut counts = counts.map(u64::from);
    counts[SYMBOLS - 1] = 1;
    let mut sizes = [0_usize; SYMBOLS];
    let mut others: [Option<usize>; SYMBOLS] = [None; SYMBOLS];
    loop {
        // The two rarest; of equal ones the last symbol first, so that the extra one gets the longest code.
        let rarest = |except: Option<usize>| {
            let used = (0..SYMBOLS).filter(|&symbol| counts[symbol] > 0 && Some(symbol) != except);
            used.min_by_key(|&symbol| (counts[symbol], SYMBOLS - symbol))
        };
        let Some(first) = rarest(None) else { break };
        let Some(second) = rarest(Some(first)) else { break };
        counts[first] += counts[second];
        counts[second] = 0;
        let mut last = first;
        sizes[last] += 1;
        while let Some(other) = others[last] {
            last = other;
            sizes[last] += 1;
        }
        others[last] = Some(second);
        let mut last = second;
        sizes[last] += 1;
        while let Some(other) = others[last] {
            last = other;
            sizes[last] += 1;
        }
    }
    // Longer than there are symbols no code is.
    let mut of_size = [0_i32; SYMBOLS + 1];
    sizes.iter().filter(|&&size| size > 0).for_each(|&size| of_size[size] += 1);
    shorten(&mut of_size);
    // The extra symbol has the longest code.
    if let Some(longest) = of_size.iter().rposition(|&count| count > 0) {
        of_size[longest] -= 1;
    }
    let mut symbols: Vec<usize> = (0..SYMBOLS - 1).filter(|&symbol| sizes[symbol] > 0).collect();
    symbols.sort_by_key(|&symbol| sizes[symbol]);
    (
        std::array::from_fn(|index| of_size[index + 1] as u8),
        symbols.into_iter().map(|symbol| symbol as u8).collect(),
    )
}

/// Makes the codes longer than 16 bits shorter, and others longer for it (figure K.3).
fn shorten(of_size: &mut [i32; SYMBOLS + 1]) {
    for size in (LONGEST + 1..=SYMBOLS).rev() {
        while of_size[size] > 0 {
            let Some(shorter) = (1..size - 1).rev().find(|&shorter| of_size[shorter] > 0) else { break };
            of_size[size] -= 2;
            of_size[size - 1] += 1;
            of_size[shorter + 1] += 2;
            of_size[shorter] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_complete_prefix_code_of_16_bits_at_most() {
        // Fibonacci numbers make the longest codes there are.
        let mut counts = [0; SYMBOLS];
        let (mut a, mut b) = (1_u32, 1_u32);
        for count in counts.iter_mut().take(40) {
            *count = a;
            (a, b) = (b, a + b);
        }
        let (of_size, symbols) = lengths(&counts);
        assert_eq!(of_size.iter().map(|&count| usize::from(count)).sum::<usize>(), 40);
        assert_eq!(symbols.len(), 40);
        let used: f64 = (1..).zip(of_size).map(|(size, count)| f64::from(count) / f64::from(1 << size)).sum();
        assert!(used < 1.0 && used > 0.99, "the code of ones only is free: {used}");
        assert!(Huffman::new(&of_size, &symbols).is_ok());
        // The two most frequent ones may have codes of one length.
        assert!(symbols[0] >= 38, "the most frequent symbols have the shortest codes");
    }

    #[test]
    fn a_single_symbol_has_a_code() {
        let mut counts = [0; SYMBOLS];
        counts[7] = 1000;
        let (of_size, symbols) = lengths(&counts);
        assert_eq!((of_size[0], &symbols[..]), (1, &[7][..]));
    }
}
