//! The limit of memory, by what the program itself says that it has had.

#![cfg(target_os = "linux")]

use std::fs;

use crate::bench::Bench;

const IMAGES: u64 = 6;

/// Segments of 64 kB in each: they weigh as much as pixels, and take no time where nothing is optimised.
const SEGMENTS: usize = 200;

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
    assert!(need / 10 * 6 <= alone && alone <= need, "{need} are foretold and {alone} taken");
    for (model, times) in [("push", 1), ("push", 2), ("pull", 2)] {
        let limit = need * times;
        let options = ["--max-memory", &limit.to_string(), "--jobs", "4", "--model", model];
        let taken = peak(&bench, "in", IMAGES, &options) - empty;
        assert!(taken * 100 <= limit * 115, "{model}, {times}: {taken} are taken and {limit} allowed");
    }
}

/// A batch of many images takes no more than one of few, but for the few hundred bytes that the report has of
/// each. `examples/resize/race/robust.sh` does the same with 5,000.
#[test]
fn many_images_take_no_more_than_few() {
    let bench = Bench::new();
    let image = bench.image("in/0.jpg", 300, 200);
    let options = ["--max-memory", "16M", "--jobs", "3"];
    let of = |count: u64| {
        for number in 1..count {
            let link = bench.path(&format!("in/{number}.jpg"));
            if !link.exists() {
                fs::hard_link(&image, link).expect("a link");
            }
        }
        peak(&bench, "in", count, &options)
    };
    let (few, many) = (of(40), of(1_200));
    assert!(many <= few + (4 << 20), "{few} for 40 and {many} for 1,200");
}

/// What is foretold of each format is not less than what is taken, and not far more.
#[test]
fn every_format_is_judged_by_its_header() {
    let bench = Bench::new();
    let names = ["a.jpg", "b.png", "c.webp", "d.tif"];
    for name in names {
        bench.image(&format!("in/{name}"), 2_000, 1_500);
    }
    bench.image("tiny.png", 8, 8);
    let empty = peak(&bench, "tiny.png", 1, &["--max-memory", "1G", "--jobs", "1"]);
    for size in ["1000x", "190x"] {
        let summary = bench.run(&["--dry-run", "--json", "--size", size, "--recode"]).expect(0).json();
        for (at, name) in names.iter().enumerate() {
            let need = summary["files"][at]["memory_bytes"].as_u64().expect("it is an image");
            let options =
                ["--max-memory", "1G", "--jobs", "1", "--size", size, "--recode", "--force", "--json"];
            let taken =
                bench.run_on(&[&format!("in/{name}")], &options).expect(0).json()["peak_memory_bytes"]
                    .as_u64();
            let taken = taken.expect("Linux tells it") - empty;
            assert!(taken <= need + (3 << 20), "{name} to {size}: {need} are foretold and {taken} taken");
            assert!(need <= 4 * taken + (8 << 20), "{name} to {size}: {need} are foretold and {taken} taken");
        }
    }
}

#[test]
fn an_image_above_the_limit_is_refused_and_the_others_done() {
    let bench = Bench::new();
    for number in 0..4 {
        bench.image(&format!("in/{number}.png"), 200, 200);
    }
    bench.image("in/large.png", 3_000, 3_000);
    for model in ["push", "pull"] {
        let options = ["--force", "--max-memory", "8M", "--jobs", "3", "--model", model];
        let run = bench.run(&options).expect(1);
        run.complains("more than the 8M of --max-memory");
        assert!(run.stdout.contains("4 resized, 0 up to date, 1 failed"), "{}", run.stdout);
    }
}
