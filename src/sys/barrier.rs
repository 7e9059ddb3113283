//! The barrier of `base/barrier.rs` on this operating system: the call that makes every thread execute a
//! fence, where there is one (`sys/os`), and a fence on both sides elsewhere.
//!
//! No state, except what the kernel stores about the process. Called when a bounded pool is built, and by a
//! thread that is about to wait for a permit. Guarded by the unit test here.

use crate::base::barrier::Barrier;
use crate::sys::os::Os;
use crate::sys::os::system::System;

/// The cheapest pair of barriers that the system supports.
pub fn barrier() -> Barrier {
    Os::fence_everywhere().map_or(Barrier::symmetric(), Barrier::asymmetric)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const ROUNDS: usize = 20_000;

    /// Each side writes, and then reads what the other side writes, many times. At least one side must see
    /// the other's write.
    #[test]
    fn one_of_the_two_sides_sees_the_other() {
        let barrier = barrier();
        let (mine, yours) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let frequent = || {
            let step = |round| {
                mine.store(round, Ordering::Relaxed);
                barrier.light();
                yours.load(Ordering::Relaxed)
            };
            (1..=ROUNDS).map(step).collect::<Vec<_>>()
        };
        let rare = || {
            let step = |round| {
                yours.store(round, Ordering::Relaxed);
                barrier.heavy();
                mine.load(Ordering::Relaxed)
            };
            (1..=ROUNDS).map(step).collect::<Vec<_>>()
        };
        let (seen, seen_by_rare) = thread::scope(|scope| {
            let frequent = scope.spawn(frequent);
            let seen_by_rare = rare();
            (frequent.join().expect("no panic"), seen_by_rare)
        });
        // If round `i` of the frequent side did not see round `j` of the rare side, then round `j` saw round
        // `i`.
        for (i, &j) in (1..).zip(&seen) {
            if let Some(&i_seen) = seen_by_rare.get(j) {
                assert!(i_seen >= i, "round {i} saw {j}, and round {} saw {i_seen}", j + 1);
            }
        }
    }
}
