//! EXIF data: what matters of it here, and what of it is handed on.

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Context, Error, Exif, Field, In, Reader, Tag, Value};

use crate::orientation::Orientation;

/// What matters of EXIF data to the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How the picture is to be turned.
    pub orientation: Orientation,
    /// Whether the colours are Adobe RGB: cameras say so without a profile (DCF 2.0, option files).
    pub is_adobe_rgb: bool,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts { orientation: Orientation::UPRIGHT, is_adobe_rgb: false }
    }
}

/// What [`basic`] keeps: author, time, camera and rights.
const BASIC: &[Tag] = &[
    Tag::ImageDescription,
    Tag::Make,
    Tag::Model,
    Tag::DateTime,
    Tag::Artist,
    Tag::Copyright,
    Tag::DateTimeOriginal,
    Tag::DateTimeDigitized,
    Tag::OffsetTime,
    Tag::OffsetTimeOriginal,
    Tag::SubSecTimeOriginal,
    Tag::ExposureTime,
    Tag::FNumber,
    Tag::PhotographicSensitivity,
    Tag::FocalLength,
    Tag::FocalLengthIn35mmFilm,
    Tag::Flash,
    Tag::LensMake,
    Tag::LensModel,
];

/// Reads what can be read: broken metadata is no reason to refuse the pixels.
pub(crate) fn read(data: &[u8]) -> Option<Exif> {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    match reader.read_raw(data.to_vec()) {
        Ok(exif) => Some(exif),
        Err(Error::PartialResult(partial)) => Some(partial.into_inner().0),
        Err(_) => None,
    }
}

/// What matters of EXIF data to the pixels.
pub fn facts(data: &[u8]) -> Facts {
    let Some(exif) = read(data) else { return Facts::default() };
    let field = |tag| exif.get_field(tag, In::PRIMARY);
    let number = field(Tag::Orientation).and_then(|field| field.value.get_uint(0));
    let index = field(Tag::InteroperabilityIndex);
    let is_option_file = index.is_some_and(|field| match &field.value {
        Value::Ascii(texts) => texts.first().is_some_and(|text| text.starts_with(b"R03")),
        _ => false,
    });
    // 2 is no number of the standard; some cameras write it all the same.
    let is_adobe =
        is_option_file || field(Tag::ColorSpace).is_some_and(|field| field.value.get_uint(0) == Some(2));
    Facts {
        orientation: number.and_then(Orientation::from_exif).unwrap_or(Orientation::UPRIGHT),
        is_adobe_rgb: is_adobe,
    }
}

/// The few fields that are no secret. `None` if there are none.
pub fn basic(data: &[u8], rotate: bool) -> Option<Vec<u8>> {
    let exif = read(data)?;
    let is_wanted = |field: &&Field| {
        field.ifd_num == In::PRIMARY
            && field.tag.context() != Context::Gps
            && (BASIC.contains(&field.tag) || !rotate && field.tag == Tag::Orientation)
    };
    write(exif.fields().filter(is_wanted))
}

/// The orientation and nothing else, for pixels that are not turned.
pub fn orientation_alone(data: &[u8]) -> Option<Vec<u8>> {
    let exif = read(data)?;
    write(exif.get_field(Tag::Orientation, In::PRIMARY).into_iter())
}

fn write<'a>(fields: impl Iterator<Item = &'a Field>) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    let mut count = 0;
    for field in fields {
        writer.push_field(field);
        count += 1;
    }
    let mut written = Cursor::new(Vec::new());
    (count > 0 && writer.write(&mut written, false).is_ok()).then(|| written.into_inner())
}

/// All of it, byte by byte, but for the orientation, which is upright if `rotate` is set, and the preview,
/// which shows the picture as it was.
pub fn all(data: &[u8], rotate: bool) -> Vec<u8> {
    let mut data = data.to_vec();
    if let Some(order) = Order::of(&data) {
        if rotate && let Some(entry) = order.entry(&data, order.first(&data), 0x0112) {
            order.put_short(&mut data, entry + 8, 1);
        }
        drop_preview(&mut data, order);
    }
    data
}

/// Cuts the link to the second directory, which describes the preview, and the preview itself off.
fn drop_preview(data: &mut Vec<u8>, order: Order) {
    let Some(link) = order.link(data, order.first(data)) else { return };
    let Some(second) = order.long(data, link).filter(|&at| at != 0) else { return };
    let value =
        |data: &[u8], tag| order.entry(data, Some(second), tag).and_then(|entry| order.long(data, entry + 8));
    let preview = value(data, 0x0201).zip(value(data, 0x0202));
    data[link..link + 4].fill(0);
    if let Some((at, length)) = preview
        && let Some(end) = at.checked_add(length).filter(|&end| end <= data.len())
    {
        data[at..end].fill(0);
        if end == data.len() {
            data.truncate(at);
        }
    }
}

/// The order of bytes in EXIF data, and the way through its first directories (TIFF 6.0, section 2).
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(data: &[u8]) -> Option<Order> {
        match data {
            [b'I', b'I', 42, 0, ..] => Some(Order::Little),
            [b'M', b'M', 0, 42, ..] => Some(Order::Big),
            _ => None,
        }
    }

    fn short(self, data: &[u8], at: usize) -> Option<usize> {
        let bytes = *data.get(at..)?.first_chunk()?;
        let number = match self {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        };
        Some(number.into())
    }

    fn long(self, data: &[u8], at: usize) -> Option<usize> {
        let bytes = *data.get(at..)?.first_chunk()?;
        let number = match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        };
        usize::try_from(number).ok()
    }

    fn put_short(self, data: &mut [u8], at: usize, number: u16) {
        let bytes = match self {
            Order::Little => number.to_le_bytes(),
            Order::Big => number.to_be_bytes(),
        };
        if let Some(place) = data.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
        }
    }

    /// Where the first directory is.
    fn first(self, data: &[u8]) -> Option<usize> {
        self.long(data, 4)
    }

    /// Where the entry of a tag is in a directory.
    fn entry(self, data: &[u8], directory: Option<usize>, tag: usize) -> Option<usize> {
        let directory = directory?;
        let count = self.short(data, directory)?;
        (0..count)
            .map(|number| directory + 2 + 12 * number)
            .find(|&entry| self.short(data, entry) == Some(tag))
    }

    /// Where the link to the next directory is.
    fn link(self, data: &[u8], directory: Option<usize>) -> Option<usize> {
        let directory = directory?;
        let link = directory + 2 + 12 * self.short(data, directory)?;
        (link + 4 <= data.len()).then_some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rotated picture with an author, a place and a preview.
    fn sample() -> Vec<u8> {
        let mut writer = Writer::new();
        let text = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
        let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
        let fields = [
            field(Tag::Orientation, Value::Short(vec![6])),
            field(Tag::Artist, text("A. Author")),
            field(Tag::DateTimeOriginal, text("2026:01:02 03:04:05")),
            field(Tag::BodySerialNumber, text("12345")),
            field(Tag::GPSLatitudeRef, text("N")),
            field(Tag::InteroperabilityIndex, text("R03")),
        ];
        fields.iter().for_each(|field| writer.push_field(field));
        let preview = [0xff, 0xd8, 1, 2, 3, 4, 0xff, 0xd9];
        writer.set_jpeg(&preview, In::THUMBNAIL);
        let mut written = Cursor::new(Vec::new());
        writer.write(&mut written, false).expect("EXIF data");
        written.into_inner()
    }

    fn has(data: &[u8], tag: Tag) -> bool {
        read(data).expect("EXIF data").get_field(tag, In::PRIMARY).is_some()
    }

    #[test]
    fn facts_are_found() {
        let facts = facts(&sample());
        assert_eq!(Some(facts.orientation), Orientation::from_exif(6));
        assert!(facts.is_adobe_rgb);
        assert_eq!(super::facts(b"rubbish"), Facts::default());
        assert!(!super::facts(&sample()[..20]).is_adobe_rgb);
    }

    #[test]
    fn basic_names_the_author_and_not_the_place() {
        let basic = basic(&sample(), true).expect("fields");
        assert!(has(&basic, Tag::Artist) && has(&basic, Tag::DateTimeOriginal));
        for tag in [Tag::GPSLatitudeRef, Tag::BodySerialNumber, Tag::Orientation] {
            assert!(!has(&basic, tag), "{tag}");
        }
        assert!(has(&super::basic(&sample(), false).expect("fields"), Tag::Orientation));
    }

    #[test]
    fn all_is_kept_but_for_orientation_and_preview() {
        let all = all(&sample(), true);
        for tag in [Tag::Artist, Tag::GPSLatitudeRef, Tag::BodySerialNumber] {
            assert!(has(&all, tag), "{tag}");
        }
        assert_eq!(facts(&all).orientation, Orientation::UPRIGHT);
        assert!(!all.windows(4).any(|window| window == [0xff, 0xd8, 1, 2]), "the preview is gone");
        assert_eq!(Some(facts(&super::all(&sample(), false)).orientation), Orientation::from_exif(6));
        assert_eq!(super::all(b"rubbish", true), b"rubbish");
    }
}
