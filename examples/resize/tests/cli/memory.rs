//! The limit of memory, by what the program itself says that it has had.

#![cfg(target_os = "linux")]

use std::fs;

use crate::bench::Bench;

const IMAGES: u64 = 6;

/// Segments of 64 kB in each: they weigh as much as pixels, and take no time where nothing is optimised.
const SEGMENTS: usize = 100;

/// The most memory that a run had, in bytes; all images must have been done.
fn peak(bench: &Bench, input: &str, images: u64, options: &[&str]) -> u64 {
    let options = [&["--force", "--json", "--size", "10%"], options].concat();
    let summary = bench.run_on(&[input], &options).expect(0).json();
    assert_eq!(summary["totals"]["resized"], images);
    summary["peak_memory_bytes"].as_u64().expect("Linux tells it")
}

#[test]
fn images_that_are_worked_on_together_fit_into_the_limit() {
    let bench = Bench::new();
    let image = bench.jpeg_with_segments("in/0.jpg", (800, 600), SEGMENTS);
    for number in 1..IMAGES {
        fs::copy(&image, bench.path(&format!("in/{number}.jpg"))).expect("a copy");
    }
    bench.image("tiny.png", 8, 8);
    let summary = bench.run(&["--dry-run", "--json", "--size", "10%"]).expect(0).json();
    let need = summary["files"][0]["memory_bytes"].as_u64().expect("it is an image");
    let empty = peak(&bench, "tiny.png", 1, &["--max-memory", "1G", "--jobs", "1"]);
    let alone = peak(&bench, "in/0.jpg", 1, &["--max-memory", "1G", "--jobs", "1"]) - empty;
    assert!(need / 10 * 7 <= alone && alone <= need, "{need} are foretold and {alone} taken");
    for (model, times) in [("push", 1), ("push", 2), ("pull", 2)] {
        let limit = need * times;
        let options = ["--max-memory", &limit.to_string(), "--jobs", "4", "--model", model];
        let taken = peak(&bench, "in", IMAGES, &options) - empty;
        assert!(taken * 100 <= limit * 115, "{model}, {times}: {taken} are taken and {limit} allowed");
    }
}

/// An image is foretold in every format, before and after a change that its metadata asks for.
#[test]
fn every_format_is_judged_by_its_header() {
    let bench = Bench::new();
    for name in ["in/a.jpg", "in/b.png", "in/c.webp"] {
        bench.image(name, 400, 300);
    }
    bench.jpeg_with_segment("in/d.jpg", (300, 400), 1, &crate::bench::exif(6));
    bench.bytes("in/e.png", b"rubbish");
    let summary = bench.run(&["--dry-run", "--json", "--size", "100x"]).expect(0).json();
    let needs: Vec<_> = (0..5).map(|at| summary["files"][at]["memory_bytes"].as_u64()).collect();
    let pixels = 400 * 300 * 3;
    for need in &needs[..4] {
        // The pixels, what comes with them, and what every image takes.
        assert!(need.is_some_and(|need| (pixels..6 * pixels + (2 << 20)).contains(&need)), "{needs:?}");
    }
    assert_eq!(needs[4], None, "rubbish is no image");
}

/// The batch is done whatever the limit.
#[test]
fn an_image_above_the_limit_is_worked_on_alone() {
    let bench = Bench::new();
    for number in 0..4 {
        bench.image(&format!("in/{number}.png"), 200, 200);
    }
    bench.bytes("in/rubbish.png", b"rubbish");
    for model in ["push", "pull"] {
        let options = ["--force", "--max-memory", "300K", "--jobs", "3", "--model", model];
        let run = bench.run(&options).expect(5);
        assert!(run.stdout.contains("4 resized, 0 up to date, 1 failed"), "{}", run.stdout);
    }
}
