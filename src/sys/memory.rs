//! Asks the allocator of the C library to return free memory to the operating system.
//!
//! glibc returns memory on its own only from the upper end of its heap. After millions of queued tasks nearly
//! all of the heap is free, but a single used block near its end retains all of it. Other allocators return
//! memory on a timer; if the program uses one of them, the call has little effect.
//!
//! No state. Called by the program (`api/memory.rs`) and by no pool, because the call stalls every thread
//! that allocates. Guarded by the unit test here.

/// Returns free memory to the operating system. Takes some milliseconds for a hundred megabytes, and more if
/// the free memory is in many pieces. Other threads that allocate wait meanwhile.
pub fn return_to_system() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: any thread may call it at any time. 0 means that no reserve is kept at the end of the heap.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// The pages of this process that are in memory.
    fn resident_pages() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux reports it");
        statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number")
    }

    #[test]
    #[cfg_attr(longshore_no_recycling, ignore = "AddressSanitizer has an allocator of its own")]
    fn free_memory_below_a_used_block_is_returned() {
        let start = resident_pages();
        let mut blocks: Vec<Vec<u8>> = (0..64 << 10).map(|_| vec![1; 1 << 10]).collect();
        let grown = resident_pages().saturating_sub(start);
        let last = blocks.pop();
        drop(blocks);
        let before = resident_pages();
        return_to_system();
        let after = resident_pages();
        assert!(after + grown / 4 < before, "{grown} pages more, {before} before the call, {after} after it");
        drop(last);
    }
}
