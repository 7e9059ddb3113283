//! A pair of memory barriers for two sides, one of which runs often and the other rarely.
//!
//! A protocol of the form "write mine, then read yours" needs a full fence on both sides. Without the fences
//! both sides may miss the write of the other. If one side runs for every task and the other one rarely, the
//! operating system can move the whole cost to the rare side: it makes every running thread of the process
//! execute a fence, and the frequent side only has to keep the compiler from reordering its two steps.
//!
//! A [`Barrier`] is a plain value that says which kind of pair is in use; any thread may use it.
//! `limits/permits.rs` owns one. Guarded by the model `permits` (both sides are fences there) and by the test
//! of `sys/barrier.rs`, which runs the system call.

#[cfg(not(longshore_loom))]
use std::sync::atomic::compiler_fence;

use crate::base::facade::{Ordering, fence};

/// Which kind of pair is in use. Both sides must use the same value, or copies of it.
#[derive(Debug, Clone, Copy)]
pub struct Barrier {
    /// Makes every running thread of the process execute a full fence. `None` if the system has no such call.
    everywhere: Option<fn()>,
}

impl Barrier {
    /// A full fence on both sides.
    pub const fn symmetric() -> Self {
        Barrier { everywhere: None }
    }

    /// A compiler fence on the frequent side. The rare side calls `everywhere`, which makes every running
    /// thread of the process, the caller included, execute a full fence.
    #[cfg(not(longshore_loom))]
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux is known to have the call"))]
    pub const fn asymmetric(everywhere: fn()) -> Self {
        Barrier { everywhere: Some(everywhere) }
    }

    /// The frequent side calls this between its write and its read.
    #[inline(always)]
    #[cfg_attr(longshore_loom, track_caller)]
    pub fn light(self) {
        #[cfg(not(longshore_loom))]
        if self.everywhere.is_some() {
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
    pub fn heavy(self) {
        #[cfg(not(longshore_loom))]
        if let Some(everywhere) = self.everywhere {
            return everywhere();
        }
        fence(Ordering::SeqCst); // pairs with the fence in `light`
    }
}
