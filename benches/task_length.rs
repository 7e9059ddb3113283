//! How long must a task be before one producer keeps all workers busy?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["length-0.1us", "length-1us", "length-10us", "length-100us", "length-1000us"]);
}
