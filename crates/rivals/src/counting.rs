//! An allocator for programs that measure: the system's, which counts what it is asked for while counting is
//! on.
//!
//! While it is off, which it is in all rows but those about allocations, an allocation costs one load and one
//! branch more than without it, for every competitor alike.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The allocator; a program makes it its own by `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

#[inline]
fn note(bytes: usize) {
    // Relaxed throughout: sums that are read when the counted work is over, and other means have shown that.
    if ON.load(Ordering::Relaxed) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's duties are those of `System`.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's duties are those of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's duties are those of `System`, from which every block comes.
        unsafe { System.realloc(block, layout, size) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are those of `System`, from which every block comes.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Calls to the allocator and bytes asked for, on all threads, while `work` lasts.
///
/// Nothing is counted in a program whose allocator is another one.
pub fn during<E>(work: impl FnOnce() -> Result<(), E>) -> Result<(u64, u64), E> {
    CALLS.store(0, Ordering::Relaxed);
    BYTES.store(0, Ordering::Relaxed);
    ON.store(true, Ordering::Relaxed);
    let outcome = work();
    ON.store(false, Ordering::Relaxed);
    outcome.map(|()| (CALLS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed)))
}
