//! The rules that all programs keep.

#![cfg(unix)]

use std::fs;

use longshore_cli::rules::{self, Long, Subject};

#[test]
fn the_rules_of_all_programs() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, content: &[u8]| fs::write(directory.path().join(name), content).expect("a file");
    fs::create_dir(directory.path().join("small")).expect("a directory");
    fs::create_dir(directory.path().join("large")).expect("a directory");
    file("small/a", b"the same");
    file("small/b", b"the same");
    // Long enough to be hashed when a signal comes.
    let content = vec![7; 48 << 20];
    for name in ["a", "b"] {
        file(&format!("large/{name}"), &content);
    }
    rules::check(&Subject {
        program: env!("CARGO_BIN_EXE_longshore-recursive"),
        directory: directory.path(),
        short: &[&["small"], &["small", "--json"], &["small", "--compare"]],
        long: Long::Batch(&["large", "--json"]),
        durations: &[],
        sizes: &[],
        counts: &[&["--jobs"], &["--queue"]],
    });
}
