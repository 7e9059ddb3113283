//! The rules that all programs keep.

#![cfg(unix)]

use std::fs;

use longshore_cli::rules::{self, Long, Subject};

use crate::bench::Bench;

#[test]
fn the_rules_of_all_programs() {
    let bench = Bench::new();
    bench.image("in/a.png", 40, 20);
    // A run that takes some seconds: thousands of links to one picture, each of which is a file of its own.
    bench.image("large.png", 1_000, 1_000);
    fs::create_dir(bench.path("many")).expect("a directory");
    for number in 0..4_000 {
        fs::hard_link(bench.path("large.png"), bench.path(&format!("many/{number}.png"))).expect("a link");
    }
    rules::check(&Subject {
        program: env!("CARGO_BIN_EXE_resize"),
        directory: &bench.path("."),
        short: &[&["in", "-o", "out", "--force"][..], &["in", "-o", "out", "--force", "--json"]],
        long: Long::Batch(&["many", "-o", "out", "--json", "--recode", "--force"]),
        durations: &[&["in", "-o", "out", "--timeout"]],
        sizes: &[&["in", "-o", "out", "--max-memory"]],
        counts: &[&["in", "-o", "out", "--jobs"]],
    });
}
