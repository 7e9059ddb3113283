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

fn frames_of(bench: &Bench, name: &str) -> Vec<(u32, Rgba<u8>)> {
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
