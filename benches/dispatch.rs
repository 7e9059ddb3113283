//! What does it cost one producer to hand over a tiny task: captures of 16, 64 and 256 bytes, one call each
//! or in batches?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["dispatch-16", "dispatch-64", "dispatch-256", "batch-16"]);
}
