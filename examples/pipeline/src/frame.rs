//! Whether a compressed file is complete, without decompressing it.
//!
//! A frame of Zstandard (RFC 8878, section 3.1.1) is a header, blocks that each begin with their length, and a checksum. The
//! lengths lead from block to block to the end, which has to be the end of the file: a file that was cut, emptied, or
//! filled up with zeros by a crash is not complete.

use std::fs::File;
use std::io::{self, BufReader, Read};

const MAGIC: u32 = 0xFD2F_B528;

/// Whether the file is one whole frame whose content has so many bytes.
///
/// # Errors
/// What the system says.
pub fn is_complete(file: &File, content: u64) -> io::Result<bool> {
    let length = file.metadata()?.len();
    // The jumps are longer than any buffer that would be of use.
    let mut frame = Frame { from: BufReader::with_capacity(32, file), position: 0 };
    match frame.walk() {
        Ok(walked) => Ok(walked == Some(content) && frame.position == length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

struct Frame<'a> {
    from: BufReader<&'a File>,
    position: u64,
}

impl Frame<'_> {
    /// Goes to the end of the frame; returns the size of its content, if that is in the header.
    fn walk(&mut self) -> io::Result<Option<u64>> {
        if self.number(4)? != u64::from(MAGIC) {
            return Ok(None);
        }
        let descriptor = self.number(1)?;
        let is_single_segment = descriptor & 0x20 != 0;
        let has_checksum = descriptor & 0x04 != 0;
        if !is_single_segment {
            // The descriptor of the window.
            self.skip(1)?;
        }
        self.skip([0, 1, 2, 4][(descriptor & 3) as usize])?;
        let content = match descriptor >> 6 {
            0 if is_single_segment => self.number(1)?,
            0 => return Ok(None),
            1 => self.number(2)? + 256,
            2 => self.number(4)?,
            _ => self.number(8)?,
        };
        loop {
            let header = self.number(3)?;
            let length = match (header >> 1) & 3 {
                // One byte that is repeated.
                1 => 1,
                0 | 2 => header >> 3,
                _ => return Ok(None),
            };
            self.skip(length)?;
            if header & 1 != 0 {
                break;
            }
        }
        self.skip(if has_checksum { 4 } else { 0 })?;
        Ok(Some(content))
    }

    /// The next bytes as a number.
    fn number(&mut self, bytes: usize) -> io::Result<u64> {
        let mut number = [0; 8];
        self.from.read_exact(&mut number[..bytes])?;
        self.position += bytes as u64;
        Ok(u64::from_le_bytes(number))
    }

    /// Also beyond the end of the file, which is found out later.
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        // A block has less than 2 MiB.
        self.from.seek_relative(bytes as i64)?;
        self.position += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("written");
        file.rewind().expect("at its beginning");
        file
    }

    fn is_whole(bytes: &[u8], content: u64) -> bool {
        is_complete(&file(bytes), content).expect("readable")
    }

    #[test]
    fn frames_of_all_kinds_are_complete_and_no_part_of_them_is() {
        let mut random = 1_u32;
        let mut noise = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 24) as u8
        };
        // Blocks that are raw, that repeat a byte, and that are compressed; sizes with all widths in the header.
        let contents: Vec<Vec<u8>> = vec![
            Vec::new(),
            b"a".to_vec(),
            vec![7; 255],
            vec![7; 300],
            vec![0; 1 << 20],
            (0..400_000).map(|_| noise()).collect(),
            (0..400_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect(),
        ];
        for content in contents {
            for has_checksum in [false, true] {
                let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
                encoder.include_checksum(has_checksum).expect("it can");
                encoder.set_pledged_src_size(Some(content.len() as u64)).expect("it can");
                encoder.write_all(&content).expect("compressed");
                let frame = encoder.finish().expect("compressed");
                let size = content.len() as u64;
                assert!(is_whole(&frame, size), "{size}");
                assert!(!is_whole(&frame, size + 1), "{size}");
                assert!(!is_whole(&[&frame[..], b"x"].concat(), size), "{size}");
                for cut in (0..frame.len()).step_by(1 + frame.len() / 97) {
                    assert!(!is_whole(&frame[..cut], size), "{size} cut to {cut}");
                }
            }
        }
    }
    /// As after a crash that has lost the last pages of a file. Within the last block it takes `--check` to find that.
    #[test]
    fn zeros_from_before_the_last_block_on_are_found() {
        let mut hasher = std::hash::DefaultHasher::new();
        let content: Vec<u8> = (0..400_000_u32)
            .map(|n| {
                std::hash::Hasher::write_u32(&mut hasher, n);
                std::hash::Hasher::finish(&hasher) as u8
            })
            .collect();
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
        encoder.set_pledged_src_size(Some(content.len() as u64)).expect("it can");
        encoder.write_all(&content).expect("compressed");
        let frame = encoder.finish().expect("compressed");
        assert!(is_whole(&frame, 400_000));
        for cut in (0..frame.len() - 131_072).step_by(4096) {
            let zeros = [&frame[..cut], &vec![0; frame.len() - cut]].concat();
            assert!(!is_whole(&zeros, 400_000), "zeros from {cut}");
        }
    }
}
