//! macOS, iOS and their relatives: no affinity, but classes of service, and performance and efficiency cores.
//!
//! No state. A thread cannot be bound to a core here: the only call, `thread_policy_set` with an affinity
//! tag, is a hint that ARM processors do not support. (`core_affinity` passes a thread's pointer to it where
//! it takes a Mach port, so it is never called.) What decides on which kind of core a thread runs is its
//! class of service.

use std::ffi::CStr;
use std::ptr;

use crate::sys::os::system::{PinOutcome, StackBounds, System, Urgency};

/// macOS, iOS and their relatives.
#[derive(Debug)]
pub struct Os;

impl System for Os {
    fn pin(_: usize) -> PinOutcome {
        PinOutcome::Refused
    }

    fn performance_cores() -> Option<usize> {
        let levels = number(c"hw.nperflevels")?;
        // Level 0 is the fastest.
        (levels > 1).then(|| number(c"hw.perflevel0.logicalcpu")).flatten()
    }

    fn stack() -> Option<StackBounds> {
        // SAFETY: the call has no preconditions.
        let this_thread = unsafe { libc::pthread_self() };
        // SAFETY: the thread exists, because it is the calling one.
        let highest = unsafe { libc::pthread_get_stackaddr_np(this_thread) };
        // SAFETY: the thread exists, because it is the calling one.
        let size = unsafe { libc::pthread_get_stacksize_np(this_thread) };
        let lowest = highest.addr().checked_sub(size)?;
        (size > 0).then_some(StackBounds { lowest, size })
    }

    fn set_urgency(urgency: Urgency) {
        use libc::qos_class_t;

        let class = match urgency {
            Urgency::Interactive => qos_class_t::QOS_CLASS_USER_INTERACTIVE,
            Urgency::Initiated => qos_class_t::QOS_CLASS_USER_INITIATED,
            Urgency::Utility => qos_class_t::QOS_CLASS_UTILITY,
            Urgency::Background => qos_class_t::QOS_CLASS_BACKGROUND,
            Urgency::Inherited => return,
        };
        // SAFETY: the class is one of the system's, and the relative priority 0 is allowed for each. A thread
        // that has opted out of the classes gets an error, which changes nothing.
        unsafe { libc::pthread_set_qos_class_self_np(class, 0) };
    }
}

/// The value of a number that the kernel publishes.
fn number(name: &CStr) -> Option<usize> {
    let (mut value, mut size) = (0_i32, size_of::<i32>());
    // SAFETY: the name ends with NUL. The pointers are valid for writes of the sizes that are given, and any
    // bits are a valid number. Nothing is set, because the new value is null.
    let result = unsafe {
        libc::sysctlbyname(name.as_ptr(), (&raw mut value).cast(), &raw mut size, ptr::null_mut(), 0)
    };
    (result == 0 && size == size_of::<i32>()).then(|| usize::try_from(value).ok()).flatten()
}
