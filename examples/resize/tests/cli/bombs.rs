//! Small files that announce little and hold much, in every format that has a place for it.

use std::fs;

use crate::bench::{Bench, jpeg_file};

fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(contents.len() as u32).to_le_bytes(), contents].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A WebP file with a canvas of 16 by 16 and these chunks.
fn webp(flags: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let head = chunk(b"VP8X", &[flags, 0, 0, 0, 15, 0, 0, 15, 0, 0]);
    let body = [&b"WEBP"[..], &head, &chunks.concat()].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// The memory that a run had at most, if the system tells.
fn peak(summary: &serde_json::Value) -> u64 {
    summary["peak_memory_bytes"].as_u64().unwrap_or(0)
}

#[test]
fn metadata_of_webp_is_limited_and_what_is_needed_is_not_left_out() {
    let bench = Bench::new();
    bench.image("plain.webp", 16, 16);
    let picture = fs::read(bench.path("plain.webp")).expect("a file")[12..].to_vec();
    let large = vec![0; 9 << 20];
    bench.bytes("in/exif.webp", &webp(0x08, &[picture.clone(), chunk(b"EXIF", &large)]));
    bench.bytes("in/icc.webp", &webp(0x20, &[chunk(b"ICCP", &large), picture.clone()]));
    // One that announces more than the file has.
    let mut announced = webp(0x08, &[picture.clone(), chunk(b"EXIF", b"MM")]);
    let at = announced.len() - 6;
    announced[at..at + 4].copy_from_slice(&0x7fff_0000_u32.to_le_bytes());
    bench.bytes("in/announced.webp", &announced);
    // Nothing depends on this one.
    bench.bytes("in/xmp.webp", &webp(0x04, &[picture, chunk(b"XMP ", &large)]));
    for dry in [&["--dry-run"][..], &[]] {
        let options = [dry, &["--json", "--size", "8x", "--max-memory", "40M"]].concat();
        let run = bench.run(&options).expect(1);
        run.complains("exif.webp: its EXIF data has more than");
        run.complains("announced.webp: its EXIF data has more than");
        run.complains("icc.webp: its colour profile has more than");
        assert!(peak(&run.json()) < 60 << 20, "{}", peak(&run.json()));
    }
    assert_eq!(bench.files("out"), ["xmp.webp"]);
}

#[test]
fn a_webp_picture_is_no_larger_than_its_canvas() {
    let bench = Bench::new();
    // The head of a lossy picture of 16383 by 16383; its data would be a few kB.
    let head = [&[0x10_u8, 0, 0, 0x9d, 1, 0x2a, 0xff, 0x3f, 0xff, 0x3f][..], &[0; 200]].concat();
    let frame = [&[0_u8; 6][..], &[15, 0, 0, 15, 0, 0, 100, 0, 0, 0], &chunk(b"VP8 ", &head)].concat();
    bench.bytes("in/still.webp", &webp(0, &[chunk(b"VP8 ", &head)]));
    bench.bytes(
        "in/animated.webp",
        &webp(2, &[chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame), chunk(b"ANMF", &frame)]),
    );
    for dry in [&["--dry-run"][..], &[]] {
        let run = bench.run(&[dry, &["--json", "--format", "webp"]].concat()).expect(1);
        assert_eq!(run.stderr.matches("it announces 16x16 pixels").count(), 2, "{}", run.stderr);
        assert!(peak(&run.json()) < 40 << 20, "{}", peak(&run.json()));
    }
}

#[test]
fn the_header_of_a_jpeg_takes_little_whatever_is_in_it() {
    let bench = Bench::new();
    let whole = jpeg_file("base.jpg");
    let exif = [&[0xff, 0xe1, 0xff, 0xff][..], b"Exif\0\0", &[0; 65_527]].concat();
    let jfxx = [&[0xff, 0xe0, 0xff, 0xff][..], b"JFXX\0", &[0; 65_528]].concat();
    bench.bytes("in/exif.jpg", &[&whole[..2], &exif.repeat(600), &whole[2..]].concat());
    bench.bytes("in/jfxx.jpg", &[&whole[..2], &jfxx.repeat(600), &whole[2..]].concat());
    let run = bench.run(&["--dry-run", "--json"]).expect(1);
    run.complains("jfxx.jpg");
    let summary = run.json();
    assert_eq!(summary["files"][0]["status"], "planned");
    assert!(peak(&summary) < 30 << 20, "{}", peak(&summary));
    // A profile of 80 parts.
    let part = [&[0xff, 0xe2, 0xff, 0xff][..], b"ICC_PROFILE\0\x01\x50", &[0; 65_519]].concat();
    bench.bytes("profile.jpg", &[&whole[..2], &part.repeat(80), &whole[2..]].concat());
    bench.run_on(&["profile.jpg"], &["--dry-run"]).expect(1).complains("its colour profile has more than");
}

#[test]
fn a_gif_frame_is_no_larger_than_its_canvas() {
    let bench = Bench::new();
    // A screen of 16 by 16 with two colours, and a frame of 30000 by 30000.
    let mut file = b"GIF89a\x10\0\x10\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    file.extend(b"\x2c\0\0\0\0\x30\x75\x30\x75\0\x02\x02\x44\x01\0;");
    bench.bytes("in/a.gif", &file);
    let run = bench.run(&["--json"]).expect(1);
    run.complains("a frame is larger than the picture");
    assert!(peak(&run.json()) < 40 << 20, "{}", peak(&run.json()));
}

/// A TIFF of 16 by 16 with a profile that has so many bytes.
fn tiff(bench: &Bench, name: &str, profile: usize) {
    let mut icc = crate::bench::linear_grey_profile();
    icc.resize(profile, 0);
    bench.write(name, |path| {
        let file = fs::File::create(path).expect("a file");
        let mut encoder = tiff::encoder::TiffEncoder::new(file).expect("a file");
        let mut image =
            encoder.new_image::<tiff::encoder::colortype::Gray8>(16, 16).expect("an image of grey");
        image.encoder().write_tag(tiff::tags::Tag::Unknown(34_675), &icc[..]).expect("a profile");
        image.write_data(&[128; 256]).expect("pixels");
    });
}

#[test]
fn the_profile_of_a_tiff_takes_no_more_than_its_bytes() {
    let bench = Bench::new();
    tiff(&bench, "in/a.tif", 3_000_000);
    let summary = bench.run(&["--json", "--size", "8x"]).expect(0).json();
    assert!(peak(&summary) < 40 << 20, "{}", peak(&summary));
    let output = fs::read(bench.path("out/a.png")).expect("the output");
    assert!(output.windows(4).any(|window| window == b"iCCP"));
    tiff(&bench, "in/a.tif", 5_000_000);
    bench.run(&["--size", "8x", "--force"]).expect(1).complains("its colour profile has more than");
}
