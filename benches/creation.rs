//! How long does it take to make a pool, use it once and take it down?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["creation"]);
}
