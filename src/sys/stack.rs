//! About how much of the calling thread's stack is left.
//!
//! A worker that runs other tasks while it waits nests their frames on its stack; so does a thread from
//! outside that acts as a worker. A worker knows the size of its stack; any other thread asks the operating
//! system, once.
//!
//! Each thread owns what is known about its own stack, and no thread can ask about another's. Guarded by the
//! unit tests here and by `tests/process_stack.rs`.

use std::cell::Cell;
use std::hint::black_box;
use std::ptr;

/// Where a thread's stack ends, if that is known.
#[derive(Debug, Clone, Copy)]
enum Extent {
    /// The thread has not asked yet.
    Unasked,
    /// The operating system does not report it.
    Unknown,
    /// The stack has `size` bytes above the address `lowest`.
    Known { lowest: usize, size: usize },
}

thread_local! {
    // Constant and without a destructor, so it can be used while other thread-locals are destroyed.
    static EXTENT: Cell<Extent> = const { Cell::new(Extent::Unasked) };
}

/// Records that the calling thread has just started, on a stack of `size` bytes.
pub fn begin(size: usize) {
    EXTENT.set(Extent::Known { lowest: approximate_stack_pointer().saturating_sub(size), size });
}

/// Whether less than `bytes` of the calling thread's stack are left; `false` if the stack is not known.
pub fn is_short_of(bytes: usize) -> bool {
    left().is_some_and(|(left, _)| left < bytes)
}

/// Whether less than one part in `parts` of the calling thread's stack is left; `false` if the stack is not
/// known.
pub fn is_less_left_than_one_in(parts: usize) -> bool {
    left().is_some_and(|(left, size)| left < size / parts)
}

/// Whether more than half of the calling thread's stack is used; `false` if the stack is not known.
pub fn is_half_used() -> bool {
    left().is_some_and(|(left, size)| left < size / 2)
}

/// Whether the calling thread's stack can stand in for one of `size` bytes: it is about as large, and half of
/// that is left. `true` if the stack is not known.
pub fn is_as_good_as(size: usize) -> bool {
    // The system counts the guard pages of some threads to their stack and those of others not.
    left().is_none_or(|(left, whole)| whole >= size - size / 8 && left >= size / 2)
}

/// The bytes that are left, and the size of the stack.
fn left() -> Option<(usize, usize)> {
    let extent = match EXTENT.get() {
        Extent::Unasked => {
            let extent = ask();
            EXTENT.set(extent);
            extent
        }
        known => known,
    };
    match extent {
        // An address below the stack belongs to a stack that is not in one piece, as with AddressSanitizer.
        Extent::Known { lowest, size } => Some((approximate_stack_pointer().checked_sub(lowest)?, size)),
        Extent::Unasked | Extent::Unknown => None,
    }
}

/// Asks the operating system. Takes a few microseconds, and about ten on the main thread.
#[cfg(all(target_os = "linux", not(miri)))]
fn ask() -> Extent {
    use std::mem::MaybeUninit;

    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the call has no preconditions.
    let this_thread = unsafe { libc::pthread_self() };
    // SAFETY: the thread exists, because it is the calling one. `attributes` is valid for writes, and the
    // call initialises it if it succeeds.
    if unsafe { libc::pthread_getattr_np(this_thread, attributes.as_mut_ptr()) } != 0 {
        return Extent::Unknown;
    }
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes are initialised, because the call above succeeded. Both pointers are valid for
    // writes.
    let result = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size) };
    // SAFETY: the attributes are initialised, because the call above succeeded, and are not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if result == 0 { Extent::Known { lowest: lowest.addr(), size } } else { Extent::Unknown }
}

/// Not known on this system.
#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask() -> Extent {
    Extent::Unknown
}

/// An address on the calling thread's stack, at most a few frames below the caller's frame. The stack grows
/// downwards on every supported platform. Only differences on one thread have a meaning, and only to within a
/// few hundred bytes: this is for limits with ample reserve, not for finding the guard page.
///
/// A sanitizer that moves locals to a heap-allocated stack (AddressSanitizer's use-after-return detection)
/// makes the value meaningless.
#[inline(never)]
fn approximate_stack_pointer() -> usize {
    // The function is not inlined, and the local escapes through `black_box`. So the local is in memory, in a
    // frame of this function directly below the caller's frame, and not at any place in a larger frame.
    let local = 0_u8;
    ptr::from_ref(black_box(&local)).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 1024;

    #[inline(never)]
    fn at_depth(depth: usize) -> usize {
        let frame = black_box([0_u8; FRAME]);
        let address = if depth == 0 { approximate_stack_pointer() } else { at_depth(depth - 1) };
        // Used after the call, so that the call is no tail call and the frame remains.
        black_box(&frame);
        address
    }

    #[test]
    #[cfg_attr(longshore_no_recycling, ignore = "AddressSanitizer keeps locals elsewhere")]
    fn deeper_is_lower_by_about_the_frames_in_between() {
        let here = approximate_stack_pointer();
        let below = at_depth(9);
        let used = here.checked_sub(below).expect("the stack grows downwards");
        assert!((10 * FRAME..100 * FRAME).contains(&used), "{used} bytes for ten frames");
    }

    #[test]
    #[cfg_attr(longshore_no_recycling, ignore = "AddressSanitizer keeps locals elsewhere")]
    fn the_same_depth_gives_the_same_address() {
        let repeated: Vec<usize> = (0..4).map(|_| at_depth(3)).collect();
        assert!(repeated.windows(2).all(|pair| pair[0] == pair[1]), "{repeated:?}");
    }

    #[test]
    #[cfg_attr(longshore_no_recycling, ignore = "AddressSanitizer keeps locals elsewhere")]
    fn the_rest_of_the_stack_is_its_size_minus_its_use() {
        fn check() {
            let (left, size) = left().expect("known");
            assert!(left < size && size - left < SIZE / 4, "{left} of {size}");
            assert!(!is_short_of(SIZE / 2) && is_short_of(2 * SIZE) && !is_half_used());
            let deeper = at_depth(9);
            assert!(deeper < approximate_stack_pointer());
        }
        const SIZE: usize = 1 << 20;
        let thread = || std::thread::Builder::new().stack_size(SIZE);
        let told = thread().spawn(|| {
            begin(SIZE);
            check();
        });
        told.expect("starts").join().expect("knows its stack");
        #[cfg(target_os = "linux")]
        thread().spawn(check).expect("starts").join().expect("knows its stack");
    }

    #[test]
    fn each_thread_has_its_own() {
        let here = approximate_stack_pointer();
        let there = std::thread::spawn(approximate_stack_pointer).join().expect("a thread");
        assert_ne!(here, there);
    }
}
