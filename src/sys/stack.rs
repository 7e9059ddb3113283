//! Roughly where the calling thread's stack pointer is.
//!
//! Owner: nobody, there is no state.
//! Threads: any; each learns about its own stack only.

use std::hint::black_box;
use std::ptr;

/// An address on the calling thread's stack, at most a few frames below the caller's.
///
/// Used to measure how deep a worker is: one that waits by running other tasks nests their frames on its
/// stack, and the difference between this address at the worker's start and now tells how much it has used
/// (the stack grows downwards on every platform supported). Only differences on one thread mean anything, and
/// only to within a few hundred bytes: this is for limits with ample room, not for finding the guard page.
///
/// A sanitizer that moves locals to a heap-allocated stack (AddressSanitizer's use-after-return detection)
/// makes the value meaningless, so a caller must treat an implausible difference as unknown.
#[inline(never)]
pub fn approximate_stack_pointer() -> usize {
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
    fn each_thread_has_its_own() {
        let here = approximate_stack_pointer();
        let there = std::thread::spawn(approximate_stack_pointer).join().expect("a thread");
        assert_ne!(here, there);
    }
}
