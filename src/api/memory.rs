//! [`release_memory`]: gives free memory back to the operating system when the program asks for it.
//!
//! No state of its own; any thread may call it. Guarded by the unit test of `sys/memory.rs`.

use crate::sys::memory;
use crate::task::recycle;

/// Returns the memory that is free after a burst of tasks to the operating system.
///
/// The library keeps at most 16 MiB of free blocks for the tasks to come, and returns all other blocks to the
/// allocator. glibc's allocator keeps nearly all of that for later allocations: after three million queued
/// tasks with handles that is some 200 MB, of which the process makes use again, but no other process. A
/// program that has had a burst and will be quiet for long may call this function.
///
/// With glibc the call is `malloc_trim(0)`. It holds the locks of the allocator while it walks through all
/// free memory of the process, so **other threads that allocate wait**: some milliseconds for a hundred
/// megabytes, and half a second for a heap of millions of scattered holes. So no pool makes this call by
/// itself. With another allocator, only the blocks of the library are returned to it.
///
/// ```
/// let pool = longshore::Pool::new()?;
/// let handles = pool.submit_batch((0..10_000u64).map(|n| move || n))?;
/// assert_eq!(handles.into_iter().filter_map(|handle| handle.join().ok()).sum::<u64>(), 49_995_000);
/// longshore::release_memory();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "malloc_trim")]
pub fn release_memory() {
    recycle::empty_depots();
    memory::return_to_system();
}
