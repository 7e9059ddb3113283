//! JPEG sources that other programs show, and those of which a part is missing.

use std::fs;

use crate::bench::{Bench, jpeg_file};

fn pixels(bench: &Bench, name: &str) -> Vec<u8> {
    bench.open(name).into_rgb8().into_raw()
}

#[test]
fn any_distribution_of_components_over_scans_is_the_same_picture() {
    let bench = Bench::new();
    for name in ["base", "three-scans", "y-cbcr", "ycb-cr", "crcb-y", "progressive", "restarts"] {
        bench.bytes(&format!("in/{name}.jpg"), &jpeg_file(&format!("{name}.jpg")));
    }
    for size in ["90x", "40x", "20x", "10x"] {
        bench.run(&["--size", size, "--format", "png", "--force"]).expect(0);
        let wanted = pixels(&bench, "out/base.png");
        for name in ["three-scans", "y-cbcr", "ycb-cr", "crcb-y", "progressive", "restarts"] {
            assert!(pixels(&bench, &format!("out/{name}.png")) == wanted, "{name} at {size}");
        }
    }
}

/// What another decoder and another resampler make of a file is nearly the same.
#[test]
fn pictures_are_those_of_other_decoders() {
    let bench = Bench::new();
    for name in ["base", "sample-1x1", "sample-2x1", "sample-1x2", "sample-4x1", "grey", "rgb", "progressive"]
    {
        let file = jpeg_file(&format!("{name}.jpg"));
        bench.bytes("in/a.jpg", &file);
        bench.run(&["--size", "46x30!", "--format", "png", "--force"]).expect(0);
        let decoded = image::load_from_memory(&file).expect("a picture").into_rgb8();
        let wanted = image::imageops::resize(&decoded, 46, 30, image::imageops::FilterType::Lanczos3);
        let made = pixels(&bench, "out/a.png");
        let error: f64 =
            made.iter().zip(wanted.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
        let error = (error / made.len() as f64).sqrt();
        // Where chroma is subsampled, filters differ.
        assert!(
            error < if name.contains("1x1") || matches!(name, "grey" | "rgb") { 2.0 } else { 8.0 },
            "{name}: {error}"
        );
    }
}

#[test]
fn a_file_that_lacks_only_its_end_is_whole() {
    let bench = Bench::new();
    let whole = jpeg_file("base.jpg");
    bench.bytes("in/whole.jpg", &whole);
    bench.bytes("in/cut.jpg", &whole[..whole.len() - 2]);
    bench.bytes("in/trailer.jpg", &[&whole[..whole.len() - 2], b"some other data"].concat());
    bench.bytes("in/behind.jpg", &[&whole[..], b"a film, perhaps"].concat());
    for size in ["40x", "200x"] {
        let run = bench.run(&["--size", size, "--force"]).expect(0);
        assert!(run.stdout.contains("4 resized") && run.stderr.is_empty(), "{}{}", run.stdout, run.stderr);
        for name in ["cut", "trailer", "behind"] {
            assert!(pixels(&bench, &format!("out/{name}.jpg")) == pixels(&bench, "out/whole.jpg"), "{name}");
        }
    }
}

#[test]
fn a_picture_of_which_a_part_is_missing_fails_or_warns() {
    for (source, name) in [("base.jpg", "sequential"), ("progressive.jpg", "progressive")] {
        let bench = Bench::new();
        let whole = jpeg_file(source);
        let half = &whole[..whole.len() * 6 / 10];
        bench.bytes("in/cut.jpg", half);
        bench.bytes("in/ended.jpg", &[half, &[0xff, 0xd9]].concat());
        // At whatever scale it is decoded, and also if its size is right already.
        for size in ["40x", "10x", "200x"] {
            let run = bench.run(&["--size", size]).expect(1);
            assert_eq!(
                run.stderr.matches("% of the picture is missing").count(),
                2,
                "{name}: {}",
                run.stderr
            );
            assert!(!bench.path("out").exists() || bench.files("out").is_empty());
        }
        let run = bench.run(&["--size", "40x", "--damage", "warn", "--json"]).expect(0);
        run.complains("warning: the file is damaged");
        let warning = run.json()["files"][0]["warnings"][0].as_str().expect("a warning").to_owned();
        assert!(warning.contains("% of the picture is missing"), "{warning}");
        assert_eq!(bench.files("out").len(), 2);
    }
}

/// A file of 2 kB cannot have 177 megapixels.
#[test]
fn an_announced_size_without_data_fails() {
    let bench = Bench::new();
    let mut file = jpeg_file("base.jpg");
    let frame = file.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    file[frame + 5..frame + 9].copy_from_slice(&[0x0a, 0x8c, 0xff, 0xff]);
    bench.bytes("in/a.jpg", &file);
    bench.run(&[]).expect(1).complains("of the picture is missing");
}

#[test]
fn what_cannot_be_decoded_is_named() {
    let bench = Bench::new();
    bench.bytes("in/arithmetic.jpg", &jpeg_file("arithmetic.jpg"));
    bench.run(&[]).expect(1).complains("arithmetic coding");
    bench.run(&["--dry-run"]).expect(1).complains("arithmetic coding");
}

/// The second picture of an Ultra HDR file says how bright the first is where a screen can show more.
#[test]
fn a_gain_map_is_reported() {
    let bench = Bench::new();
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\" hdrgm:Version=\"1.0\"/>";
    bench.jpeg_with_segment("in/a.jpg", (64, 48), 1, xmp);
    let run = bench.run(&["--size", "32x"]).expect(0);
    run.complains("gain map");
    assert!(run.stdout.contains("1 warnings"), "{}", run.stdout);
    // Kept with everything else, if the file is kept as it is.
    let source = fs::read(bench.path("in/a.jpg")).expect("the source");
    let run = bench.run(&["--size", "64x", "--metadata", "all", "--force"]).expect(0);
    assert_eq!(
        (run.stderr.as_str(), fs::read(bench.path("out/a.jpg")).expect("the output") == source),
        ("", true)
    );
    bench.run(&["--size", "64x", "--force"]).expect(0).complains("gain map");
}
