//! The barrier of `base::barrier` on this operating system: on Linux the system call `membarrier`, elsewhere a fence on both
//! sides.
//!
//! Owner: no state here but what the kernel keeps about the process. Called when a bounded pool is built, and by a thread that
//! is about to wait for room.

use crate::base::barrier::Barrier;

/// The best pair of barriers that the system has. Registers the process with the kernel; cheap when called again, some ten
/// milliseconds the first time in a process of several threads.
#[cfg(all(target_os = "linux", not(miri)))]
pub fn barrier() -> Barrier {
    if membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED) {
        Barrier::asymmetric(everywhere)
    } else {
        Barrier::symmetric() // an old kernel, or a sandbox that does not allow the call
    }
}

/// A fence on both sides.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub fn barrier() -> Barrier {
    Barrier::symmetric()
}

/// Every thread of the process that runs passes a full fence before the call returns. (linux/membarrier.h)
#[cfg(all(target_os = "linux", not(miri)))]
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
/// The process will ask for that.
#[cfg(all(target_os = "linux", not(miri)))]
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

#[cfg(all(target_os = "linux", not(miri)))]
fn everywhere() {
    // It can fail only if the process has shut itself out of the call meanwhile. Without it a thread might wait for ever, so
    // the failure must not go unnoticed. (In a forked child the registration may be gone, but there no pool of the parent's
    // gets this far, and a pool of its own registers anew.)
    assert!(membarrier(PRIVATE_EXPEDITED), "the system call membarrier, used before, is no longer allowed");
}

/// Whether the kernel did it.
#[cfg(all(target_os = "linux", not(miri)))]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes two integers, and with a flag of 0 a third is not looked at; it touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    const ROUNDS: usize = 20_000;

    /// Each side writes and reads what the other writes, again and again; never may both have missed the other's.
    #[test]
    fn one_of_the_two_sides_sees_the_other() {
        let barrier = barrier();
        let (mine, yours) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let busy = || {
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
        let (seen, heard) = thread::scope(|scope| {
            let busy = scope.spawn(busy);
            let heard = rare();
            (busy.join().expect("no panic"), heard)
        });
        // If round `i` of the busy side did not see the other's round `j`, round `j` of the other saw the busy one's `i`.
        for (i, &j) in (1..).zip(&seen) {
            if let Some(&i_seen) = heard.get(j) {
                assert!(i_seen >= i, "round {i} saw {j}, and round {} saw {i_seen}", j + 1);
            }
        }
    }
}
