//! Whether an output is what it should be: a whole file of its format, and of which size.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

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
        Output::Avif => return avif_size(&mut reader, length),
    };
    if !is_whole {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(0))?;
    let limits = Limits { pixels: u64::MAX, ..Limits::default() };
    let header = codec::header(&mut reader, &limits).ok();
    let is_format =
        |input: Input| input.kept() == format && matches!(input, Input::Jpeg | Input::Png | Input::Webp);
    Ok(header.filter(|header| is_format(header.format)).map(|header| header.size))
}

/// The boxes that lead to the size of a picture, each within the one before (ISO/IEC 23008-12, 9.3 and
/// 6.5.3), and how many bytes of its own each has before the next.
const WAY_TO_SIZE: [(&[u8; 4], u64); 4] = [(b"meta", 4), (b"iprp", 0), (b"ipco", 0), (b"ispe", 4)];

/// Width and height of the picture in an AVIF file, if the file consists of whole boxes.
fn avif_size(reader: &mut (impl Read + Seek), length: u64) -> io::Result<Option<(u32, u32)>> {
    if find_box(reader, 0..length, None)?.is_none() {
        return Ok(None);
    }
    let mut inside = 0..length;
    for (name, own) in WAY_TO_SIZE {
        match find_box(reader, inside, Some(name))? {
            Some(found) => inside = found.start + own..found.end,
            None => return Ok(None),
        }
    }
    let mut sides = [0; 8];
    reader.seek(SeekFrom::Start(inside.start))?;
    reader.read_exact(&mut sides)?;
    let [a, b, c, d, e, f, g, h] = sides;
    Ok(Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))))
}

/// Walks over boxes (ISO/IEC 14496-12, 4.2) and returns the contents of the first of a name, or of the last
/// one if no name is given. `None` if there is none, or if one is cut.
fn find_box(
    reader: &mut (impl Read + Seek),
    inside: Range<u64>,
    wanted: Option<&[u8; 4]>,
) -> io::Result<Option<Range<u64>>> {
    let (mut at, mut last) = (inside.start, None);
    while at < inside.end {
        if inside.end - at < 8 {
            return Ok(None);
        }
        let mut head = [0; 8];
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(&mut head)?;
        let [a, b, c, d, name @ ..] = head;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        // Sizes 0 and 1 mean something in other files; zeros are what a power cut leaves.
        if size < 8 || size > inside.end - at {
            return Ok(None);
        }
        last = Some(at + 8..at + size);
        if wanted.is_some_and(|wanted| *wanted == name) {
            return Ok(last);
        }
        at += size;
    }
    Ok(last.filter(|_| wanted.is_none()))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        [&((contents.len() + 8) as u32).to_be_bytes()[..], name, contents].concat()
    }

    #[test]
    fn the_size_of_an_avif_file_is_in_its_boxes() {
        let size = boxed(b"ispe", &[0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 0, 200]);
        let properties = boxed(b"iprp", &boxed(b"ipco", &[boxed(b"pixi", &[0; 8]), size].concat()));
        let meta = boxed(b"meta", &[&[0; 4][..], &boxed(b"hdlr", &[0; 24]), &properties].concat());
        let file = [boxed(b"ftyp", b"avif\0\0\0\0mif1"), meta, boxed(b"mdat", &[7; 99])].concat();
        let of = |file: &[u8]| avif_size(&mut Cursor::new(file), file.len() as u64).expect("readable");
        assert_eq!(of(&file), Some((300, 200)));
        for cut in [1, 50, 100, file.len() - 20] {
            assert_eq!(of(&file[..file.len() - cut]), None, "{cut}");
        }
        assert_eq!(of(&vec![0; file.len()]), None);
        assert_eq!(of(&[&file[..], &[0; 16]].concat()), None);
    }
}
