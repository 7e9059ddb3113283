//! Colours: profiles, inks, gamma.

use std::fs;

use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::bench::{Bench, exif, linear_grey_profile};

/// A profile of four inks: nothing is white, black alone is black, and each other ink is a grey of half
/// lightness. What it makes of cyan no formula without it would.
pub fn cmyk_profile() -> Vec<u8> {
    let mut table = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for row in 0..3 {
        for column in 0..3 {
            table.extend(if row == column { [0, 1, 0, 0] } else { [0; 4] });
        }
    }
    (0..4).for_each(|_| table.extend(0..=255));
    // The first ink varies slowest. Lightness in 8 bits; 128 is no colour.
    for inks in 0..16 {
        let lightness = match inks {
            0 => 255,
            _ if inks & 1 == 1 => 0,
            _ => 153,
        };
        table.extend([lightness, 128, 128]);
    }
    (0..3).for_each(|_| table.extend(0..=255));
    let text = |kind: &[u8; 4], text: &str| [&kind[..], &[0; 4], text.as_bytes(), &[0]].concat();
    let white = [&b"XYZ \0\0\0\0"[..], &[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]].concat();
    let tags = [(b"cprt", text(b"text", "none")), (b"wtpt", white), (b"A2B0", table)];
    let mut body = (tags.len() as u32).to_be_bytes().to_vec();
    let mut data = Vec::new();
    for (name, contents) in &tags {
        let at = 128 + 4 + 12 * tags.len() + data.len();
        body.extend_from_slice(*name);
        body.extend((at as u32).to_be_bytes());
        body.extend((contents.len() as u32).to_be_bytes());
        data.extend_from_slice(contents);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    body.extend(data);
    let mut profile = vec![0; 128];
    profile[..4].copy_from_slice(&((128 + body.len()) as u32).to_be_bytes());
    profile[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    profile[12..24].copy_from_slice(b"prtrCMYKLab ");
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&[0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d]);
    profile.extend(body);
    profile
}

/// A JPEG of one colour in inks, with a profile or without.
fn inks(bench: &Bench, name: &str, ink: [u8; 4], profile: Option<&[u8]>) {
    inks_as(bench, name, ink, profile, jpeg_encoder::ColorType::Cmyk);
}

fn inks_as(bench: &Bench, name: &str, ink: [u8; 4], profile: Option<&[u8]>, coding: jpeg_encoder::ColorType) {
    let pixels: Vec<u8> = std::iter::repeat_n(ink, 32 * 32).flatten().collect();
    bench.write(name, |path| {
        let mut encoder = jpeg_encoder::Encoder::new_file(path, 95).expect("a file");
        if let Some(profile) = profile {
            encoder.add_icc_profile(profile).expect("a profile");
        }
        encoder.encode(&pixels, 32, 32, coding).expect("a JPEG");
    });
}

fn near(pixel: [u8; 3], wanted: [u8; 3], distance: u8) -> bool {
    pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= distance)
}

#[test]
fn inks_go_through_their_profile() {
    let bench = Bench::new();
    let profile = cmyk_profile();
    inks(&bench, "in/cyan.jpg", [255, 0, 0, 0], Some(&profile));
    inks(&bench, "in/black.jpg", [0, 0, 0, 255], Some(&profile));
    inks(&bench, "in/paper.jpg", [0, 0, 0, 0], Some(&profile));
    inks(&bench, "in/plain.jpg", [255, 0, 0, 0], None);
    // The same inks as luma, chroma and black.
    let coding = jpeg_encoder::ColorType::CmykAsYcck;
    inks_as(&bench, "in/ycck.jpg", [255, 0, 0, 0], Some(&profile), coding);
    inks_as(&bench, "in/plain-ycck.jpg", [255, 0, 0, 0], None, coding);
    inks_as(&bench, "in/mixed-ycck.jpg", [40, 200, 90, 60], None, coding);
    inks(&bench, "in/mixed.jpg", [40, 200, 90, 60], None);
    for (format, extension) in [("jpeg", "jpg"), ("png", "png"), ("webp", "webp")] {
        // Smaller, and at its own size: a file of inks is never kept as it is.
        for size in ["16x16", "64x64"] {
            bench.run(&["--force", "--size", size, "--format", format]).expect(0);
            let pixel =
                |name: &str| bench.open(&format!("out/{name}.{extension}")).into_rgb8().get_pixel(5, 5).0;
            // Lightness 60 is 145 of 255.
            assert!(near(pixel("cyan"), [145, 145, 145], 4), "{:?}", pixel("cyan"));
            assert!(near(pixel("black"), [0, 0, 0], 4), "{:?}", pixel("black"));
            assert!(near(pixel("paper"), [255, 255, 255], 4), "{:?}", pixel("paper"));
            assert!(near(pixel("plain"), [0, 255, 255], 4), "{:?}", pixel("plain"));
            assert!(near(pixel("ycck"), [145, 145, 145], 4), "{:?}", pixel("ycck"));
            assert!(near(pixel("plain-ycck"), [0, 255, 255], 6), "{:?}", pixel("plain-ycck"));
            // (255 - ink) * (255 - black) / 255.
            for name in ["mixed", "mixed-ycck"] {
                assert!(near(pixel(name), [164, 42, 126], 6), "{name}: {:?}", pixel(name));
            }
        }
    }
}

#[test]
fn grey_with_a_profile_is_kept_or_converted() {
    let bench = Bench::new();
    let profile = linear_grey_profile();
    bench.write("in/a.jpg", |path| {
        let mut encoder = jpeg_encoder::Encoder::new_file(path, 95).expect("a file");
        encoder.add_icc_profile(&profile).expect("a profile");
        encoder.encode(&[128; 32 * 32], 32, 32, jpeg_encoder::ColorType::Luma).expect("a JPEG");
    });
    let grey = |name: &str| bench.open(name).into_luma8().get_pixel(5, 5).0[0];
    for (format, name) in [("jpeg", "out/a.jpg"), ("png", "out/a.png")] {
        bench.run(&["--size", "16x16", "--format", format]).expect(0);
        assert_eq!(icc(&bench, name).as_deref(), Some(&profile[..]), "{format}");
        assert!(grey(name).abs_diff(128) <= 1);
    }
    // WebP has no grey, and its profile would be none of its pixels.
    bench.run(&["--size", "16x16", "--format", "webp", "--webp", "lossless"]).expect(0);
    assert_eq!((grey("out/a.webp").abs_diff(188) <= 1, icc(&bench, "out/a.webp")), (true, None));
    bench.run(&["--size", "16x16", "--colour", "srgb", "--force"]).expect(0);
    assert_eq!((grey("out/a.jpg").abs_diff(188) <= 1, icc(&bench, "out/a.jpg")), (true, None));
}

fn icc(bench: &Bench, name: &str) -> Option<Vec<u8>> {
    let reader = ImageReader::open(bench.path(name)).expect("the output");
    reader.into_decoder().and_then(|mut decoder| decoder.icc_profile()).expect("an image")
}

#[test]
fn profiles_of_colours_are_kept_and_nonsense_left_out() {
    let bench = Bench::new();
    let adobe = moxcms::ColorProfile::new_adobe_rgb().encode().expect("a profile");
    let broken = [&[0; 16][..], b"CMYK", &[0; 108]].concat();
    for (profile, is_kept) in [(&adobe, true), (&broken, false)] {
        let segment = [&b"ICC_PROFILE\0\x01\x01"[..], profile].concat();
        bench.jpeg_with_segment("in/a.jpg", (20, 10), 2, &segment);
        for (format, name) in [("jpeg", "out/a.jpg"), ("png", "out/a.png"), ("webp", "out/a.webp")] {
            let run = bench.run(&["--force", "--size", "10x", "--format", format]).expect(0);
            assert_eq!(icc(&bench, name), is_kept.then(|| profile.clone()), "{format}");
            assert_eq!(run.stderr.contains("does not fit"), !is_kept, "{}", run.stderr);
        }
    }
}

/// Without one of its parts a profile is none, and its colours cannot be right.
#[test]
fn a_profile_that_lacks_a_part_is_left_out_with_a_warning() {
    let bench = Bench::new();
    let adobe = moxcms::ColorProfile::new_adobe_rgb().encode().expect("a profile");
    let segment = [&b"ICC_PROFILE\0\x01\x02"[..], &adobe].concat();
    bench.jpeg_with_segment("in/a.jpg", (20, 10), 2, &segment);
    for size in ["10x", "20x"] {
        bench.run(&["--force", "--size", size]).expect(0).complains("its colour profile lacks a part");
        assert_eq!(icc(&bench, "out/a.jpg"), None);
    }
}

/// Adobe RGB (0, 255, 0) is greener than a screen can be; sRGB (255, 0, 0) in Adobe RGB is (219, 0, 0).
#[test]
fn colours_are_converted_when_asked_for() {
    let bench = Bench::new();
    let adobe = moxcms::ColorProfile::new_adobe_rgb().encode().expect("a profile");
    let mut info = png::Info::with_size(32, 32);
    info.color_type = png::ColorType::Rgb;
    info.icc_profile = Some(adobe.into());
    write_png(&bench, "in/a.png", info, &[219, 0, 0].repeat(32 * 32));
    for (format, name) in [("jpeg", "out/a.jpg"), ("png", "out/a.png"), ("webp", "out/a.webp")] {
        bench.run(&["--force", "--size", "16x", "--colour", "srgb", "--format", format]).expect(0);
        let pixel = bench.open(name).into_rgb8().get_pixel(5, 5).0;
        assert!(near(pixel, [255, 0, 0], 3), "{pixel:?}");
        assert_eq!(icc(&bench, name), None);
    }
}

/// Cameras say Adobe RGB in EXIF data, which the output does not have.
#[test]
fn adobe_rgb_of_exif_is_converted() {
    let bench = Bench::new();
    // IFD0 with a link to the EXIF directory, that with a link to the interoperability directory.
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let mut data = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".to_vec();
    data.extend(entry(0x8769, 4, 1, [0, 0, 0, 26]));
    data.extend([0, 0, 0, 0, 0, 1]);
    data.extend(entry(0xa005, 4, 1, [0, 0, 0, 44]));
    data.extend([0, 0, 0, 0, 0, 1]);
    data.extend(entry(0x0001, 2, 4, *b"R03\0"));
    data.extend([0; 4]);
    let pixels = [219, 0, 0].repeat(32 * 32);
    bench.write("in/a.jpg", |path| {
        let mut encoder = jpeg_encoder::Encoder::new_file(path, 100).expect("a file");
        encoder.add_app_segment(1, data).expect("a segment");
        encoder.encode(&pixels, 32, 32, jpeg_encoder::ColorType::Rgb).expect("a JPEG");
    });
    for size in ["16x16", "64x64"] {
        bench.run(&["--force", "--size", size, "--quality", "100"]).expect(0);
        let pixel = bench.open("out/a.jpg").into_rgb8().get_pixel(5, 5).0;
        assert!(near(pixel, [255, 0, 0], 4), "{size}: {pixel:?}");
    }
    let _ = exif(1);
}

/// Writes a PNG with everything that its description says.
pub fn write_png(bench: &Bench, name: &str, info: png::Info<'_>, pixels: &[u8]) {
    let mut file = Vec::new();
    let mut writer =
        png::Encoder::with_info(&mut file, info).and_then(png::Encoder::write_header).expect("a header");
    writer.write_image_data(pixels).expect("pixels");
    writer.finish().expect("an end");
    bench.bytes(name, &file);
}

#[test]
fn gamma_and_chromaticities_of_png_are_seen_to() {
    let bench = Bench::new();
    let with_gamma = |depth: png::BitDepth| {
        let mut info = png::Info::with_size(32, 32);
        info.color_type = png::ColorType::Grayscale;
        info.bit_depth = depth;
        info.source_gamma = Some(png::ScaledFloat::new(1.0));
        info
    };
    write_png(&bench, "in/eight.png", with_gamma(png::BitDepth::Eight), &[128; 32 * 32]);
    write_png(&bench, "in/sixteen.png", with_gamma(png::BitDepth::Sixteen), &[0x20, 0].repeat(32 * 32));
    write_png(
        &bench,
        "in/plain.png",
        {
            let mut info = png::Info::with_size(32, 32);
            info.color_type = png::ColorType::Grayscale;
            info
        },
        &[128; 32 * 32],
    );
    bench.run(&["--size", "16x16"]).expect(0);
    let eight = |name: &str| bench.open(name).into_luma8().get_pixel(5, 5).0[0];
    assert_eq!((eight("out/eight.png"), eight("out/plain.png")), (188, 128));
    let DynamicImage::ImageLuma16(sixteen) = bench.open("out/sixteen.png") else {
        panic!("16 bits are kept")
    };
    assert!(sixteen.get_pixel(5, 5).0[0].abs_diff(25_500) < 150, "{:?}", sixteen.get_pixel(5, 5));
    for (format, name) in [("jpeg", "out/eight.jpg"), ("webp", "out/eight.webp")] {
        bench.run_on(&["in/eight.png"], &["--size", "16x16", "--format", format]).expect(0);
        assert!(eight(name).abs_diff(188) <= 1);
    }
    // At its own size the file is kept, and with it the chunk.
    bench.run_on(&["in/eight.png"], &["--size", "64x64", "--force"]).expect(0);
    let kept = fs::read(bench.path("out/eight.png")).expect("the output");
    assert!(kept.windows(8).any(|window| window == b"gAMA\0\x01\x86\xa0") && eight("out/eight.png") == 128);
    bench.run_on(&["in/eight.png"], &["--size", "64x64", "--force", "--recode"]).expect(0);
    assert_eq!(eight("out/eight.png"), 188);
}

#[test]
fn hdr_is_refused_by_name() {
    let bench = Bench::new();
    bench.image("a.png", 20, 10);
    let plain = fs::read(bench.path("a.png")).expect("a file");
    // Primaries of BT.2020, transfer PQ, right behind the header.
    let contents = [b'c', b'I', b'C', b'P', 9, 16, 0, 1];
    let chunk = [&[0, 0, 0, 4][..], &contents, &crc32fast::hash(&contents).to_be_bytes()].concat();
    bench.bytes("in/a.png", &[&plain[..33], &chunk, &plain[33..]].concat());
    bench.run(&[]).expect(1).complains("HDR");
    bench.run(&["--dry-run"]).expect(1).complains("HDR");
}

/// Black and white lines are grey from afar: half of the light is 188, half of the number 128.
#[test]
fn light_is_averaged_as_light_if_asked_for() {
    let bench = Bench::new();
    let lines = image::GrayImage::from_fn(64, 64, |_, y| image::Luma([if y % 2 == 0 { 0 } else { 255 }]));
    bench.write("in/a.png", |path| lines.save(path).expect("an image"));
    bench.write("in/b.jpg", |path| lines.save(path).expect("an image"));
    for (options, wanted) in [(&["--linear"][..], 188), (&[], 128)] {
        bench.run(&[options, &["--size", "8x8", "--force"]].concat()).expect(0);
        for name in ["out/a.png", "out/b.jpg"] {
            let pixel = bench.open(name).into_luma8().get_pixel(4, 4).0[0];
            assert!(pixel.abs_diff(wanted) <= 4, "{name} {options:?}: {pixel}");
        }
    }
}

/// Other readers (libvips, ImageMagick, browsers) take inks as inverted whether or not a file names Adobe.
#[test]
fn inks_are_read_alike_with_and_without_the_segment_of_adobe() {
    let bench = Bench::new();
    let file = crate::bench::jpeg_file("cmyk.jpg");
    let name = file.windows(5).position(|window| window == b"Adobe").expect("a segment of Adobe");
    let length = usize::from(u16::from_be_bytes([file[name - 2], file[name - 1]]));
    bench.bytes("in/with.jpg", &file);
    bench.bytes("in/without.jpg", &[&file[..name - 4], &file[name - 2 + length..]].concat());
    bench.run(&["--size", "50%", "--format", "png"]).expect(0);
    let with = bench.open("out/with.png").into_rgb8();
    assert_eq!(with, bench.open("out/without.png").into_rgb8());
    let sum: u64 =
        with.pixels().map(|pixel| pixel.0.iter().map(|&sample| u64::from(sample)).sum::<u64>()).sum();
    assert!(sum / u64::from(with.width() * with.height() * 3) > 40, "the picture is black");
}
