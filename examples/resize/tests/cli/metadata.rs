//! Metadata: orientation, and what else is handed on.

use std::fs;
use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Field, In, Tag, Value};

use crate::bench::{BLUE, Bench, RED, is_near};

/// EXIF data of a picture with an author and a place.
fn sample(orientation: u16) -> Vec<u8> {
    let text = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
    let field = |tag, value| Field { tag, ifd_num: In::PRIMARY, value };
    let fields = [
        field(Tag::Orientation, Value::Short(vec![orientation])),
        field(Tag::Copyright, text("A. Author")),
        field(Tag::GPSLatitudeRef, text("N")),
        field(Tag::BodySerialNumber, text("12345")),
    ];
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut written = Cursor::new(Vec::new());
    writer.write(&mut written, true).expect("EXIF data");
    written.into_inner()
}

/// A picture with a red left half in each format, with EXIF data.
fn pictures(bench: &Bench, orientation: u16) {
    let exif = sample(orientation);
    bench.jpeg_with_segment("in/a.jpg", (40, 20), 1, &[b"Exif\0\0", &exif[..]].concat());
    bench.image("plain.png", 40, 20);
    let plain = fs::read(bench.path("plain.png")).expect("a file");
    let contents = [b"eXIf", &exif[..]].concat();
    let chunk =
        [&(exif.len() as u32).to_be_bytes()[..], &contents, &crc32fast::hash(&contents).to_be_bytes()]
            .concat();
    bench.bytes("in/b.png", &[&plain[..33], &chunk, &plain[33..]].concat());
    bench.image("plain.webp", 40, 20);
    let plain = fs::read(bench.path("plain.webp")).expect("a file");
    let mut body = b"WEBPVP8X\x0a\0\0\0\x08\0\0\0\x27\0\0\x13\0\0".to_vec();
    body.extend_from_slice(&plain[12..]);
    body.extend_from_slice(b"EXIF");
    body.extend((exif.len() as u32).to_le_bytes());
    body.extend_from_slice(&exif);
    body.resize(body.len().next_multiple_of(2), 0);
    bench.bytes("in/c.webp", &[&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat());
}

const NAMES: [&str; 3] = ["a.jpg", "b.png", "c.webp"];

/// Where the red half is seen, for each orientation.
#[test]
fn every_orientation_is_applied_in_every_format() {
    let bench = Bench::new();
    let left = (0.25, 0.5);
    let (right, top, bottom) = ((0.75, 0.5), (0.5, 0.25), (0.5, 0.75));
    let seen = [left, right, right, left, top, top, bottom, bottom];
    for (orientation, red) in (1..).zip(seen) {
        pictures(&bench, orientation);
        for size in ["10x10", "40x40"] {
            bench.run(&["--force", "--size", size]).expect(0);
            for name in NAMES {
                let image = bench.open(&format!("out/{name}")).into_rgb8();
                let (width, height) = image.dimensions();
                assert_eq!(width > height, orientation < 5, "{name} {orientation} {size}");
                let at = |(x, y): (f64, f64)| {
                    *image.get_pixel((f64::from(width) * x) as u32, (f64::from(height) * y) as u32)
                };
                assert!(is_near(at(red), RED), "{name} {orientation} {size}: {:?}", at(red));
                assert!(is_near(at((0.99 - red.0, 0.99 - red.1)), BLUE), "{name} {orientation} {size}");
            }
        }
        bench.run(&["--force", "--size", "10x10", "--no-rotate"]).expect(0);
        for name in NAMES {
            let image = bench.open(&format!("out/{name}")).into_rgb8();
            assert!(image.width() > image.height() && is_near(*image.get_pixel(1, 2), RED), "{name}");
            assert_eq!(
                tags(&bench, name, Tag::Orientation).map(|value| value.get_uint(0)),
                Some(Some(orientation.into()))
            );
        }
    }
}

fn tags(bench: &Bench, name: &str, tag: Tag) -> Option<Value> {
    let file = fs::read(bench.path(&format!("out/{name}"))).expect("the output");
    let exif = exif::Reader::new().read_from_container(&mut Cursor::new(file)).ok()?;
    exif.get_field(tag, In::PRIMARY).map(|field| field.value.clone())
}

#[test]
fn metadata_is_kept_reduced_or_dropped() {
    let bench = Bench::new();
    pictures(&bench, 6);
    // Smaller, and turned at its own size; then upright and kept as it is.
    for (size, orientation) in [("10x10", 6), ("40x40", 6), ("40x40", 1)] {
        pictures(&bench, orientation);
        for (wish, has_author, has_place) in
            [("basic", true, false), ("all", true, true), ("none", false, false)]
        {
            bench.run(&["--force", "--size", size, "--metadata", wish]).expect(0);
            for name in NAMES {
                let has = |tag| tags(&bench, name, tag).is_some();
                assert_eq!(has(Tag::Copyright), has_author, "{name} {wish} {size}");
                assert_eq!(has(Tag::GPSLatitudeRef), has_place, "{name} {wish} {size}");
                assert_eq!(has(Tag::BodySerialNumber), has_place, "{name} {wish} {size}");
                let turned = tags(&bench, name, Tag::Orientation).and_then(|value| value.get_uint(0));
                assert!(turned.is_none_or(|number| number == 1), "{name} {wish} {size}: {turned:?}");
            }
        }
    }
}
