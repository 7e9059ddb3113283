//! What does a loop cost beside the loop without a pool, and what does it gain?

use longshore_rivals::rows::loops::ROWS;

#[path = "common/timed.rs"]
mod timed;

fn main() {
    let names: Vec<_> = ROWS.iter().map(|row| row.id).collect();
    timed::rows(&names);
}
