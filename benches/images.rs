//! How near to the ideal does a batch of photographs end?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["images"]);
}
