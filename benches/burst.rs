//! How soon does a pool that grows have the workers that a burst needs, and how soon are they gone?

#[path = "common/figures.rs"]
mod figures;

use std::process::ExitCode;

fn main() -> ExitCode {
    figures::rows(&["burst"])
}
