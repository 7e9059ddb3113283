//! Loops and streams of results. `items.rs` has what every loop and stream promises about its items; the
//! other files have reductions, searches, filters, scans, sorts, adaptors and collections, each against the
//! serial answer, on pools of several sizes, with items of even and of uneven length.

#[path = "../support/mod.rs"]
mod support;

mod failing;
mod items;
mod results;
mod sorting;
mod until;

use std::hint::black_box;

use support::Rig;

/// Works for a while, so that a loop over a thousand items of this length is shared.
fn work(rounds: usize) {
    for round in 0..rounds * 100 {
        black_box(round);
    }
}

/// Calls `check` with pools of several sizes.
fn on_pools(check: impl Fn(&Rig)) {
    for workers in [1, 2, 3, 8] {
        let rig = Rig::new(workers);
        check(&rig);
        rig.finish();
    }
}
