//! What does a tiny task cost when 1 to 100 producers hand over at once?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["producers-1", "producers-2", "producers-4", "producers-8", "producers-100"]);
}
