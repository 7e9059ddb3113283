//! PNG: 16 bits, transparency, interlacing, animation, damage.

use std::fs;

use image::{DynamicImage, Rgba, RgbaImage};

use crate::bench::Bench;
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
