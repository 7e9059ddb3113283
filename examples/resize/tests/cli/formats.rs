//! GIF and TIFF in, animations, AVIF out.

use std::fs;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{AnimationDecoder, Delay, DynamicImage, Frame, Rgba, RgbaImage};

use crate::bench::{BLUE, Bench, RED, is_near};

/// An animation of a red, a green and a red picture, of 100, 200 and 300 ms.
fn animation(bench: &Bench, name: &str) {
    bench.write(name, |path| {
        let mut encoder = GifEncoder::new(fs::File::create(path).expect("a file"));
        encoder.set_repeat(Repeat::Infinite).expect("for ever");
        for (colour, delay) in [([255, 0, 0, 255], 100), ([0, 255, 0, 255], 200), ([255, 0, 0, 255], 300)] {
            let picture = RgbaImage::from_pixel(40, 20, Rgba(colour));
            let frame = Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(delay, 1));
            encoder.encode_frame(frame).expect("a frame");
        }
    });
}

pub fn frames_of(bench: &Bench, name: &str) -> Vec<(u32, Rgba<u8>)> {
    let file = fs::read(bench.path(name)).expect("the output");
    let decoder = image::codecs::webp::WebPDecoder::new(std::io::Cursor::new(file)).expect("an animation");
    let frames = decoder.into_frames().collect_frames().expect("frames");
    frames.iter().map(|frame| (frame.delay().numer_denom_ms().0, *frame.buffer().get_pixel(2, 2))).collect()
}

#[test]
fn animations_stay_animated_or_are_refused() {
    let bench = Bench::new();
    animation(&bench, "in/a.gif");
    for options in [&[][..], &["--dry-run"], &["--format", "jpeg"]] {
        bench.run(options).expect(1).complains("`--format webp` keeps all of it");
    }
    bench.run(&["--format", "webp", "--size", "20x"]).expect(0);
    assert_eq!(bench.size("out/a.webp"), (20, 10));
    let red = Rgba([255, 0, 0, 255]);
    let wanted = vec![(100, red), (200, Rgba([0, 255, 0, 255])), (300, red)];
    assert_eq!(frames_of(&bench, "out/a.webp"), wanted);
    // From WebP to WebP, too.
    bench.raw(&["out/a.webp", "-o", "again", "--size", "10x"]).expect(0);
    assert_eq!((bench.size("again/a.webp"), frames_of(&bench, "again/a.webp")), ((10, 5), wanted.clone()));
    bench.raw(&["out/a.webp", "-o", "kept"]).expect(0);
    assert_eq!(frames_of(&bench, "kept/a.webp"), wanted);
    bench.raw(&["out/a.webp", "-o", "still", "--format", "png"]).expect(1).complains("animation");
    for (options, name) in [(&["--format", "png"][..], "still/a.png"), (&[], "still/a.webp")] {
        bench
            .raw(&[&["out/a.webp", "-o", "still", "--animation", "first", "--size", "10x"], options].concat())
            .expect(0);
        assert_eq!(*bench.open(name).into_rgba8().get_pixel(2, 2), red);
    }
}

#[test]
fn a_still_gif_becomes_png() {
    let bench = Bench::new();
    let picture =
        RgbaImage::from_fn(40, 20, |x, _| if x < 20 { Rgba([255, 0, 0, 255]) } else { Rgba([0; 4]) });
    bench.write("in/a.gif", |path| {
        let mut encoder = GifEncoder::new(fs::File::create(path).expect("a file"));
        encoder.encode_frame(Frame::new(picture)).expect("a frame");
    });
    bench.run(&["--size", "20x"]).expect(0);
    assert_eq!(bench.files("out"), ["a.png"]);
    let small = bench.open("out/a.png").into_rgba8();
    assert_eq!((small.get_pixel(2, 5).0, small.get_pixel(17, 5).0[3]), ([255, 0, 0, 255], 0));
}

#[test]
fn tiff_is_read() {
    let bench = Bench::new();
    bench.image("in/rgb.tif", 40, 20);
    let deep = image::ImageBuffer::from_fn(40, 20, |x, _| image::Luma([x as u16 * 1_500]));
    bench.write("in/deep.tiff", |path| deep.save(path).expect("an image"));
    let clear = RgbaImage::from_fn(40, 20, |x, _| Rgba([200, 100, 0, if x < 20 { 255 } else { 0 }]));
    bench.write("in/alpha.tif", |path| clear.save(path).expect("an image"));
    bench.run(&["--size", "20x"]).expect(0);
    assert_eq!(bench.files("out"), ["alpha.png", "deep.png", "rgb.png"]);
    let rgb = bench.open("out/rgb.png").into_rgb8();
    assert!(is_near(*rgb.get_pixel(2, 5), RED) && is_near(*rgb.get_pixel(17, 5), BLUE));
    assert!(matches!(bench.open("out/deep.png"), DynamicImage::ImageLuma16(_)));
    let alpha = bench.open("out/alpha.png").into_rgba8();
    assert_eq!((alpha.get_pixel(2, 5).0, alpha.get_pixel(17, 5).0[3]), ([200, 100, 0, 255], 0));
    bench.run(&["--size", "20x", "--format", "jpeg"]).expect(0);
    assert!(is_near(*bench.open("out/rgb.jpg").into_rgb8().get_pixel(2, 5), RED));
}

#[test]
fn a_tiff_of_several_pages_is_refused_by_name() {
    let bench = Bench::new();
    bench.write("in/a.tif", |path| {
        let file = fs::File::create(path).expect("a file");
        let mut encoder = tiff::encoder::TiffEncoder::new(file).expect("a file");
        for sample in [50_u8, 200] {
            encoder.write_image::<tiff::encoder::colortype::Gray8>(8, 8, &[sample; 64]).expect("a page");
        }
    });
    for options in [&[][..], &["--dry-run"]] {
        bench.run(options).expect(1).complains("several pages");
    }
    bench.run(&["--animation", "first"]).expect(0);
    assert_eq!(bench.open("out/a.png").into_luma8().get_pixel(3, 3).0, [50]);
}

#[test]
fn avif_is_written_or_the_feature_is_named() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    if cfg!(feature = "avif") {
        bench.run(&["--format", "avif", "--size", "20x"]).expect(0);
        let file = fs::read(bench.path("out/a.avif")).expect("the output");
        assert_eq!(&file[4..12], b"ftypavif");
        let run = bench.run(&["--format", "avif", "--size", "20x"]).expect(0);
        assert!(run.stdout.contains("1 up to date"), "{}", run.stdout);
        // Another size, or a file that is cut, is made anew.
        let run = bench.run(&["--format", "avif", "--size", "16x"]).expect(0);
        assert!(run.stdout.contains("1 resized"), "{}", run.stdout);
        let file = fs::read(bench.path("out/a.avif")).expect("the output");
        for spoilt in [&file[..file.len() / 2], &vec![0; file.len()]] {
            bench.bytes("out/a.avif", spoilt);
            let run = bench.run(&["--format", "avif", "--size", "16x"]).expect(0);
            assert!(run.stdout.contains("1 resized"), "{}", run.stdout);
        }
    } else {
        bench.run(&["--format", "avif"]).expect(1).complains("feature `avif`");
    }
}

#[test]
fn a_gif_without_its_end_is_whole() {
    let bench = Bench::new();
    for name in ["still", "moving"] {
        if name == "still" {
            let picture = RgbaImage::from_pixel(40, 20, Rgba([255, 0, 0, 255]));
            bench.write("whole.gif", |path| {
                let mut encoder = GifEncoder::new(fs::File::create(path).expect("a file"));
                encoder.encode_frame(Frame::new(picture)).expect("a frame");
            });
        } else {
            animation(&bench, "whole.gif");
        }
        let file = fs::read(bench.path("whole.gif")).expect("the file");
        assert_eq!(file[file.len() - 2..], [0, 0x3b]);
        bench.bytes(&format!("in/{name}.gif"), &file[..file.len() - 1]);
        // Here a part of the data is missing, or a block follows that may have been a frame.
        let block = [&file[..file.len() - 1], &[0x2d, 0, 0x3b]].concat();
        for damaged in [&file[..file.len() - 3], &block] {
            bench.bytes(&format!("damaged-{name}.gif"), damaged);
            bench.run_on(&[&format!("damaged-{name}.gif")], &["--format", "webp"]).expect(1);
        }
    }
    bench.run(&["--format", "webp"]).expect(0);
    let red = Rgba([255, 0, 0, 255]);
    assert_eq!(*bench.open("out/still.webp").into_rgba8().get_pixel(39, 19), red);
    let frames = frames_of(&bench, "out/moving.webp");
    assert_eq!(frames, [(100, red), (200, Rgba([0, 255, 0, 255])), (300, red)]);
}

/// A TIFF file of 4x2 pixels with such tags of one SHORT each; the others are those of every file. `longer`
/// are tags with more values, which follow the pixels.
fn tiff_file(tags: &[(u16, u16)], longer: &[(u16, &[u16])], pixels: &[u8]) -> Vec<u8> {
    let count = tags.len() + longer.len() + 5;
    let pixels_at = 8 + 2 + 12 * count as u32 + 4;
    let mut values_at = pixels_at + pixels.len() as u32;
    let mut entries: Vec<(u16, Vec<u8>)> = Vec::new();
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        let parts = [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value];
        (tag, parts.concat())
    };
    let short = |value: u16| [value.to_le_bytes(), [0; 2]].concat().try_into().expect("four bytes");
    for (tag, value) in [(256, 4), (257, 2), (259, 1)].iter().chain(tags) {
        entries.push(entry(*tag, 3, 1, short(*value)));
    }
    let mut values = Vec::new();
    for (tag, numbers) in longer {
        // Two of them are where the place of more would be.
        if let [a, b] = numbers {
            let both = [a.to_le_bytes(), b.to_le_bytes()];
            entries.push(entry(*tag, 3, 2, both.concat().try_into().expect("four bytes")));
            continue;
        }
        entries.push(entry(*tag, 3, numbers.len() as u32, values_at.to_le_bytes()));
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        values_at += bytes.len() as u32;
        values.extend(bytes);
    }
    if !longer.iter().any(|(tag, _)| *tag == 273) {
        entries.push(entry(273, 4, 1, pixels_at.to_le_bytes()));
        entries.push(entry(279, 4, 1, (pixels.len() as u32).to_le_bytes()));
    }
    entries.sort();
    let directory: Vec<u8> = entries.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    let head = [&b"II*\0\x08\0\0\0"[..], &(entries.len() as u16).to_le_bytes(), &directory, &[0; 4]].concat();
    let gap = vec![0; pixels_at as usize - head.len()];
    [&head[..], &gap, pixels, &values].concat()
}

#[test]
fn a_tiff_with_a_palette_is_read() {
    let bench = Bench::new();
    let mut palette = vec![0; 3 * 16];
    (palette[3], palette[16 + 3], palette[32 + 3]) = (0xffff, 0x8000, 0x0100);
    palette[16 + 9] = 0xc8c8;
    let tags = [(262, 3), (258, 4), (277, 1), (278, 2)];
    bench.bytes("in/four.tif", &tiff_file(&tags, &[(320, &palette)], &[0x33, 0x99, 0x99, 0x33]));
    let mut palette = vec![0; 3 * 256];
    (palette[3], palette[256 + 3], palette[512 + 3]) = (0xffff, 0x8000, 0x0100);
    palette[256 + 9] = 0xc8c8;
    let tags = [(262, 3), (258, 8), (277, 1), (278, 2)];
    bench.bytes("in/eight.tif", &tiff_file(&tags, &[(320, &palette)], &[3, 3, 9, 9, 9, 9, 3, 3]));
    bench.run(&["--recode"]).expect(0);
    for name in ["four", "eight"] {
        let picture = bench.open(&format!("out/{name}.png")).into_rgb8();
        assert_eq!(
            (picture.get_pixel(0, 0).0, picture.get_pixel(3, 0).0),
            ([255, 128, 1], [0, 200, 0]),
            "{name}"
        );
        assert_eq!(
            (picture.get_pixel(0, 1).0, picture.get_pixel(3, 1).0),
            ([0, 200, 0], [255, 128, 1]),
            "{name}"
        );
    }
}

#[test]
fn a_tiff_with_planes_or_grey_with_alpha_is_read_and_luma_with_chroma_is_refused() {
    let bench = Bench::new();
    let planes: Vec<u8> = [[200; 8], [100; 8], [50; 8]].concat();
    let tags = [(262, 2), (277, 3), (278, 2), (284, 2)];
    let place = |plane: u16| 8 + 2 + 12 * 12 + 4 + 8 * plane;
    let strips: &[(u16, &[u16])] =
        &[(258, &[8, 8, 8]), (273, &[place(0), place(1), place(2)]), (279, &[8, 8, 8])];
    let planar = tiff_file(&tags, strips, &planes);
    bench.bytes("in/planar.tif", &planar);
    let tags = [(262, 1), (277, 2), (278, 2), (338, 2)];
    let pixels: Vec<u8> = [[90, 255]; 4].concat().into_iter().chain([[90, 10]; 4].concat()).collect();
    bench.bytes("in/grey.tif", &tiff_file(&tags, &[(258, &[8, 8])], &pixels));
    bench.run(&["--recode"]).expect(0);
    let picture = bench.open("out/planar.png").into_rgb8();
    assert!(picture.pixels().all(|pixel| pixel.0 == [200, 100, 50]));
    let picture = bench.open("out/grey.png").into_luma_alpha8();
    assert_eq!((picture.get_pixel(0, 0).0, picture.get_pixel(0, 1).0), ([90, 255], [90, 10]));
    // Uncompressed, each pixel of its own.
    let tags = [(262, 6), (277, 3), (278, 2)];
    let file = tiff_file(&tags, &[(258, &[8, 8, 8]), (530, &[1, 1])], &[128; 24]);
    bench.bytes("luma.tif", &file);
    for options in [&[][..], &["--dry-run"]] {
        bench.run_on(&["luma.tif"], options).expect(1).complains("YCbCr");
    }
}
