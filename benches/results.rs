//! What does a result through a handle cost?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["results"]);
}
