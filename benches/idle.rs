//! How much processor time does a pool use that has little or nothing to do?

#[path = "common/figures.rs"]
mod figures;

use std::process::ExitCode;

fn main() -> ExitCode {
    figures::rows(&["ticks", "ticks-w16", "idle"])
}
