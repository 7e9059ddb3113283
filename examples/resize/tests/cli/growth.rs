//! Files that must not grow.

use std::fs;

use image::{Rgb, RgbImage};

use crate::bench::Bench;

/// Something like a photograph: smooth, with a little noise.
fn photograph(width: u32, height: u32) -> RgbImage {
    let mut random = 1_u32;
    RgbImage::from_fn(width, height, |x, y| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (random >> 28) as f32;
        let wave = |a: f32, b: f32| {
            ((x as f32 / a).sin() * 60.0 + (y as f32 / b).cos() * 60.0 + 120.0 + noise) as u8
        };
        Rgb([wave(31.0, 47.0), wave(53.0, 29.0), wave(71.0, 83.0)])
    })
}

fn length(bench: &Bench, name: &str) -> u64 {
    fs::metadata(bench.path(name)).unwrap_or_else(|error| panic!("{name}: {error}")).len()
}

#[test]
fn lossy_webp_stays_lossy() {
    let bench = Bench::new();
    bench.write("in/photo.jpg", |path| photograph(400, 300).save(path).expect("an image"));
    bench.write("lossless.webp", |path| photograph(400, 300).save(path).expect("an image"));
    bench.run(&["--format", "webp", "--size", "200x"]).expect(0);
    let lossless = length(&bench, "lossless.webp");
    let small = length(&bench, "out/photo.webp");
    assert!(small * 4 < lossless / 4, "{small} of {lossless}");
    assert_eq!(&fs::read(bench.path("out/photo.webp")).expect("the output")[12..16], b"VP8 ");
    // From lossy to lossy; at its own size it is kept.
    fs::create_dir(bench.path("again")).expect("a directory");
    bench.raw(&["out/photo.webp", "-o", "again", "--size", "100x"]).expect(0);
    assert_eq!(&fs::read(bench.path("again/photo.webp")).expect("the output")[12..16], b"VP8 ");
    bench.raw(&["out/photo.webp", "-o", "again", "--force"]).expect(0);
    assert_eq!(length(&bench, "again/photo.webp"), small);
    bench.raw(&["out/photo.webp", "-o", "again", "--force", "--recode"]).expect(0);
    assert!(length(&bench, "again/photo.webp") < small * 5 / 4);
    // From lossless to lossless, or as it is asked for.
    bench.raw(&["lossless.webp", "-o", "again", "--size", "200x"]).expect(0);
    assert_eq!(&fs::read(bench.path("again/lossless.webp")).expect("the output")[12..16], b"VP8L");
    bench.raw(&["lossless.webp", "-o", "again", "--size", "200x", "--webp", "lossy", "--force"]).expect(0);
    assert_eq!(&fs::read(bench.path("again/lossless.webp")).expect("the output")[12..16], b"VP8 ");
}

#[test]
fn a_palette_is_kept_where_it_holds() {
    let bench = Bench::new();
    // Few colours, in areas with straight and slanted edges.
    let colours = [[250, 250, 250], [20, 20, 120], [200, 30, 30], [30, 160, 60], [240, 200, 40]];
    let mut info = png::Info::with_size(400, 300);
    info.color_type = png::ColorType::Indexed;
    info.palette = Some(colours.concat().into());
    let indices: Vec<u8> = (0..400 * 300)
        .map(|at| ((at % 400 / 37 + at / 400 / 23 + (at % 400 + at / 400) / 90) % 5) as u8)
        .collect();
    crate::colour::write_png(&bench, "in/a.png", info, &indices);
    bench.run(&["--size", "75%"]).expect(0);
    let output = fs::read(bench.path("out/a.png")).expect("the output");
    assert_eq!(output[25], 3, "the colour type is that of a palette");
    let rgb = bench.open("out/a.png").into_rgb8();
    // As large as the same pixels without a palette would not be.
    bench.write("true.png", |path| rgb.save(path).expect("an image"));
    assert!((output.len() as u64) < length(&bench, "true.png"));
    let plain = image::imageops::resize(
        &bench.open("in/a.png").into_rgb8(),
        300,
        225,
        image::imageops::FilterType::Lanczos3,
    );
    let error: f64 =
        rgb.as_raw().iter().zip(plain.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    let error = (error / rgb.as_raw().len() as f64).sqrt();
    assert!(error < 6.0, "{error}");
}

/// Text in black on white has no colours: grey says it all, in a third of the bytes.
#[test]
fn what_is_grey_is_stored_as_grey() {
    let bench = Bench::new();
    let page = RgbImage::from_fn(600, 400, |x, y| {
        Rgb(if x % 7 < 2 && y % 13 < 9 && (x / 7 + y / 13) % 5 != 0 { [0; 3] } else { [255; 3] })
    });
    bench.write("in/page.png", |path| page.save(path).expect("an image"));
    bench.run(&["--size", "75%"]).expect(0);
    let output = bench.open("out/page.png");
    assert!(matches!(output, image::DynamicImage::ImageLuma8(_)), "{:?}", output.color());
    let mut zlib = Vec::new();
    let mut encoder = png::Encoder::new(&mut zlib, output.width(), output.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_deflate_compression(png::DeflateCompression::Level(6));
    encoder.set_filter(png::Filter::Adaptive);
    encoder.write_header().expect("a header").write_image_data(output.into_rgb8().as_raw()).expect("pixels");
    assert!(length(&bench, "out/page.png") <= zlib.len() as u64);
}

#[test]
fn what_is_small_enough_is_kept() {
    let bench = Bench::new();
    bench.write("in/a.jpg", |path| photograph(300, 200).save(path).expect("an image"));
    bench.write("in/b.png", |path| photograph(300, 200).save(path).expect("an image"));
    let run = bench.run(&["--json"]).expect(0);
    let summary = run.json();
    assert_eq!([&summary["totals"]["resized"], &summary["totals"]["kept"]], [2, 2]);
    for name in ["a.jpg", "b.png"] {
        let (source, output) = (bench.open(&format!("in/{name}")), bench.open(&format!("out/{name}")));
        assert!(source == output, "{name}");
        assert!(length(&bench, &format!("out/{name}")) <= length(&bench, &format!("in/{name}")));
    }
    let summary = bench.run(&["--json", "--recode", "--quality", "30", "--force"]).expect(0).json();
    assert_eq!(summary["totals"]["kept"], 0);
    assert!(length(&bench, "out/a.jpg") < length(&bench, "in/a.jpg"));
}

#[test]
fn jpeg_has_codes_made_to_measure_in_one_scan() {
    let bench = Bench::new();
    bench.write("in/a.png", |path| photograph(500, 400).save(path).expect("an image"));
    bench.run(&["--format", "jpeg", "--quality", "85", "--size", "400x"]).expect(0);
    let file = fs::read(bench.path("out/a.jpg")).expect("the output");
    let rgb = bench.open("in/a.png").into_rgb8();
    let small = image::imageops::resize(&rgb, 400, 320, image::imageops::FilterType::Lanczos3);
    let mut plain = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut plain, 85);
    encoder.encode(&small, 400, 320, jpeg_encoder::ColorType::Rgb).expect("a JPEG");
    assert!(file.len() * 100 < plain.len() * 98, "{} {}", file.len(), plain.len());
    assert_eq!(
        file.windows(2).filter(|pair| pair == &[0xff, 0xda]).count(),
        1,
        "one scan, as every decoder reads it"
    );
    bench
        .run(&["--format", "jpeg", "--quality", "85", "--size", "400x", "--progressive", "--force"])
        .expect(0);
    let progressive = fs::read(bench.path("out/a.jpg")).expect("the output");
    assert!(progressive.windows(2).any(|pair| pair == [0xff, 0xc2]));
}
