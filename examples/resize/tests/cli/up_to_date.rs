//! When an output is up to date, and when it is not.

use std::fs::{self, File};
use std::time::Duration;

use crate::bench::{Bench, exif};

#[track_caller]
fn second_run(bench: &Bench, resized: u32, up_to_date: u32) {
    let run = bench.run(&["--size", "20x"]).expect(0);
    let wanted = format!("{resized} resized, {up_to_date} up to date");
    assert!(run.stdout.contains(&wanted), "{wanted}: {}", run.stdout);
}

/// What happens to a file.
type Spoil = fn(&[u8]) -> Vec<u8>;

#[test]
fn an_output_that_is_not_whole_is_made_anew() {
    let bench = Bench::new();
    for name in ["in/a.jpg", "in/b.png", "in/c.webp"] {
        bench.image(name, 80, 40);
    }
    second_run(&bench, 3, 0);
    second_run(&bench, 0, 3);
    let whole: Vec<_> = ["a.jpg", "b.png", "c.webp"]
        .map(|name| fs::read(bench.path(&format!("out/{name}"))).expect("the output"))
        .into();
    // Emptied, as a power cut leaves it; cut to half; the end of zeros; another format under this name.
    let spoiled: [Spoil; 4] = [
        |_| Vec::new(),
        |file| file[..file.len() / 2].to_vec(),
        |file| [&file[..file.len() - 16], &[0; 16]].concat(),
        |_| b"GIF89a\x10\0\x10\0\0\0\0;GIF89a\x10\0\x10\0\0\0\0;".to_vec(),
    ];
    for (number, spoil) in spoiled.iter().enumerate() {
        for (name, file) in ["a.jpg", "b.png", "c.webp"].iter().zip(&whole) {
            bench.bytes(&format!("out/{name}"), &spoil(file));
        }
        // The end of a WebP file is its length, and that is right in the third case.
        let right = u32::from(number == 2);
        second_run(&bench, 3 - right, right);
        if right == 0 {
            assert!(fs::read(bench.path("out/b.png")).expect("the output") == whole[1]);
        }
        bench.bytes("out/c.webp", &whole[2]);
        second_run(&bench, 0, 3);
    }
}

#[test]
fn another_size_or_a_newer_source_is_made_anew() {
    let bench = Bench::new();
    let source = bench.image("in/a.png", 80, 40);
    second_run(&bench, 1, 0);
    bench.run(&["--size", "10x"]).expect(0);
    assert_eq!(bench.size("out/a.png"), (10, 5));
    second_run(&bench, 1, 0);
    second_run(&bench, 0, 1);
    bench.run(&["--size", "20x", "--force"]).expect(0);
    let written = fs::metadata(bench.path("out/a.png")).and_then(|meta| meta.modified()).expect("a time");
    let file = File::options().append(true).open(source).expect("the source");
    file.set_modified(written + Duration::from_secs(60)).expect("a later time");
    second_run(&bench, 1, 0);
}

/// The time of an output is that at which its source was opened: what is written to the source later is
/// newer.
#[test]
fn an_output_is_as_old_as_the_reading_of_its_source() {
    let bench = Bench::new();
    let source = bench.image("in/a.png", 80, 40);
    let modified =
        |path: &std::path::Path| fs::metadata(path).and_then(|meta| meta.modified()).expect("a time");
    second_run(&bench, 1, 0);
    let output = modified(&bench.path("out/a.png"));
    assert!(output >= modified(&source));
    let directory = modified(&bench.path("out"));
    assert!(output <= directory, "the rename came after the reading");
}

/// The same sides, the other way round, are another picture.
#[test]
fn an_output_that_was_not_turned_is_made_anew() {
    let bench = Bench::new();
    bench.jpeg_with_segment("in/a.jpg", (80, 40), 1, &exif(6));
    bench.run(&["--size", "20x20", "--no-rotate"]).expect(0);
    assert_eq!(bench.size("out/a.jpg"), (20, 10));
    let run = bench.run(&["--size", "20x20"]).expect(0);
    assert!(run.stdout.contains("1 resized, 0 up to date"), "{}", run.stdout);
    assert_eq!(bench.size("out/a.jpg"), (10, 20));
}

/// Also where there is nothing to do.
#[test]
fn temporary_files_of_last_week_are_swept() {
    let bench = Bench::new();
    bench.image("in/sub/a.png", 80, 40);
    second_run(&bench, 1, 0);
    bench.bytes("out/sub/.longshore-1a2b3c.tmp", b"half");
    bench.bytes("sheets/.longshore-4d5e6f.tmp", b"half");
    let options = ["in", "-o", "out", "--size", "20x", "--report", "sheets/a.html"];
    let dry = [&options[..5], &["--dry-run"]].concat();
    let output = bench.command(&dry).output().expect("it starts");
    assert!(output.status.success() && bench.path("out/sub/.longshore-1a2b3c.tmp").exists());
    // Which looks for them.
    bench.raw(&options).expect(0);
}
