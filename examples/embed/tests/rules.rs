//! The rules that all programs keep.

#![cfg(unix)]

use std::path::Path;

use longshore_cli::rules::{self, Long, Subject};

#[test]
fn the_rules_of_all_programs() {
    rules::check(&Subject {
        program: env!("CARGO_BIN_EXE_longshore-embed"),
        directory: Path::new("."),
        short: &[&["--paths", "10000"], &["--paths", "10000", "--json"]],
        long: Long::Batch(&["--paths", "10000000000", "--json"]),
        durations: &[&["--cancel-after"]],
        sizes: &[],
        counts: &[&["--jobs"], &["--paths"], &["--steps"]],
    });
}
