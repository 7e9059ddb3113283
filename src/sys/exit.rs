//! The end of the process, by a return of `main` or by `exit`, and of a thread.
//!
//! The thread that ends the process calls the registered function, while all other threads still run. No
//! state. Guarded by `tests/process_global.rs`, `tests/it/behaviour/thread_locals.rs` and `tests/platforms`.

use crate::sys::os::Os;
use crate::sys::os::system::System;

/// Whether the calling thread must not wait for the start or the end of another thread. On Windows a thread
/// calls the destructors of its thread-locals, and `DllMain`, under a lock that every thread takes when it
/// starts and when it ends.
pub fn must_not_wait_for_threads() -> bool {
    Os::blocks_other_threads()
}

/// Makes the end of the process call `call`. On systems other than Unix nothing calls it.
pub fn call_at_exit(call: extern "C" fn()) {
    #[cfg(unix)]
    // SAFETY: `atexit` stores the pointer of a function without arguments, and the function lives as long as
    // the code of the program. If no memory is left for the entry, nothing is called.
    unsafe {
        libc::atexit(call);
    }
    #[cfg(not(unix))]
    let _ = call;
}
