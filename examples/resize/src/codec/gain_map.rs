//! Gain maps in JPEG files: a second picture that says how bright the first is where a screen can show more.

use exif::{Context, In, Tag, Value};
use longshore_jpeg::Segments;

use super::jpeg::XMP;
use crate::metadata::exif::read;

/// The head of an index of pictures (CIPA DC-007, 5.2.1).
const INDEX: &[u8] = b"MPF\0";

/// Its list of pictures, of 16 bytes each (5.2.3.3).
const PICTURES: Tag = Tag(Context::Tiff, 0xb002);

/// Whether a file has one: by its own metadata (Ultra HDR; ISO 21496-1), or by that of another picture behind
/// it (as Apple's cameras write it).
pub fn is_in(bytes: &[u8]) -> bool {
    announces(bytes) || others(bytes).iter().any(|other| announces(other))
}

/// Whether the metadata of a picture speaks of a gain map.
fn announces(bytes: &[u8]) -> bool {
    let has = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
    Segments::of(bytes).any(|segment| {
        segment.contents.starts_with(b"urn:iso:std:iso:ts:21496:-1\0")
            || segment.contents.starts_with(XMP)
                && (has(segment.contents, b"http://ns.adobe.com/hdr-gain-map/1.0/")
                    || has(segment.contents, b"urn:com:apple:photo:2020:aux:hdrgainmap"))
    })
}

/// The pictures behind the first one, as the index lists them, each with all that follows it.
fn others(bytes: &[u8]) -> Vec<&[u8]> {
    let mut segments = Segments::of(bytes).filter(|segment| segment.number == 2);
    let Some(index) = segments.find_map(|segment| segment.contents.strip_prefix(INDEX)) else {
        return Vec::new();
    };
    // Places are told from where the index begins.
    let start = index.as_ptr().addr() - bytes.as_ptr().addr();
    let Some(tags) = read(index) else { return Vec::new() };
    let list = tags.get_field(PICTURES, In::PRIMARY).map(|field| &field.value);
    let Some(Value::Undefined(pictures, _)) = list else { return Vec::new() };
    let place = |entry: &[u8]| {
        let place = *entry[8..].first_chunk()?;
        let place = if tags.little_endian() { u32::from_le_bytes(place) } else { u32::from_be_bytes(place) };
        // The first picture has the place 0.
        (place > 0).then(|| bytes.get(start + place as usize..)).flatten()
    };
    pictures.chunks_exact(16).filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u8, contents: &[u8]) -> Vec<u8> {
        let length = (contents.len() + 2) as u16;
        [&[0xff, 0xe0 + number][..], &length.to_be_bytes(), contents].concat()
    }

    #[test]
    fn a_gain_map_behind_the_picture_is_found_by_the_index() {
        let map = |about: &[u8]| [&[0xff, 0xd8][..], &segment(1, &[XMP, about].concat())].concat();
        let file = |about: &[u8]| {
            // A directory of one entry, whose value is the list behind it.
            let mut index = b"MM\0\x2a\0\0\0\x08\0\x01\xb0\x02\0\x07\0\0\0\x20\0\0\0\x1a\0\0\0\0".to_vec();
            index.extend([0; 16]);
            let behind = index.len() + 16 + 2;
            index.extend([&[0; 8][..], &(behind as u32).to_be_bytes(), &[0; 4]].concat());
            let first = [&[0xff, 0xd8][..], &segment(2, &[INDEX, &index].concat()), &[0xff, 0xd9]].concat();
            [first, map(about)].concat()
        };
        assert!(is_in(&file(b"<x>urn:com:apple:photo:2020:aux:hdrgainmap</x>")));
        assert!(is_in(&file(b"<x xmlns:h='http://ns.adobe.com/hdr-gain-map/1.0/'/>")));
        assert!(!is_in(&file(b"<x>another view</x>")));
        assert!(!is_in(&segment(2, b"MPF\0nonsense")) && !is_in(b""));
    }
}
