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

use crate::sys::os::Os;
use crate::sys::os::system::{StackBounds, System};

/// How much of a stack of unknown size a thread may use from its first look on, before it counts as deep: a
/// quarter of the smallest stack that a common system gives a thread by default (512 KiB).
const MOST_OF_UNKNOWN: usize = 128 << 10;

/// Where a thread's stack ends, if that is known.
#[derive(Debug, Clone, Copy)]
enum Extent {
    /// The thread has not asked yet.
    Unasked,
    /// The operating system does not report it. When the thread asked, its frames ended at this address.
    Unknown { first: usize },
    /// It is between these bounds.
    Known(StackBounds),
}

/// What is left of a stack.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// So many bytes of a stack of so many.
    Known { left: usize, size: usize },
    /// The size of the stack is not known, and the thread has used little of it since it first asked.
    Enough,
    /// The size of the stack is not known, and the thread has used [`MOST_OF_UNKNOWN`] of it. Nesting must
    /// end somewhere, because a stack that overflows ends the process.
    Little,
}

thread_local! {
    // Constant and without a destructor, so it can be used while other thread-locals are destroyed.
    static EXTENT: Cell<Extent> = const { Cell::new(Extent::Unasked) };
}

/// Records that the calling thread has just started, on a stack of `size` bytes.
pub fn begin(size: usize) {
    let lowest = approximate_stack_pointer().saturating_sub(size);
    EXTENT.set(Extent::Known(StackBounds { lowest, size }));
}

/// Whether less than `bytes` of the calling thread's stack are left. If the size of the stack is not known,
/// whether the thread has used much of it.
pub fn is_short_of(bytes: usize) -> bool {
    rest().has_less_than(|_| bytes)
}

/// Whether less than one part in `parts` of the calling thread's stack is left. If the size of the stack is
/// not known, whether the thread has used much of it.
pub fn is_less_left_than_one_in(parts: usize) -> bool {
    rest().has_less_than(|size| size / parts)
}

/// Whether more than half of the calling thread's stack is used. If the size of the stack is not known,
/// whether the thread has used much of it.
pub fn is_half_used() -> bool {
    is_less_left_than_one_in(2)
}

/// Whether the calling thread's stack can stand in for one of `size` bytes: it is about as large, and half of
/// that is left. If the size of the stack is not known, whether the thread has used little of it.
pub fn is_as_good_as(size: usize) -> bool {
    match rest() {
        // The system counts the guard pages of some threads to their stack and those of others not.
        Rest::Known { left, size: whole } => whole >= size - size / 8 && left >= size / 2,
        Rest::Enough => true,
        Rest::Little => false,
    }
}

impl Rest {
    /// Whether less than `least` of a stack of some size is left.
    fn has_less_than(self, least: impl FnOnce(usize) -> usize) -> bool {
        match self {
            Rest::Known { left, size } => left < least(size),
            Rest::Enough => false,
            Rest::Little => true,
        }
    }
}

/// What is left of the calling thread's stack.
fn rest() -> Rest {
    let extent = match EXTENT.get() {
        Extent::Unasked => {
            let first = approximate_stack_pointer();
            let extent = Os::stack().map_or(Extent::Unknown { first }, Extent::Known);
            EXTENT.set(extent);
            extent
        }
        known => known,
    };
    let here = approximate_stack_pointer();
    match extent {
        Extent::Known(StackBounds { lowest, size }) => match here.checked_sub(lowest) {
            Some(left) => Rest::Known { left, size },
            // An address below the stack belongs to a stack that is not in one piece, as with
            // AddressSanitizer.
            None => Rest::Enough,
        },
        Extent::Unknown { first } if first.saturating_sub(here) > MOST_OF_UNKNOWN => Rest::Little,
        Extent::Unknown { .. } | Extent::Unasked => Rest::Enough,
    }
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
            let Rest::Known { left, size } = rest() else { panic!("not known") };
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
        #[cfg(all(
            any(target_os = "linux", target_os = "freebsd", target_vendor = "apple", windows),
            not(longshore_portable)
        ))]
        thread().spawn(check).expect("starts").join().expect("knows its stack");
    }

    #[test]
    #[cfg_attr(longshore_no_recycling, ignore = "AddressSanitizer keeps locals elsewhere")]
    fn a_stack_of_unknown_size_is_used_up_at_some_depth() {
        #[inline(never)]
        fn depth_at_the_end(depth: usize) -> usize {
            let frame = black_box([0_u8; FRAME]);
            let end = if is_half_used() || depth > 1000 { depth } else { depth_at_the_end(depth + 1) };
            black_box(&frame);
            end
        }
        let unknown = || {
            EXTENT.set(Extent::Unknown { first: approximate_stack_pointer() });
            assert!(is_as_good_as(1 << 30) && !is_short_of(1 << 30) && !is_half_used());
            depth_at_the_end(0)
        };
        let depth = std::thread::spawn(unknown).join().expect("the stack has not overflowed");
        assert!((10..=MOST_OF_UNKNOWN / FRAME).contains(&depth), "{depth} frames");
    }

    #[test]
    fn each_thread_has_its_own() {
        let here = approximate_stack_pointer();
        let there = std::thread::spawn(approximate_stack_pointer).join().expect("a thread");
        assert_ne!(here, there);
    }
}
