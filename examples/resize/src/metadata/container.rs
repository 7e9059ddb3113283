//! Files whose pixels stay as they are encoded, and whose metadata does not.

use longshore_jpeg::Segments;

use super::Metadata;
use crate::format::Input;

/// The file with other metadata. `None` if it is not what its format says, or has nothing to be replaced in.
pub fn with_metadata(format: Input, bytes: &[u8], metadata: &Metadata, keep_rest: bool) -> Option<Vec<u8>> {
    match format {
        Input::Jpeg => jpeg(bytes, metadata, keep_rest),
        Input::Png => png(bytes, metadata, keep_rest),
        Input::Webp => webp(bytes, metadata),
        Input::Gif | Input::Tiff | Input::Jxl => None,
    }
}

/// The head of an XMP packet in a JPEG file (XMP specification, part 3, 1.1.3).
pub const XMP_HEAD: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The most that a segment holds, without the two bytes of its length.
pub const MOST_SEGMENT: usize = 65_533;

fn jpeg(bytes: &[u8], metadata: &Metadata, keep_rest: bool) -> Option<Vec<u8>> {
    let mut file = vec![0xff, 0xd8];
    let mut put = |marker: u8, contents: &[&[u8]]| {
        let length: usize = contents.iter().map(|part| part.len()).sum();
        if length <= MOST_SEGMENT {
            file.extend([0xff, marker]);
            file.extend(((length + 2) as u16).to_be_bytes());
            contents.iter().for_each(|part| file.extend(*part));
        }
    };
    let segments: Vec<_> = Segments::of(bytes).collect();
    for segment in
        segments.iter().filter(|segment| segment.number == 0 && segment.contents.starts_with(b"JFIF\0"))
    {
        put(0xe0, &[segment.contents]);
    }
    if let Some(exif) = &metadata.exif {
        put(0xe1, &[b"Exif\0\0", exif]);
    }
    if let Some(xmp) = &metadata.xmp {
        put(0xe1, &[XMP_HEAD, xmp]);
    }
    // A part of a profile is none.
    let has_profile = longshore_jpeg::icc_profile(bytes).is_some();
    for segment in &segments {
        let is_needed = match segment.number {
            2 => has_profile && segment.contents.starts_with(b"ICC_PROFILE\0"),
            14 => segment.contents.starts_with(b"Adobe"),
            0 | 1 => false,
            _ => keep_rest,
        };
        if is_needed {
            put(0xe0 + segment.number, &[segment.contents]);
        }
    }
    file.extend(longshore_jpeg::picture(bytes)?);
    Some(file)
}

/// Chunks of a PNG file that are metadata (PNG, third edition, 11.3.3 and 11.3.4).
const PNG_METADATA: [&[u8; 4]; 5] = [b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"];

fn png(bytes: &[u8], metadata: &Metadata, keep_rest: bool) -> Option<Vec<u8>> {
    let (signature, mut rest) = bytes.split_at_checked(8)?;
    let mut file = signature.to_vec();
    loop {
        let head: &[u8; 8] = rest.first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*head.first_chunk()?)).ok()?;
        let (chunk, after) = rest.split_at_checked(length.checked_add(12)?)?;
        let name = &chunk[4..8];
        if name == b"IDAT"
            && let Some(exif) = &metadata.exif
            && !file.windows(4).any(|window| window == b"eXIf")
        {
            let mut contents = b"eXIf".to_vec();
            contents.extend_from_slice(exif);
            file.extend((exif.len() as u32).to_be_bytes());
            file.extend_from_slice(&contents);
            file.extend(crc32fast::hash(&contents).to_be_bytes());
        }
        let is_metadata = PNG_METADATA.iter().any(|known| name == *known);
        if !is_metadata || keep_rest && name != b"eXIf" {
            file.extend_from_slice(chunk);
        }
        if name == b"IEND" {
            return Some(file);
        }
        rest = after;
    }
}

fn webp(bytes: &[u8], metadata: &Metadata) -> Option<Vec<u8>> {
    use crate::encode::riff;
    let mut parts = riff::Parts::of(bytes)?;
    parts.exif = metadata.exif.clone();
    parts.xmp = metadata.xmp.clone();
    Some(parts.file())
}
