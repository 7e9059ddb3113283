//! Whether an output is what it should be: a whole file of its format, and of which size.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::codec;
use crate::format::{Input, Output};
use crate::recipe::Limits;

/// Width and height of the picture in a file, if it is a whole file of that format. A power cut leaves files
/// that are empty, cut, or whose end is zeros.
pub fn size_of(file: &File, format: Output) -> io::Result<Option<(u32, u32)>> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file);
    let mut head = Vec::new();
    reader.by_ref().take(12).read_to_end(&mut head)?;
    let mut tail = [0; 12];
    if length < 24 {
        return Ok(None);
    }
    reader.seek(SeekFrom::End(-12))?;
    reader.read_exact(&mut tail)?;
    let is_whole = match format {
        Output::Jpeg => tail.ends_with(&[0xff, 0xd9]),
        Output::Png => tail == *b"\0\0\0\0IEND\xae\x42\x60\x82",
        Output::Webp => head.get(4..8) == Some(&u32::try_from(length - 8).unwrap_or(0).to_le_bytes()[..]),
        Output::Avif => is_whole_boxes(&mut reader, length)?,
    };
    if !is_whole {
        return Ok(None);
    }
    if format == Output::Avif {
        // Its size is in a box within a box within a box; that it is whole says enough.
        return Ok(Some((0, 0)));
    }
    reader.seek(SeekFrom::Start(0))?;
    let limits = Limits { pixels: u64::MAX, ..Limits::default() };
    let header = codec::header(&mut reader, &limits).ok();
    let is_format =
        |input: Input| input.kept() == format && matches!(input, Input::Jpeg | Input::Png | Input::Webp);
    Ok(header.filter(|header| is_format(header.format)).map(|header| header.size))
}

/// Whether a file consists of whole boxes (ISO/IEC 14496-12, 4.2).
fn is_whole_boxes(reader: &mut (impl Read + Seek), length: u64) -> io::Result<bool> {
    let mut at = 0;
    while at < length {
        reader.seek(SeekFrom::Start(at))?;
        let mut size = [0; 4];
        reader.read_exact(&mut size)?;
        match u64::from(u32::from_be_bytes(size)) {
            0 => return Ok(true),
            size @ 8.. => at += size,
            _ => return Ok(false),
        }
    }
    Ok(at == length)
}
