//! Bits of a scan: entropy-coded data without its stuffed bytes, up to the next marker.

/// Reads bits from the most significant one of each byte on.
#[derive(Debug)]
pub struct Bits<'a> {
    data: &'a [u8],
    /// The next byte to load.
    at: usize,
    /// Loaded bits, the next one at the top. Zeros below them.
    buffer: u64,
    /// How many bits are loaded.
    loaded: u32,
    /// How many of them were made up after the end of the data.
    made_up: u32,
}

impl<'a> Bits<'a> {
    /// The bits from byte `at` on.
    pub fn new(data: &'a [u8], at: usize) -> Bits<'a> {
        Bits { data, at, buffer: 0, loaded: 0, made_up: 0 }
    }

    /// Loads until there are at least 32 bits: more than one code and its value take. After the end of the
    /// data, which a marker is too, there are zeros.
    #[inline(always)]
    pub fn refill(&mut self) {
        if self.loaded >= 32 {
            return;
        }
        if let Some(&[a, b, c, d]) = self.data.get(self.at..self.at + 4)
            && a != 0xff
            && b != 0xff
            && c != 0xff
            && d != 0xff
        {
            self.buffer |= u64::from(u32::from_be_bytes([a, b, c, d])) << (32 - self.loaded);
            self.loaded += 32;
            self.at += 4;
            return;
        }
        self.refill_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self) {
        while self.loaded <= 56 {
            let byte = match self.data.get(self.at..) {
                Some([0xff, 0, ..]) => {
                    self.at += 2;
                    0xff
                }
                Some([0xff, ..]) | Some([]) | None => {
                    self.made_up += 8;
                    0
                }
                Some([byte, ..]) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.loaded);
            self.loaded += 8;
        }
    }

    /// The next bits, without consuming them. `count` is from 1 to 32, and so many are loaded.
    #[inline(always)]
    pub fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Consumes bits that are loaded.
    #[inline(always)]
    pub fn consume(&mut self, count: u32) {
        self.buffer <<= count;
        self.loaded = self.loaded.wrapping_sub(count);
    }

    /// The next `count` bits, which may be 0 to 16, and are loaded.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> u32 {
        // Two shifts, because one by 64 is none.
        let value = (self.buffer >> 1 >> (63 - count)) as u32;
        self.consume(count);
        value
    }

    /// The next bit; loads if there is none.
    #[inline(always)]
    pub fn bit(&mut self) -> bool {
        self.refill();
        self.take(1) == 1
    }

    /// A value of `size` bits as T.81, F.2.2.1 extends it: the lower half of the range stands for negative
    /// numbers.
    #[inline(always)]
    pub fn signed(&mut self, size: u32) -> i32 {
        let value = self.take(size) as i32;
        let is_negative = value < (1 << size >> 1);
        if is_negative { value - (1 << size) + 1 } else { value }
    }

    /// Whether more bits have been consumed than the data has.
    #[inline(always)]
    pub fn is_overdrawn(&self) -> bool {
        self.made_up > self.loaded
    }

    /// Where the data ends or the next marker begins, at or after what has been loaded.
    pub fn end(&self) -> usize {
        end_of_data(self.data, self.at)
    }
}

/// The first marker at or after `at` that is none of the stuffed bytes, or the end of the data.
fn end_of_data(data: &[u8], mut at: usize) -> usize {
    while let Some(more) = data.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += more;
        match data.get(at + 1) {
            Some(0) => at += 2,
            Some(_) => return at,
            None => break,
        }
    }
    data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stuffed_bytes_are_one_and_markers_end_the_data() {
        let data = [0xff, 0x00, 0x12, 0xff, 0xd9];
        let mut bits = Bits::new(&data, 0);
        bits.refill();
        assert_eq!((bits.take(8), bits.take(8)), (0xff, 0x12));
        assert!(!bits.is_overdrawn());
        assert_eq!(bits.take(1), 0);
        assert!(bits.is_overdrawn());
        assert_eq!(bits.end(), 3);
    }

    #[test]
    fn values_are_extended_as_the_standard_says() {
        // 0 bits; then 0 and 1 of one bit; then 00, 11 of two.
        let mut bits = Bits::new(&[0b0100_1100, 0, 0, 0], 0);
        bits.refill();
        assert_eq!(bits.signed(0), 0);
        assert_eq!((bits.signed(1), bits.signed(1)), (-1, 1));
        assert_eq!((bits.signed(2), bits.signed(2)), (-3, 3));
    }
}
