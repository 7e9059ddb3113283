//! Roughly how much of the calling thread's stack is left.
//!
//! A worker that waits by running other tasks nests their frames on its stack, and so does a thread of the user's that
//! acts as a worker. The one knows how large its stack is, the other asks the operating system, once.
//!
//! Owner: each thread, of what is known about its own stack.
//! Threads: any; each learns about its own stack only.

use std::cell::Cell;
use std::hint::black_box;
use std::ptr;

/// Where a thread's stack ends, as far as that is known.
#[derive(Debug, Clone, Copy)]
enum Extent {
    /// Nobody has asked yet.
    Unasked,
    /// The operating system does not say.
    Unknown,
    /// So many bytes above this lowest address.
    Known { lowest: usize, size: usize },
}

thread_local! {
    // Constant and without a destructor: usable while other thread-locals die.
    static EXTENT: Cell<Extent> = const { Cell::new(Extent::Unasked) };
}

/// Notes that the calling thread has just begun, on a stack of `size` bytes.
pub fn begin(size: usize) {
    EXTENT.set(Extent::Known { lowest: approximate_stack_pointer().saturating_sub(size), size });
}

/// Whether less than `bytes` of the calling thread's stack are left; `false` if that is not known.
pub fn is_short_of(bytes: usize) -> bool {
    left().is_some_and(|(left, _)| left < bytes)
}

/// Whether more than half of the calling thread's stack is in use; `false` if that is not known.
pub fn is_half_used() -> bool {
    left().is_some_and(|(left, size)| left < size / 2)
}

/// What is left, and the whole.
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
        // An address below the stack is one of a stack that is not in one piece (AddressSanitizer's).
        Extent::Known { lowest, size } => Some((approximate_stack_pointer().checked_sub(lowest)?, size)),
        Extent::Unasked | Extent::Unknown => None,
    }
}

/// Asks the operating system. Takes some microseconds, on the main thread some ten.
#[cfg(all(target_os = "linux", not(miri)))]
fn ask() -> Extent {
    use std::mem::MaybeUninit;

    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: always sound.
    let this_thread = unsafe { libc::pthread_self() };
    // SAFETY: the thread is the calling one; the call initialises the attributes if it succeeds.
    if unsafe { libc::pthread_getattr_np(this_thread, attributes.as_mut_ptr()) } != 0 {
        return Extent::Unknown;
    }
    let (mut lowest, mut size) = (ptr::null_mut(), 0);
    // SAFETY: initialised above; the results are written to these variables.
    let result = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size) };
    // SAFETY: initialised above, and not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if result == 0 { Extent::Known { lowest: lowest.addr(), size } } else { Extent::Unknown }
}

/// Not known here.
#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask() -> Extent {
    Extent::Unknown
}

/// An address on the calling thread's stack, at most a few frames below the caller's.
///
/// The stack grows downwards on every platform supported. Only differences on one thread mean anything, and
/// only to within a few hundred bytes: this is for limits with ample room, not for finding the guard page.
///
/// A sanitizer that moves locals to a heap-allocated stack (AddressSanitizer's use-after-return detection)
/// makes the value meaningless.
#[inline(never)]
fn approximate_stack_pointer() -> usize {
    // Not inlined, and the local escapes through `black_box`: it therefore is in memory, in a frame of this
    // function, directly below the caller's, rather than anywhere the optimiser likes in a larger one.
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
        // Used after the call, so that the call is no tail call and the frame stays.
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
    fn what_is_left_is_what_the_thread_was_given_less_what_it_uses() {
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
