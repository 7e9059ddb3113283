//! PNG: 16 bits, transparency, interlacing, animation, damage.

use std::fs;

use image::{DynamicImage, Rgba, RgbaImage};

use crate::bench::{BLUE, Bench, RED, exif, is_near};
use crate::colour::write_png;

#[test]
fn sixteen_bits_are_kept() {
    let bench = Bench::new();
    // A ramp finer than 8 bits can be.
    let ramp = image::ImageBuffer::from_fn(64, 8, |x, _| image::Luma([20_000 + x as u16 * 8]));
    bench.write("in/a.png", |path| ramp.save(path).expect("an image"));
    bench.run(&["--size", "32x"]).expect(0);
    let DynamicImage::ImageLuma16(small) = bench.open("out/a.png") else { panic!("16 bits") };
    for x in 4..28 {
        let wanted = 20_000 + 16 * x + 4;
        assert!(small.get_pixel(x, 2).0[0].abs_diff(wanted as u16) <= 8, "{x}: {:?}", small.get_pixel(x, 2));
    }
    bench.run(&["--size", "32x", "--format", "jpeg"]).expect(0);
    assert!(bench.open("out/a.jpg").into_luma8().get_pixel(16, 2).0[0].abs_diff(79) <= 1);
}

#[test]
fn every_kind_of_png_is_read() {
    let bench = Bench::new();
    let picture = RgbaImage::from_fn(24, 24, |x, y| Rgba([(x * 10) as u8, (y * 10) as u8, 90, 255]));
    let decoded = |name: &str| bench.open(name).into_rgba8();
    bench.write("rgba.png", |path| picture.save(path).expect("an image"));
    // The same by a palette of 4 colours, with one transparent.
    let mut info = png::Info::with_size(24, 24);
    info.color_type = png::ColorType::Indexed;
    info.bit_depth = png::BitDepth::Two;
    info.palette = Some(vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9].into());
    info.trns = Some(vec![255, 255, 255, 0].into());
    write_png(&bench, "in/palette.png", info, &[0b0001_1011; 24 * 6]);
    let mut info = png::Info::with_size(24, 24);
    info.color_type = png::ColorType::Grayscale;
    info.bit_depth = png::BitDepth::One;
    write_png(&bench, "in/bits.png", info, &[0xf0; 24 * 3]);
    bench.run(&["--size", "24x24", "--recode"]).expect(0);
    let palette = decoded("out/palette.png");
    let row: Vec<_> = (0..4).map(|x| palette.get_pixel(x, 3).0).collect();
    assert_eq!(row[..3], [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]]);
    assert_eq!(row[3][3], 0);
    let bits = bench.open("out/bits.png").into_luma8();
    assert_eq!((bits.get_pixel(0, 0).0, bits.get_pixel(4, 0).0), ([255], [0]));
}

#[test]
fn an_animated_png_is_refused_by_name() {
    let bench = Bench::new();
    let mut info = png::Info::with_size(8, 8);
    info.color_type = png::ColorType::Grayscale;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut file, info).expect("a header");
    encoder.set_animated(2, 0).expect("two frames");
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[10; 64]).expect("a frame");
    writer.write_image_data(&[200; 64]).expect("a frame");
    writer.finish().expect("an end");
    bench.bytes("in/a.png", &file);
    for options in [&[][..], &["--dry-run"], &["--format", "webp"]] {
        bench.run(options).expect(1).complains("animation");
    }
    bench.run(&["--animation", "first"]).expect(0);
    assert_eq!(bench.open("out/a.png").into_luma8().get_pixel(3, 3).0, [10]);
}

#[test]
fn a_cut_png_fails_or_warns() {
    let bench = Bench::new();
    let mut random = 7_u32;
    let noise = image::RgbImage::from_fn(64, 64, |_, _| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(random >> 24) as u8, (random >> 16) as u8, 200])
    });
    bench.write("whole.png", |path| noise.save(path).expect("an image"));
    let whole = fs::read(bench.path("whole.png")).expect("a file");
    bench.bytes("in/cut.png", &whole[..whole.len() / 2]);
    for size in ["32x", "64x"] {
        bench.run(&["--size", size]).expect(1).complains("% of the picture is missing");
    }
    bench.run(&["--size", "32x", "--damage", "warn"]).expect(0).complains("warning");
    // Without its last chunk a file has all of its pixels.
    bench.bytes("in/cut.png", &whole[..whole.len() - 12]);
    bench.run(&["--size", "32x", "--force"]).expect(0);
}

fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    let checked = [name, contents].concat();
    [&(contents.len() as u32).to_be_bytes()[..], &checked, &crc32fast::hash(&checked).to_be_bytes()].concat()
}

/// ImageMagick writes EXIF data behind the pixels, or as text; some programs leave the head of JPEG files
/// before it.
#[test]
fn the_orientation_is_found_wherever_it_is() {
    let bench = Bench::new();
    bench.image("plain.png", 40, 20);
    let plain = fs::read(bench.path("plain.png")).expect("a file");
    let pixels = plain.windows(4).position(|name| name == b"IDAT").expect("pixels") - 4;
    let end = plain.len() - 12;
    let with = |at: usize, chunk: &[u8]| [&plain[..at], chunk, &plain[at..]].concat();
    let jpeg = exif(6);
    let bare = &jpeg[6..];
    let digits: String = jpeg.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("\nexif\n{:8}\n{}\n{}\n", jpeg.len(), &digits[..36], &digits[36..]);
    let text = [&b"Raw profile type exif\0"[..], text.as_bytes()].concat();
    let look_alike = chunk(b"prVt", &chunk(b"eXIf", &exif(3)[6..])[..20]);
    for (name, file) in [
        ("early", with(pixels, &chunk(b"eXIf", bare))),
        ("late", with(end, &chunk(b"eXIf", bare))),
        ("head", with(pixels, &chunk(b"eXIf", &jpeg))),
        ("text", with(pixels, &chunk(b"tEXt", &text))),
        ("alike", with(end, &[look_alike, chunk(b"eXIf", bare)].concat())),
    ] {
        let path = format!("in/{name}.png");
        bench.bytes(&path, &file);
        for options in [&["--size", "20x20"][..], &[], &["--metadata", "all"]] {
            bench.run_on(&[&path], &[&["--force"], options].concat()).expect(0);
            let picture = bench.open(&format!("out/{name}.png")).into_rgb8();
            assert!(
                picture.height() == 2 * picture.width(),
                "{name} {options:?}: {:?}",
                picture.dimensions()
            );
            let below = *picture.get_pixel(2, picture.height() - 3);
            assert!(is_near(*picture.get_pixel(2, 2), RED) && is_near(below, BLUE), "{name} {options:?}");
            // A viewer must not turn it again.
            let made = fs::read(bench.path(&format!("out/{name}.png"))).expect("the output");
            assert!(!made.windows(bare.len()).any(|window| window == bare), "{name} {options:?}");
        }
    }
}

/// A few kilobytes that are megabytes when they are unpacked, and could be gigabytes.
#[test]
fn packed_text_is_unpacked_within_limits() {
    let bench = Bench::new();
    for (name, is_xmp) in [("xmp", true), ("exif", false)] {
        let mut info = png::Info::with_size(8, 8);
        info.color_type = png::ColorType::Grayscale;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::with_info(&mut file, info).expect("a header");
        let text = "a".repeat(6 << 20);
        if is_xmp {
            let mut chunk = png::text_metadata::ITXtChunk::new("XML:com.adobe.xmp", text);
            chunk.compressed = true;
            chunk.compress_text().expect("packed text");
            let mut writer = encoder.write_header().expect("a header");
            writer.write_text_chunk(&chunk).expect("a chunk");
            writer.write_image_data(&[10; 64]).expect("pixels");
        } else {
            encoder.add_ztxt_chunk("Raw profile type exif".into(), text).expect("a chunk");
            let mut writer = encoder.write_header().expect("a header");
            writer.write_image_data(&[10; 64]).expect("pixels");
        }
        assert!(file.len() < 100_000, "{}", file.len());
        bench.bytes(&format!("in/{name}.png"), &file);
    }
    bench.run(&["--metadata", "all", "--size", "4x4"]).expect(0);
    for name in ["out/xmp.png", "out/exif.png"] {
        let file = fs::read(bench.path(name)).expect("the output");
        assert!(file.len() < 1000 && !file.windows(9).any(|window| window == b"adobe.xmp"), "{name}");
    }
}
