//! What is lost with 2, 8 and 64 workers on the same cores?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["over-2", "over-8", "over-64", "dispatch-16-w8", "dispatch-16-w64"]);
}
