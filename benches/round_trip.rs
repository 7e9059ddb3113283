//! How long is it from a call to its result?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["round-trip"]);
}
