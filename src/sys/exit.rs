//! A function that is called when the process ends by a return of `main` or by `exit`.
//!
//! The thread that ends the process calls it, while all other threads still run. No state. Guarded by
//! `tests/process_global.rs`.

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
