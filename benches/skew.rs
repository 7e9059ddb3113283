//! How near to the ideal does a batch of very different tasks end?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["skew-last", "skew-shuffled"]);
}
