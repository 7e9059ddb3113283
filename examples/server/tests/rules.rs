//! The rules that all programs keep.

#![cfg(unix)]

use std::net::TcpListener;

use longshore_cli::rules::{self, Long, Subject};

#[test]
fn the_rules_of_all_programs() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = env!("CARGO_BIN_EXE_longshore-server");
    let bench = ["bench", "-n", "20", "-c", "4", "--rounds", "1", "--size", "100"];
    let serve = ["serve", "--listen", "127.0.0.1:0", "--database", "test.db"];
    rules::check(&Subject {
        program,
        directory: directory.path(),
        short: &[&bench],
        long: Long::Service(&serve),
        durations: &[&["serve", "--patience"], &["serve", "--grace"], &["bench", "--patience"]],
        sizes: &[],
        counts: &[
            &["serve", "--jobs"],
            &["serve", "--capacity"],
            &["serve", "--rounds"],
            &["bench", "--connections"],
            &["bench", "--requests"],
        ],
    });
    // A load that is not answered: of a server that accepts connections, and nothing else.
    let silent = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = silent.local_addr().expect("an address").to_string();
    let long = ["bench", "-n", "100000000", "-c", "1", "--rounds", "1"];
    rules::check(&Subject {
        program,
        directory: directory.path(),
        short: &[],
        long: Long::Batch(&long),
        durations: &[],
        sizes: &[],
        counts: &[&["load", &address, "--connections"]],
    });
}
