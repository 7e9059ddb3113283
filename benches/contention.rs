//! What does a tiny task cost when 4 producers meet 2 to 64 workers?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["workers-2", "workers-4", "workers-8", "workers-16", "workers-32", "workers-64"]);
}
