//! The container of WebP files (RFC 9649, section 2.7).

use std::io::{self, SeekFrom};

use crate::codec::Source;

/// The parts of a WebP file.
#[derive(Debug, Default)]
pub struct Parts {
    /// Width and height.
    pub size: (u32, u32),
    /// Whether any pixel is transparent.
    pub has_alpha: bool,
    /// A colour profile.
    pub icc: Option<Vec<u8>>,
    /// The coded picture, or pictures, as chunks.
    pub picture: Vec<u8>,
    /// Whether the picture is an animation.
    pub is_animated: bool,
    /// EXIF data.
    pub exif: Option<Vec<u8>>,
    /// An XMP packet.
    pub xmp: Option<Vec<u8>>,
}

/// Appends a chunk, whose length is made even.
pub fn put(file: &mut Vec<u8>, name: &[u8; 4], contents: &[u8]) {
    file.extend_from_slice(name);
    file.extend((contents.len() as u32).to_le_bytes());
    file.extend_from_slice(contents);
    if contents.len() % 2 == 1 {
        file.push(0);
    }
}

/// Three bytes, the least significant first.
pub fn three(number: u32) -> [u8; 3] {
    let [a, b, c, _] = number.to_le_bytes();
    [a, b, c]
}

/// The chunks of a file, with their names; `None` if it is no WebP file.
pub fn chunks(file: &[u8]) -> Option<Vec<([u8; 4], &[u8])>> {
    let head: &[u8; 12] = file.first_chunk()?;
    if &head[..4] != b"RIFF" || &head[8..] != b"WEBP" {
        return None;
    }
    let mut rest = &file[12..];
    let mut chunks = Vec::new();
    while let Some(head) = rest.first_chunk::<8>() {
        let [a, b, c, d, size @ ..] = *head;
        let size = usize::try_from(u32::from_le_bytes(size)).ok()?;
        chunks.push(([a, b, c, d], rest.get(8..8 + size)?));
        rest = rest.get(8 + size + size % 2..).unwrap_or_default();
    }
    Some(chunks)
}

/// What the heads of a file's chunks tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Width and height of the canvas; without one a picture announces its own size.
    pub canvas: Option<(u32, u32)>,
    /// The largest width and height of a picture.
    pub picture: (u32, u32),
    /// Bytes of the largest colour profile.
    pub icc: u64,
    /// Bytes of the largest piece of EXIF data.
    pub exif: u64,
}

/// Walks over the chunks without reading their contents.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::UnexpectedEof`] where the head of a picture is cut.
pub fn survey(reader: &mut dyn Source) -> io::Result<Survey> {
    // Behind the head of the file.
    reader.seek(SeekFrom::Start(12))?;
    let mut found = Survey::default();
    loop {
        let mut head = [0; 8];
        match reader.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(found),
            Err(error) => return Err(error),
        }
        let [a, b, c, d, size @ ..] = head;
        let size = u32::from_le_bytes(size);
        let mut read = 0;
        match &[a, b, c, d] {
            name @ (b"VP8X" | b"VP8 " | b"VP8L") => {
                let mut contents = [0; 10];
                reader.read_exact(&mut contents)?;
                read = 10;
                if name == b"VP8X" {
                    found.canvas = found.canvas.or(canvas_size(&contents));
                } else if let Some(((width, height), _)) = picture_size(name, &contents) {
                    found.picture = (width.max(found.picture.0), height.max(found.picture.1));
                }
            }
            b"ICCP" => found.icc = found.icc.max(size.into()),
            b"EXIF" => found.exif = found.exif.max(size.into()),
            // Its chunks follow behind its own head.
            b"ANMF" => {
                reader.seek_relative(16)?;
                continue;
            }
            _ => {}
        }
        reader.seek_relative(i64::from(size) + i64::from(size % 2) - read)?;
    }
}

/// Width and height that a chunk VP8X names.
fn canvas_size(contents: &[u8]) -> Option<(u32, u32)> {
    let &[_, _, _, _, a, b, c, d, e, f, ..] = contents else { return None };
    let side = |a, b, c| u32::from_le_bytes([a, b, c, 0]) + 1;
    Some((side(a, b, c), side(d, e, f)))
}

impl Parts {
    /// Takes a file apart.
    pub fn of(file: &[u8]) -> Option<Parts> {
        let mut parts = Parts::default();
        for (name, contents) in chunks(file)? {
            match &name {
                b"VP8X" => {
                    parts.size = canvas_size(contents)?;
                    parts.has_alpha = contents[0] & 0x10 != 0;
                    parts.is_animated = contents[0] & 0x02 != 0;
                }
                b"ICCP" => parts.icc = Some(contents.to_vec()),
                b"EXIF" => parts.exif = Some(contents.to_vec()),
                b"XMP " => parts.xmp = Some(contents.to_vec()),
                b"VP8 " | b"VP8L" => {
                    if parts.size == (0, 0) {
                        (parts.size, parts.has_alpha) = picture_size(&name, contents)?;
                    }
                    put(&mut parts.picture, &name, contents);
                }
                b"ALPH" | b"ANIM" | b"ANMF" => put(&mut parts.picture, &name, contents),
                _ => {}
            }
        }
        (!parts.picture.is_empty()).then_some(parts)
    }

    /// Puts the parts together.
    pub fn file(&self) -> Vec<u8> {
        let mut body = b"WEBP".to_vec();
        let is_plain = self.icc.is_none() && self.exif.is_none() && self.xmp.is_none() && !self.is_animated;
        // A picture with a chunk of alpha needs the extended head.
        if !is_plain || self.picture.starts_with(b"ALPH") {
            let flag = |is_set: bool, bit: u8| u8::from(is_set) << bit;
            let flags = flag(self.icc.is_some(), 5)
                | flag(self.has_alpha, 4)
                | flag(self.exif.is_some(), 3)
                | flag(self.xmp.is_some(), 2)
                | flag(self.is_animated, 1);
            let mut head = vec![flags, 0, 0, 0];
            head.extend(three(self.size.0 - 1));
            head.extend(three(self.size.1 - 1));
            put(&mut body, b"VP8X", &head);
        }
        if let Some(icc) = &self.icc {
            put(&mut body, b"ICCP", icc);
        }
        body.extend_from_slice(&self.picture);
        if let Some(exif) = &self.exif {
            put(&mut body, b"EXIF", exif);
        }
        if let Some(xmp) = &self.xmp {
            put(&mut body, b"XMP ", xmp);
        }
        let mut file = b"RIFF".to_vec();
        file.extend((body.len() as u32).to_le_bytes());
        file.append(&mut body);
        file
    }
}

/// The size of a coded picture, and whether it may be transparent.
fn picture_size(name: &[u8; 4], contents: &[u8]) -> Option<((u32, u32), bool)> {
    if name == b"VP8 " {
        let &[_, _, _, 0x9d, 0x01, 0x2a, a, b, c, d, ..] = contents else { return None };
        let side = |a, b| u32::from(u16::from_le_bytes([a, b]) & 0x3fff);
        return Some(((side(a, b), side(c, d)), false));
    }
    let &[0x2f, a, b, c, d, ..] = contents else { return None };
    let bits = u32::from_le_bytes([a, b, c, d]);
    Some((((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1), bits >> 28 & 1 == 1))
}
