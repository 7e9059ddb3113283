//! What does a task cost that a task submits?

#[path = "common/timed.rs"]
mod timed;

fn main() {
    timed::rows(&["tree", "tree-w64"]);
}
