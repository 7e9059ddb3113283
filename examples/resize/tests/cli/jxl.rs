//! JPEG XL in. The files and how they were made are in `tests/data`.

use std::fs;
use std::path::Path;

use crate::bench::Bench;

fn data(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A bench with some of the files in `in`.
fn bench(names: &[&str]) -> Bench {
    let bench = Bench::new();
    for name in names {
        bench.bytes(&format!("in/{name}"), &data(name));
    }
    bench
}

#[cfg(not(feature = "jxl"))]
#[test]
fn the_refusal_names_the_feature() {
    let bench = bench(&["lossless.jxl"]);
    for options in [&[][..], &["--dry-run"]] {
        bench.run_on(&["in/lossless.jxl"], options).expect(1).complains("built with the feature `jxl`");
    }
    bench.image("in/a.png", 8, 8);
    bench.run(&[]).expect(0).complains("1 file of other formats left out: 1 .jxl");
    assert_eq!(bench.files("out"), ["a.png"]);
}

#[cfg(feature = "jxl")]
mod with_the_feature {
    use image::{DynamicImage, Rgb, Rgba};

    use super::*;
    use crate::bench::{BLUE, RED, is_near, sum};

    #[test]
    fn pixels_are_those_of_the_file() {
        let bench = bench(&["lossless.jxl", "lossy.jxl", "grey.jxl", "alpha.jxl", "deep.jxl", "jpeg.jxl"]);
        bench.run(&["--format", "png", "--size", "20x20"]).expect(0);
        let open = |name: &str| bench.open(&format!("out/{name}.png"));
        let lossless = open("lossless").into_rgb8();
        assert_eq!((lossless.dimensions(), *lossless.get_pixel(2, 5)), ((20, 12), RED));
        assert_eq!(*lossless.get_pixel(17, 5), BLUE);
        let lossy = open("lossy").into_rgb8();
        assert!(is_near(*lossy.get_pixel(2, 5), RED) && is_near(*lossy.get_pixel(17, 5), BLUE));
        let grey = open("grey");
        assert!(!grey.color().has_color(), "{:?}", grey.color());
        let grey = grey.into_luma8();
        assert_eq!((grey.get_pixel(2, 5).0, grey.get_pixel(17, 5).0), ([80], [47]));
        let alpha = open("alpha").into_rgba8();
        assert_eq!(*alpha.get_pixel(2, 5), Rgba([220, 20, 20, 255]));
        let (half, wanted) = (alpha.get_pixel(17, 5).0, [20, 20, 220, 128_u8]);
        assert!(half.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 1), "{half:?}");
        let DynamicImage::ImageLuma16(deep) = open("deep") else { panic!("16 bits") };
        assert_eq!((deep.get_pixel(2, 5).0, deep.get_pixel(17, 5).0), ([0x8040], [0x1234]));
        // Turned to the right by its orientation: what was left is above.
        let turned = open("jpeg").into_rgb8();
        assert_eq!(turned.dimensions(), (12, 20));
        assert!(is_near(*turned.get_pixel(5, 2), RED) && is_near(*turned.get_pixel(5, 17), BLUE));
    }

    #[test]
    fn what_is_lossy_stays_lossy_and_what_is_deep_is_not_made_shallow_in_png() {
        let bench = bench(&["lossless.jxl", "lossy.jxl", "jpeg.jxl", "alpha.jxl"]);
        bench.run(&["--size", "20x20"]).expect(0);
        for (name, kind) in [("lossless", "VP8L"), ("lossy", "VP8 "), ("jpeg", "VP8 "), ("alpha", "VP8L")] {
            let file = fs::read(bench.path(&format!("out/{name}.webp"))).expect("the output");
            let found = file.windows(4).any(|window| window == kind.as_bytes());
            assert!(found, "{name}: {}", String::from_utf8_lossy(&file[..20]));
        }
        let run = bench.run(&["--size", "20x20"]).expect(0);
        assert!(run.stdout.contains("4 up to date"), "{}", run.stdout);
    }

    #[test]
    fn metadata_is_upright() {
        let bench = bench(&["jpeg.jxl"]);
        for options in [&["--metadata", "all"][..], &["--metadata", "basic"], &["--no-rotate"]] {
            bench.run(&[&["--format", "jpeg", "--force"], options].concat()).expect(0);
            assert_eq!(bench.size("out/jpeg.jpg"), (24, 40), "{options:?}");
            let file = fs::read(bench.path("out/jpeg.jpg")).expect("the output");
            let exif =
                exif::Reader::new().read_from_container(&mut std::io::Cursor::new(&file)).expect("EXIF data");
            let field =
                |tag| exif.get_field(tag, exif::In::PRIMARY).map(|field| field.display_value().to_string());
            assert_eq!(field(exif::Tag::Artist).as_deref(), Some("\"Ada\""), "{options:?}");
            let orientation = exif.get_field(exif::Tag::Orientation, exif::In::PRIMARY);
            assert!(orientation.is_none_or(|field| field.value.get_uint(0) == Some(1)), "{options:?}");
        }
        bench.run(&["--format", "jpeg", "--force", "--metadata", "none"]).expect(0);
        let file = fs::read(bench.path("out/jpeg.jpg")).expect("the output");
        assert!(!file.windows(3).any(|window| window == b"Ada"));
    }

    #[test]
    fn light_is_encoded_and_hdr_refused() {
        let bench = bench(&["linear.jxl", "pq.jxl"]);
        for options in [&["--dry-run"][..], &["--format", "webp", "--webp", "lossless"]] {
            bench.run(options).expect(1).complains("HDR");
        }
        // The samples of the file are (220, 20, 20) of 255 parts of light.
        let pixel = *bench.open("out/linear.webp").into_rgb8().get_pixel(2, 5);
        let expected = |linear: f64| {
            let light = linear / 255.0;
            (255.0 * if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 })
                .round()
        };
        let wanted = Rgb([expected(220.0) as u8, expected(20.0) as u8, expected(20.0) as u8]);
        assert!(pixel.0.iter().zip(wanted.0).all(|(a, b)| a.abs_diff(b) <= 1), "{pixel:?} {wanted:?}");
    }

    #[test]
    fn animations_stay_animated_or_are_refused() {
        let bench = bench(&["anim.jxl"]);
        for options in [&["--format", "png"][..], &["--format", "jpeg", "--dry-run"]] {
            bench.run(options).expect(1).complains("JPEG XL file is an animation");
        }
        bench.run(&["--size", "20x"]).expect(0);
        let frames = crate::formats::frames_of(&bench, "out/anim.webp");
        let (red, green) = (Rgba([255, 0, 0, 255]), Rgba([0, 255, 0, 255]));
        assert_eq!(frames, [(100, red), (200, green), (300, red)]);
        bench.run(&["--format", "png", "--animation", "first"]).expect(0);
        assert_eq!(*bench.open("out/anim.png").into_rgba8().get_pixel(2, 2), red);
    }

    #[test]
    fn what_is_cut_fails_and_says_how_much_is_missing() {
        let bench = Bench::new();
        for name in ["lossy.jxl", "jpeg.jxl", "anim.jxl", "deep.jxl"] {
            let file = data(name);
            for length in 0..file.len() {
                bench.bytes(&format!("in/{length:04}-{name}"), &file[..length]);
            }
        }
        let summary = bench.run(&["--json", "--format", "webp"]);
        assert!(!summary.stderr.contains("panicked"), "{}", summary.stderr);
        let summary = summary.json();
        let files = summary["files"].as_array().expect("files");
        // What comes after the picture is not missed.
        let done: Vec<_> = files.iter().filter(|file| file["status"] != "failed").collect();
        assert!(done.len() <= 40, "{done:?}");
        let cut = data("lossy.jxl");
        bench.bytes("cut.jxl", &cut[..cut.len() - 12]);
        bench.run_on(&["cut.jxl"], &[]).expect(1).complains("% of the data of the picture is missing");
        let run = bench.run_on(&["cut.jxl"], &["--damage", "warn"]).expect(0);
        run.complains("% of the data of the picture is missing");
    }

    /// Of each file every byte is changed in some ways.
    #[test]
    fn no_damage_ends_the_program() {
        let bench = Bench::new();
        for name in ["lossy.jxl", "jpeg.jxl", "anim.jxl", "alpha.jxl"] {
            let file = data(name);
            for at in 0..file.len().min(160) {
                let mut broken = file.clone();
                broken[at] = broken[at].wrapping_mul(5).wrapping_add(at as u8 | 1);
                bench.bytes(&format!("in/{at:04}-{name}"), &broken);
            }
        }
        let options =
            ["--json", "--format", "webp", "--size", "20x", "--max-memory", "200M", "--max-pixels", "1M"];
        let run = bench.run(&options);
        assert!(run.status == Some(1) && !run.stderr.contains("panicked"), "{}", run.stderr);
        assert_eq!(run.json()["files"].as_array().expect("files").len(), 160 * 2 + 148 + 79);
    }

    #[test]
    fn limits_are_those_of_all_formats() {
        let bench = bench(&["lossless.jxl", "lossy.jxl"]);
        for options in [&["--max-pixels", "900"][..], &["--max-pixels", "900", "--dry-run"]] {
            bench.run(options).expect(1).complains("40x24 are 0.00 megapixels, more than the 0.00");
        }
        for options in [&["--max-memory", "2M"][..], &["--max-memory", "2M", "--dry-run"]] {
            bench.run(options).expect(1).complains("of --max-memory");
        }
        let summary = bench.run(&["--dry-run", "--json"]).expect(0).json();
        assert!(sum(&summary["files"], "memory_bytes") > 0, "{summary}");
        // Four kilobytes of a codestream that announces what it does not have.
        let announced = |size: &[(u64, u32)], profile: &[(u64, u32)]| {
            // Not all is as usual: no more fields, integers of 8 bits, small ones, nothing more than
            // colours, no XYB, a profile, of RGB, no extensions, the usual matrices.
            let plain = [
                (0, 1),
                (0, 1),
                (0, 1),
                (0, 2),
                (1, 1),
                (0, 2),
                (0, 1),
                (0, 1),
                (1, 1),
                (0, 2),
                (0, 2),
                (1, 1),
            ];
            let (mut bytes, mut at) = (vec![0_u8; 4096], 16);
            bytes[..2].copy_from_slice(&[0xff, 0x0a]);
            for (number, bits) in [size, &plain, profile].concat() {
                for bit in 0..bits {
                    bytes[at / 8] |= ((number >> bit & 1) as u8) << (at % 8);
                    at += 1;
                }
            }
            bytes
        };
        // 2^30 x 2^30 pixels.
        let huge = [(0, 1), (3, 2), ((1 << 30) - 1, 30), (1, 3)];
        bench.bytes("huge.jxl", &announced(&huge, &[(2, 2), (3, 8)]));
        // 8 x 8 pixels, and a profile of 256 MB: in groups of bits, each followed by whether there is more.
        let small = [(1, 1), (0, 5), (1, 3)];
        let profile = [(3, 2), (0xfff, 12), (1, 1), (0xff, 8), (1, 1), (0xff, 8), (0, 1)];
        bench.bytes("profile.jxl", &announced(&small, &profile));
        for options in [&[][..], &["--dry-run"]] {
            bench.run_on(&["huge.jxl"], options).expect(1).complains("1073741824x1073741824 are");
            bench
                .run_on(&["profile.jxl"], options)
                .expect(1)
                .complains("its colour profile has more than 4194 kB");
        }
        // A container of boxes without end.
        let boxes = [&b"\0\0\0\x0cJXL \r\n\x87\n"[..], &b"\0\0\0\x08free".repeat(30_000)].concat();
        bench.bytes("boxes.jxl", &boxes);
        bench.run_on(&["boxes.jxl"], &["--dry-run"]).expect(1).complains("too many boxes");
    }
}
