//! A pair of memory barriers for two sides, one of which runs often and the other rarely.
//!
//! A protocol of the form "write mine, then read yours" needs a full fence on both sides. Without the fences
//! both sides may miss the write of the other. If one side runs for every task and the other one rarely, the
//! operating system can move the whole cost to the rare side: it makes every running thread of the process
//! execute a fence, and the frequent side only has to keep the compiler from reordering its two steps.
//!
//! # When the system takes its call back
//! A sandbox that is entered later (seccomp) may forbid the call. Then the pair becomes symmetric for good:
//! the rare side clears `is_asymmetric`, and the frequent side executes full fences from then on. A frequent
//! side that has read the old value is between its two steps at that moment. Its write is in the store buffer
//! of its processor, which drains within microseconds; if the thread is preempted there, the switch is a full
//! fence. So the rare side waits for [`SETTLING_TIME`] once, and then everything that was written before is
//! visible to it.
//!
//! Any thread may use a [`Barrier`]; both sides share one. `limits/permits.rs` owns one. Guarded by the model
//! `permits` (both sides are fences there), by the tests of `sys/barrier.rs`, which run the system call, and
//! by `tests/process_environment.rs`.

#[cfg(not(longshore_loom))]
use std::sync::atomic::{AtomicBool, compiler_fence};
#[cfg(not(longshore_loom))]
use std::time::Duration;

use crate::base::facade::{Ordering, fence};

/// How long the rare side waits, once, when the system refuses its call: ten thousand times what a store
/// buffer needs to drain.
#[cfg(not(longshore_loom))]
const SETTLING_TIME: Duration = Duration::from_millis(10);

/// Which kind of pair is in use, shared by both sides.
#[derive(Debug)]
pub struct Barrier {
    /// Whether the frequent side leaves its fence to the rare side.
    #[cfg(not(longshore_loom))]
    is_asymmetric: AtomicBool,
    /// Makes every running thread of the process execute a full fence. Returns whether the system has done
    /// so.
    #[cfg(not(longshore_loom))]
    everywhere: fn() -> bool,
}

impl Barrier {
    /// A full fence on both sides.
    pub const fn symmetric() -> Self {
        #[cfg(not(longshore_loom))]
        return Barrier { is_asymmetric: AtomicBool::new(false), everywhere: || false };
        #[cfg(longshore_loom)]
        Barrier {}
    }

    /// A compiler fence on the frequent side. The rare side calls `everywhere`, which makes every running
    /// thread of the process, the caller included, execute a full fence, or returns `false`.
    #[cfg(not(longshore_loom))]
    pub const fn asymmetric(everywhere: fn() -> bool) -> Self {
        Barrier { is_asymmetric: AtomicBool::new(true), everywhere }
    }

    /// The frequent side calls this between its write and its read.
    #[inline(always)]
    #[cfg_attr(longshore_loom, track_caller)]
    pub fn light(&self) {
        // Relaxed: a value that is out of date is the case that the module's text treats.
        #[cfg(not(longshore_loom))]
        if self.is_asymmetric.load(Ordering::Relaxed) {
            // SeqCst pairs with `heavy` of the other side. If the system executes this thread's fence after
            // the write, the other side reads what was written. If it executes the fence before the write,
            // the read that follows here sees the write of the other side. The compiler must not move the
            // read up.
            return compiler_fence(Ordering::SeqCst);
        }
        fence(Ordering::SeqCst); // pairs with the fence in `heavy`: at least one side sees the other's write
    }

    /// The rare side calls this between its write and its read.
    #[cfg_attr(longshore_loom, track_caller)]
    pub fn heavy(&self) {
        // Relaxed: if another thread has just cleared it, this thread asks the system once more, in vain. (A
        // call that found it cleared during the settling time of another call would not wait. The calls for
        // one barrier are made under one mutex: `Permits::acquire_or_enqueue`.)
        #[cfg(not(longshore_loom))]
        if self.is_asymmetric.load(Ordering::Relaxed) {
            if (self.everywhere)() {
                return;
            }
            self.become_symmetric();
        }
        fence(Ordering::SeqCst); // pairs with the fence in `light`
    }

    /// See the module's text.
    #[cold]
    #[cfg(not(longshore_loom))]
    #[allow(clippy::disallowed_methods, reason = "no event tells that the store buffers have drained")]
    fn become_symmetric(&self) {
        // Release orders nothing that `light` needs; the fence and the time below make the store visible.
        self.is_asymmetric.store(false, Ordering::Release);
        // SeqCst: the store is visible before the time begins.
        fence(Ordering::SeqCst);
        std::thread::sleep(SETTLING_TIME);
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_refused_call_makes_the_pair_symmetric() {
        let barrier = Barrier::asymmetric(|| false);
        barrier.light();
        barrier.heavy();
        assert!(!barrier.is_asymmetric.load(Ordering::Relaxed));
        barrier.light();
        barrier.heavy();
    }
}
