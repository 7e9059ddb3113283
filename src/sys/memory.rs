//! Asks the C library's allocator to give free memory back to the operating system.
//!
//! Owner: no state here. Called by a worker that goes to sleep after a very large burst of tasks.
//!
//! glibc returns memory by itself only from the upper end of its heap. After millions of queued tasks nearly all of the
//! heap is free, but a single block in use near its end keeps the whole of it. Other allocators have timers of their own
//! for this; if the program uses one of them, the call finds little to do.

/// Gives back what is free. Takes some milliseconds for a hundred megabytes, during which other threads that allocate may
/// wait.
pub fn return_to_system() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: may be called at any time from any thread; 0 asks to keep nothing in reserve at the end of the heap.
    unsafe {
        libc::malloc_trim(0);
    }
}
