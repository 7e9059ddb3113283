//! The rules that all programs keep.

#![cfg(unix)]

use std::net::TcpListener;
use std::path::Path;

use longshore_cli::rules::{self, Long, Subject};

#[test]
fn the_rules_of_all_programs() {
    let program = env!("CARGO_BIN_EXE_longshore-async");
    let directory = Path::new(".");
    rules::check(&Subject {
        program,
        directory,
        short: &[&["demo", "--clients", "2", "--impatient", "0"]],
        long: Long::Service(&["serve", "--listen", "127.0.0.1:0"]),
        durations: &[&["serve", "--patience"], &["serve", "--grace"], &["demo", "--patience"]],
        sizes: &[],
        counts: &[&["serve", "--jobs"], &["serve", "--capacity"], &["demo", "--clients"]],
    });
    // Its answers never come.
    let silent = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = silent.local_addr().expect("an address").to_string();
    rules::check(&Subject {
        program,
        directory,
        short: &[],
        long: Long::Waiting(&["ask", &address, "12"]),
        durations: &[],
        sizes: &[],
        counts: &[],
    });
}
