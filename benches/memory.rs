//! How much memory does a queued task take, and how many allocations does a task cost?

#[path = "common/figures.rs"]
mod figures;

use std::process::ExitCode;

use longshore_rivals::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    figures::rows(&["memory", "allocs-16", "allocs-24", "allocs-result"])
}
