//! The barrier of `base/barrier.rs` on this operating system: the system call `membarrier` on Linux, a fence
//! on both sides elsewhere.
//!
//! No state, except what the kernel stores about the process. Called when a bounded pool is built, and by a
//! thread that is about to wait for a permit. Guarded by the unit test here.

use crate::base::barrier::Barrier;

/// The cheapest pair of barriers that the system supports. Registers the process with the kernel. The first
/// call takes about ten milliseconds in a process with several threads; later calls are cheap.
#[cfg(all(target_os = "linux", not(miri)))]
pub fn barrier() -> Barrier {
    if membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED) {
        Barrier::asymmetric(everywhere)
    } else {
        Barrier::symmetric() // an old kernel, or a sandbox that forbids the call
    }
}

/// A fence on both sides.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub fn barrier() -> Barrier {
    Barrier::symmetric()
}

/// Every running thread of the process executes a full fence before the call returns. (linux/membarrier.h)
#[cfg(all(target_os = "linux", not(miri)))]
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
/// Registers the process for `PRIVATE_EXPEDITED`.
#[cfg(all(target_os = "linux", not(miri)))]
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

#[cfg(all(target_os = "linux", not(miri)))]
fn everywhere() -> bool {
    // Fails only if the process has meanwhile forbidden itself the call, for example with seccomp. (In a
    // forked child the registration may be gone. But there a pool of the parent refuses work before it gets
    // here, and a new pool registers again.)
    membarrier(PRIVATE_EXPEDITED)
}

/// Runs the system call; whether the kernel executed the command.
#[cfg(all(target_os = "linux", not(miri)))]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the call takes integers only and accesses no memory of this process. With flags of 0 the kernel
    // ignores the third argument.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
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
