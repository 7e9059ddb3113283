//! Chunks: tag, length, checksum, content.

/// Bytes before the content of a chunk.
pub const HEAD: usize = 12;

/// The table of the CRC-32 of IEEE 802.3, as PNG and zip use it.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut value, mut bit) = (i as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
};

/// The checksum of a chunk: of its tag, then its content.
pub fn checksum(tag: [u8; 4], content: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
    !content.iter().fold(tag.iter().fold(!0, step), step)
}

/// A whole chunk.
pub fn encode(tag: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + content.len());
    bytes.extend_from_slice(&tag);
    bytes.extend_from_slice(&(content.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&checksum(tag, content).to_le_bytes());
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        assert_eq!(checksum(*b"1234", b"56789"), 0xcbf4_3926);
    }
}
