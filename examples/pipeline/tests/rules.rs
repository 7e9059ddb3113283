//! The rules that all programs keep.

#![cfg(unix)]

use std::fs;

use longshore_cli::rules::{self, Long, Subject};

#[test]
fn the_rules_of_all_programs() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, count) in [("small", 3), ("large", 400)] {
        fs::create_dir(directory.path().join(name)).expect("a directory");
        for number in 0..count {
            let content: Vec<u8> = (0..30_000).map(|place| (place * (number + 3) / 7 % 251) as u8).collect();
            fs::write(directory.path().join(name).join(number.to_string()), content).expect("a file");
        }
    }
    // Every object is decompressed, also in the runs after the first.
    let long = ["large", "-o", "out", "--level", "19", "--queue", "1", "--check", "--compressors", "1"];
    rules::check(&Subject {
        program: env!("CARGO_BIN_EXE_longshore-stages"),
        directory: directory.path(),
        short: &[&["small", "-o", "out"]],
        long: Long::Batch(&long),
        durations: &[],
        sizes: &[&["small", "-o", "out", "--memory"]],
        counts: &[
            &["small", "-o", "out", "--readers"],
            &["small", "-o", "out", "--compressors"],
            &["small", "-o", "out", "--queue"],
        ],
    });
}
