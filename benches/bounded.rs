//! What does a bound on the queue cost one producer, and four?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["bounded-1", "bounded-4"]);
}
