//! What does it cost to use an option: a size that may change, histograms, priorities and tokens?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["elastic", "histograms", "histograms-10us", "tickets"]);
}
