//! Batches that end before their end: by a failure, by the time.

use std::fs;

use crate::bench::Bench;

/// Good images before and after one that is broken behind its header, from the largest to the smallest: they
/// are begun in that order.
fn broken_in_the_middle() -> Bench {
    let bench = Bench::new();
    for (name, side) in
        [("in/a.png", 400), ("in/b.jpg", 300), ("in/c.png", 200), ("in/d.webp", 100), ("in/e.png", 50)]
    {
        bench.image(name, side, side);
    }
    let mut broken = fs::read(bench.path("in/c.png")).expect("the third");
    let data = broken.windows(4).position(|window| window == b"IDAT").expect("pixels");
    broken[data + 6..data + 12].fill(0xa5);
    bench.bytes("in/c.png", &broken);
    bench
}

#[test]
fn nothing_begins_after_the_first_failure() {
    for model in ["push", "pull"] {
        let bench = broken_in_the_middle();
        let options = ["--json", "--jobs", "1", "--recode", "--model", model];
        let run = bench.run(&[&options[..], &["--fail-fast"]].concat()).expect(1);
        run.complains("c.png");
        let summary = run.json();
        let statuses: Vec<_> =
            (0..5).map(|at| summary["files"][at]["status"].as_str().expect("a status")).collect();
        assert_eq!(statuses, ["resized", "resized", "failed", "cancelled", "cancelled"]);
        let totals = &summary["totals"];
        assert_eq!([&totals["resized"], &totals["failed"], &totals["cancelled"]], [2, 1, 2]);
        assert_eq!(summary["interrupted"], false);
        assert_eq!(bench.files("out"), ["a.png", "b.jpg"]);

        let summary = bench.run(&options).expect(1).json();
        assert_eq!(summary["totals"]["cancelled"], 0, "without the option all are tried");
        assert_eq!(bench.files("out"), ["a.png", "b.jpg", "d.webp", "e.png"]);
    }
}

#[test]
fn nothing_begins_if_a_failure_is_known_before() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    bench.image("in/b.jpg", 40, 20);
    bench.bytes("in/c.png", b"\x89PNG\r\n\x1a\nrubbish");
    for inputs in [&["in/a.png", "in/b.jpg", "missing.png"][..], &["in"]] {
        let run = bench.run_on(inputs, &["--fail-fast"]).expect(1);
        assert!(run.stdout.contains("0 resized, 0 up to date, 1 failed, 2 not done"), "{}", run.stdout);
        assert!(run.stdout.contains("b.jpg: not done"), "{}", run.stdout);
        assert!(!bench.path("out").exists());
    }
}

/// All of a batch without a failure is done, with all the limits that it keeps.
#[test]
fn limits_that_are_not_reached_change_nothing() {
    let bench = broken_in_the_middle();
    fs::remove_file(bench.path("in/c.png")).expect("the broken one");
    for model in ["push", "pull"] {
        let options = ["--fail-fast", "--timeout", "100h", "--max-memory", "1T", "--force", "--model", model];
        let run = bench.run(&options).expect(0);
        assert!(run.stdout.contains("4 resized, 0 up to date, 0 failed"), "{}", run.stdout);
    }
}

#[test]
fn what_has_not_begun_in_time_never_does() {
    let bench = broken_in_the_middle();
    fs::remove_file(bench.path("in/c.png")).expect("the broken one");
    // No image can begin so soon.
    let run = bench.run(&["--timeout", "0.000001", "--json"]).expect(124);
    let totals = &run.json()["totals"];
    assert_eq!([&totals["expired"], &totals["resized"]], [4, 0]);
    assert!(!bench.path("out").exists());
    let run = bench.run(&["--timeout", "0.000001"]).expect(124);
    assert!(run.stdout.contains("e.png: not started in time"), "{}", run.stdout);
}
