//! Outputs and decisions compared with other programs, where they are installed.

use std::fs;
use std::process::{Command, Stdio};

use crate::bench::{Bench, has_tool, jpeg_file};
use crate::colour::cmyk_profile;

/// Standard output of a tool.
fn tool(bench: &Bench, name: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(name);
    let output =
        command.args(arguments).current_dir(bench.path(".")).stdin(Stdio::null()).output().expect(name);
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The pixels of a PPM or PGM file of 8 bits.
fn pnm(file: &[u8]) -> ((usize, usize), Vec<u8>) {
    let mut fields = file.split(|byte| byte.is_ascii_whitespace());
    let number = |field: Option<&[u8]>| {
        String::from_utf8_lossy(field.expect("a field")).parse::<usize>().expect("a number")
    };
    let channels = if fields.next() == Some(b"P6") { 3 } else { 1 };
    let (width, height) = (number(fields.next()), number(fields.next()));
    ((width, height), file[file.len() - width * height * channels..].to_vec())
}

fn distance(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    (a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// Every JPEG that djpeg shows is shown the same way.
#[test]
fn jpeg_as_djpeg_sees_it() {
    if !has_tool("djpeg") {
        return;
    }
    let bench = Bench::new();
    let names =
        ["base", "three-scans", "y-cbcr", "ycb-cr", "crcb-y", "progressive", "restarts", "sample-1x1", "rgb"];
    for name in names {
        bench.bytes(&format!("in/{name}.jpg"), &jpeg_file(&format!("{name}.jpg")));
    }
    bench.run(&["--format", "png", "--size", "100%"]).expect(0);
    for name in names {
        let (size, wanted) = pnm(&tool(&bench, "djpeg", &["-ppm", &format!("in/{name}.jpg")]));
        let made = bench.open(&format!("out/{name}.png")).into_rgb8();
        assert_eq!((made.width() as usize, made.height() as usize), size);
        // Chroma that is stored at half the size is enlarged by another filter.
        let limit = if matches!(name, "sample-1x1" | "rgb") { 0.8 } else { 8.0 };
        let error = distance(made.as_raw(), &wanted);
        assert!(error < limit, "{name}: {error}");
    }
}

/// ImageMagick converts inks through the profile, as we do.
#[test]
fn inks_as_imagemagick_sees_them() {
    // The machine may have another program of that name.
    if !has_tool("convert")
        || !String::from_utf8_lossy(
            &Command::new("convert")
                .arg("--version")
                .output()
                .map(|output| output.stdout)
                .unwrap_or_default(),
        )
        .contains("lcms")
    {
        eprintln!("notice: no ImageMagick with lcms, the comparison is skipped");
        return;
    }
    let bench = Bench::new();
    bench.bytes("cmyk.icc", &cmyk_profile());
    bench.bytes("srgb.icc", &moxcms::ColorProfile::new_srgb().encode().expect("a profile"));
    bench.write("in/a.jpg", |path| {
        let mut encoder = jpeg_encoder::Encoder::new_file(path, 100).expect("a file");
        encoder.add_icc_profile(&cmyk_profile()).expect("a profile");
        let pixels: Vec<u8> =
            (0..64 * 64_u32).flat_map(|at| [(at % 64 * 4) as u8, (at / 64 * 4) as u8, 30, 10]).collect();
        encoder.encode(&pixels, 64, 64, jpeg_encoder::ColorType::Cmyk).expect("a JPEG");
    });
    bench.run(&["--format", "png", "--size", "100%"]).expect(0);
    let arguments = ["in/a.jpg", "-intent", "Perceptual", "-profile", "srgb.icc", "-depth", "8", "ppm:-"];
    let (_, wanted) = pnm(&tool(&bench, "convert", &arguments));
    let error = distance(bench.open("out/a.png").into_rgb8().as_raw(), &wanted);
    assert!(error < 8.0, "{error}");
}

/// What is written is read by others: JPEG by djpeg, WebP by dwebp, animations by webpmux, all of it by
/// exiftool.
#[test]
fn outputs_as_other_readers_see_them() {
    let bench = Bench::new();
    bench.image("in/a.png", 300, 200);
    for (format, extra) in [
        ("jpeg", &[][..]),
        ("jpeg", &["--progressive"]),
        ("webp", &["--webp", "lossy"]),
        ("webp", &["--webp", "lossless"]),
    ] {
        bench.run(&[&["--force", "--size", "150x", "--format", format], extra].concat()).expect(0);
        let output = bench.open(if format == "jpeg" { "out/a.jpg" } else { "out/a.webp" }).into_rgb8();
        if format == "jpeg" && has_tool("djpeg") {
            let (_, wanted) = pnm(&tool(&bench, "djpeg", &["-ppm", "out/a.jpg"]));
            assert!(distance(output.as_raw(), &wanted) < 3.0);
        }
        if format == "webp" && Command::new("dwebp").arg("-version").stdout(Stdio::null()).status().is_ok() {
            let (_, wanted) = pnm(&tool(&bench, "dwebp", &["out/a.webp", "-ppm", "-o", "-", "-quiet"]));
            assert!(distance(output.as_raw(), &wanted) < 3.0);
        }
    }
    if Command::new("exiftool").arg("-ver").stdout(Stdio::null()).status().is_ok() {
        let names = bench.files("out");
        assert_eq!(names.len(), 2);
        for name in names {
            let said = tool(&bench, "exiftool", &["-validate", "-warning", &format!("out/{name}")]);
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(said.contains("OK"), "{name}: {said}");
        }
    }
    let _ = fs::metadata(bench.path("out"));
}
