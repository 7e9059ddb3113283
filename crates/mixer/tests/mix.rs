//! The mixer in the gate: random programs from a fixed seed on, each in a process of its own.

use std::process::Command;

/// How long the gate runs programs, in seconds; `LONGSHORE_STRESS` multiplies it.
const SECONDS: u64 = 15;

#[test]
fn random_programs_end_and_add_up() {
    let factor = std::env::var("LONGSHORE_STRESS").map_or(1, |n| n.parse().expect("a number"));
    let seconds = (SECONDS * factor).to_string();
    let mut mixer = Command::new(env!("CARGO_BIN_EXE_longshore-mixer"));
    let mixer = mixer.args([&seconds, "0"]).output().expect("the program starts");
    let text = String::from_utf8_lossy(&mixer.stdout);
    assert!(mixer.status.success(), "{text}{}", String::from_utf8_lossy(&mixer.stderr));
}
