//! A pair of memory barriers between two sides of which one is busy and the other is not.
//!
//! A protocol of the kind "I write mine, then read yours" needs a full fence on both sides, else both may miss what the
//! other has written. Where one side takes that step for every task and the other once in a while, the operating system can
//! have the rare side pay for both: it makes all running threads of the process pass a fence, and the busy side only has to
//! keep the compiler from turning its two steps around.
//!
//! A value that says which kind of pair it is; any thread may use it.

#[cfg(not(longshore_loom))]
use std::sync::atomic::compiler_fence;

use crate::base::facade::{Ordering, fence};

/// See the module's text. Both sides must use the same value, or copies of it.
#[derive(Debug, Clone, Copy)]
pub struct Barrier {
    /// Has every running thread of the process pass a full fence; absent where the system cannot.
    everywhere: Option<fn()>,
}

impl Barrier {
    /// A full fence on both sides.
    pub const fn symmetric() -> Self {
        Barrier { everywhere: None }
    }

    /// With a call that has every running thread of the process, the caller's too, pass a full fence.
    #[cfg(not(longshore_loom))]
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nowhere else is such a call known"))]
    pub const fn asymmetric(everywhere: fn()) -> Self {
        Barrier { everywhere: Some(everywhere) }
    }

    /// The busy side, between its write and its read.
    #[inline(always)]
    #[cfg_attr(longshore_loom, track_caller)]
    pub fn light(self) {
        #[cfg(not(longshore_loom))]
        if self.everywhere.is_some() {
            // SeqCst pairs with `heavy` of the other side: if its fence comes to this thread after the write, the other side
            // reads what was written; if before, the read that follows here sees what the other side wrote. The compiler must
            // not move the read up.
            return compiler_fence(Ordering::SeqCst);
        }
        fence(Ordering::SeqCst); // pairs with the fence in `heavy`: one of the two sides sees the other's write
    }

    /// The rare side, between its write and its read.
    #[cfg_attr(longshore_loom, track_caller)]
    pub fn heavy(self) {
        #[cfg(not(longshore_loom))]
        if let Some(everywhere) = self.everywhere {
            return everywhere();
        }
        fence(Ordering::SeqCst); // pairs with the fence in `light`
    }
}
