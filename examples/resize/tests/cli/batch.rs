//! One file that would end a batch: profiles and pictures that are far larger than their files.

use std::fs;
use std::io::Write;
use std::process::Command;

use crate::bench::{Bench, Run};

/// A PNG of 16 by 16 with a profile of so many bytes.
fn with_profile(bytes: usize) -> Vec<u8> {
    let mut info = png::Info::with_size(16, 16);
    info.color_type = png::ColorType::Rgb;
    info.icc_profile = Some(vec![0; bytes].into());
    let mut file = Vec::new();
    let mut writer =
        png::Encoder::with_info(&mut file, info).and_then(png::Encoder::write_header).expect("a header");
    writer.write_image_data(&[9; 16 * 16 * 3]).expect("pixels");
    writer.finish().expect("an end");
    file
}

#[test]
fn a_huge_profile_is_refused_and_the_others_done() {
    let bench = Bench::new();
    bench.image("in/good.jpg", 40, 20);
    let bomb = with_profile(64 << 20);
    for number in 0..8 {
        bench.bytes(&format!("in/{number}.png"), &bomb);
    }
    for options in [&["--json"][..], &["--json", "--dry-run", "--force"]] {
        let run = bench.run(&[options, &["-j", "2", "--max-memory", "64M"]].concat()).expect(1);
        run.complains("colour profile");
        let summary = run.json();
        assert_eq!(summary["totals"]["failed"], 8);
        if cfg!(target_os = "linux") {
            let peak = summary["peak_memory_bytes"].as_u64().expect("Linux tells it");
            assert!(peak < 100_000_000, "{peak}");
        }
    }
    assert_eq!(bench.files("out"), ["good.jpg"]);
}

/// An RGBA picture of one colour, which takes little room in its file.
fn wide_open(side: u32) -> Vec<u8> {
    let mut info = png::Info::with_size(side, side);
    info.color_type = png::ColorType::Rgba;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut file, info).expect("a header");
    encoder.set_compression(png::Compression::Fastest);
    let mut writer = encoder.write_header().expect("a header");
    let mut stream = writer.stream_writer().expect("a stream");
    let row = vec![200; side as usize * 4];
    (0..side).for_each(|_| stream.write_all(&row).expect("a row"));
    stream.finish().expect("an end");
    writer.finish().expect("an end");
    file
}

/// Without an option the machine's own limit is kept: the images are worked on one by one.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_the_system_is_kept() {
    let bench = Bench::new();
    let picture = wide_open(4_000);
    assert!(picture.len() < 1_000_000);
    for number in 0..4 {
        bench.bytes(&format!("in/{number}.png"), &picture);
    }
    let limited = |kilobytes: u32, options: &[&str]| {
        let program = env!("CARGO_BIN_EXE_resize");
        let script = format!("ulimit -v {kilobytes}; exec {program} in -o out --size 10% -j 4 \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh"]).args(options).current_dir(bench.path("."));
        Run::new(&shell.output().expect("a shell"))
    };
    let summary = limited(600_000, &["--json"]).expect(0).json();
    assert_eq!(summary["totals"]["resized"], 4);
    assert!(summary["memory_budget_bytes"].as_u64().expect("a number") < 600_000 * 1024);
    // Less than one of them takes.
    let run = limited(160_000, &["--force"]).expect(1);
    run.complains("4000x4000 pixels take");
    run.complains("--max-memory");
}

#[test]
fn what_is_too_large_is_named_with_the_option() {
    let bench = Bench::new();
    bench.image("in/good.png", 40, 20);
    // A small file that announces a large picture: the size in the frame header is overwritten.
    let mut phone = crate::bench::jpeg_file("base.jpg");
    let frame = phone.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    phone[frame + 5..frame + 9].copy_from_slice(&[0x27, 0x10, 0x4e, 0x20]);
    bench.bytes("in/phone.jpg", &phone);
    for dry in [&["--dry-run"][..], &[]] {
        let run = bench.run(&[dry, &["--max-pixels", "100M", "--force"]].concat()).expect(1);
        run.complains("20000x10000 are 200 megapixels");
        run.complains("--max-pixels");
        let run =
            bench.run(&[dry, &["--max-memory", "30M", "--size", "8000x", "--force"]].concat()).expect(1);
        run.complains("--max-memory");
    }
    assert_eq!(bench.files("out"), ["good.png"]);
    // It can be decoded, at an eighth; what it lacks is told.
    let run = bench.run(&["--size", "400x", "--max-memory", "300M"]).expect(1);
    run.complains("99 % of the picture is missing");
    let run = bench.run_on(&["in/good.png"], &["--size", "70000x", "--enlarge", "--force"]).expect(1);
    run.complains("70000x35000 is too large");
}

#[test]
fn one_unreadable_directory_stops_nothing_else() {
    let bench = Bench::new();
    bench.image("in/a/good.png", 40, 20);
    bench.image("in/b/other.png", 40, 20);
    let run = bench.run_on(&["in/a", "missing", "in/b/other.png"], &[]).expect(1);
    run.complains("missing");
    assert!(run.stdout.contains("failed: 1 unreadable"), "{}", run.stdout);
    assert_eq!(bench.files("out"), ["good.png", "other.png"]);
}

/// A device or a pipe among the inputs is named, and the program does not wait for it.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_refused() {
    let bench = Bench::new();
    bench.image("in/good.png", 40, 20);
    assert!(Command::new("mkfifo").arg(bench.path("in/pipe.png")).status().expect("mkfifo").success());
    bench.run(&[]).expect(0);
    let run = bench.run_on(&["in/pipe.png", "/dev/null"], &[]).expect(1);
    run.complains("a named pipe");
    run.complains("a device");
    assert!(fs::exists(bench.path("out/good.png")).expect("readable"));
}
