//! A system of which the library knows nothing: what `core_affinity` provides, and the defaults.
//!
//! Masks are read but never written, so an inherited pin remains. NetBSD and OpenBSD tell the stack of a
//! thread besides. Guarded by the unit tests in `sys/affinity.rs`, and by all tests with
//! `--cfg longshore_portable`.

use core_affinity::CoreId;

#[cfg(all(target_os = "netbsd", not(miri), not(longshore_portable)))]
use crate::sys::os::pthread_stack;
#[cfg(all(any(target_os = "netbsd", target_os = "openbsd"), not(miri), not(longshore_portable)))]
use crate::sys::os::system::StackBounds;
use crate::sys::os::system::{PinOutcome, System};

/// The number of cores that `core_affinity` can pin to on every system: it sets bits in a mask of fixed size,
/// of which the smallest has 64.
const PINNABLE_CORES: usize = 64;

/// A system of which the library knows nothing.
#[derive(Debug)]
pub struct Os;

impl System for Os {
    fn process_cores() -> Vec<usize> {
        let ids = core_affinity::get_core_ids().unwrap_or_default();
        let mut cores: Vec<usize> = ids.into_iter().map(|core| core.id).collect();
        cores.sort_unstable();
        cores.dedup();
        cores
    }

    fn pin(core: usize) -> PinOutcome {
        if core < PINNABLE_CORES && core_affinity::set_for_current(CoreId { id: core }) {
            PinOutcome::Hint
        } else {
            PinOutcome::Refused
        }
    }

    #[cfg(all(target_os = "netbsd", not(miri), not(longshore_portable)))]
    fn stack() -> Option<StackBounds> {
        pthread_stack::bounds()
    }

    #[cfg(all(target_os = "openbsd", not(miri), not(longshore_portable)))]
    fn stack() -> Option<StackBounds> {
        let mut segment = std::mem::MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: the call has no preconditions.
        let this_thread = unsafe { libc::pthread_self() };
        // SAFETY: the thread exists, because it is the calling one. The pointer is valid for writes.
        if unsafe { libc::pthread_stackseg_np(this_thread, segment.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: the call above has initialised it, because it succeeded.
        let segment = unsafe { segment.assume_init() };
        // The address is that of the upper end.
        let lowest = segment.ss_sp.addr().checked_sub(segment.ss_size)?;
        Some(StackBounds { lowest, size: segment.ss_size })
    }
}
