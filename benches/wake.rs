//! How long does a pool take to start a task after 50 us, 1.1 ms and 2 ms of idleness?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["wake-50us", "wake-1.1ms", "wake-2ms"]);
}
