//! Does it pay that a worker gets the same data again: partitions of half an L2, one, and two?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&[
        "locality-half",
        "locality-l2",
        "locality-twice",
        "locality-own-half",
        "locality-own-l2",
        "locality-own-twice",
    ]);
}
