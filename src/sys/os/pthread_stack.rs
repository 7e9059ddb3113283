//! The stack of the calling thread on systems whose thread library tells its attributes.
//!
//! No state. Guarded by the unit tests of `sys/stack.rs`.

use std::mem::MaybeUninit;
use std::ptr;

use crate::sys::os::system::StackBounds;

/// The stack of the calling thread.
pub fn bounds() -> Option<StackBounds> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    #[cfg(target_os = "freebsd")]
    // SAFETY: the pointer is valid for writes, and the call initialises the attributes, which that of
    // `pthread_attr_get_np` requires on this system.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call has no preconditions.
    let this_thread = unsafe { libc::pthread_self() };
    #[cfg(target_os = "freebsd")]
    // SAFETY: the thread exists, because it is the calling one. `attributes` is initialised.
    let result = unsafe { libc::pthread_attr_get_np(this_thread, attributes.as_mut_ptr()) };
    #[cfg(not(target_os = "freebsd"))]
    // SAFETY: the thread exists, because it is the calling one. `attributes` is valid for writes, and the
    // call initialises it if it succeeds.
    let result = unsafe { libc::pthread_getattr_np(this_thread, attributes.as_mut_ptr()) };
    if result != 0 {
        #[cfg(target_os = "freebsd")]
        // SAFETY: the attributes are initialised, and are not used again.
        unsafe {
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        return None;
    }
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised, because the call above succeeded. Both pointers are valid for
    // writes.
    let result = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size) };
    // SAFETY: the attributes are initialised, because the call above succeeded, and are not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    (result == 0).then(|| StackBounds { lowest: lowest.addr(), size })
}
