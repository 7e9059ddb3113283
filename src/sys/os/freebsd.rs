//! FreeBSD: masks of processors of any size, for the process and for each thread.
//!
//! No state. A thread inherits the mask of the thread that starts it, so a pin is undone by the mask of the
//! process, which no pin of a thread changes.

use std::ffi::{c_int, c_long, c_ulong};
use std::io;

use crate::sys::os::pthread_stack;
use crate::sys::os::system::{PinOutcome, StackBounds, System};

/// Bits per word of a mask.
const BITS: usize = c_ulong::BITS as usize;

/// The first buffer, of 1024 processors: the size of `cpuset_t` since FreeBSD 14.
const FIRST_WORDS: usize = 1024 / BITS;

/// The largest buffer: 2^16 processors, far above the limit of any kernel.
const MOST_WORDS: usize = (1 << 16) / BITS;

/// FreeBSD.
#[derive(Debug)]
pub struct Os;

impl System for Os {
    fn process_cores() -> Vec<usize> {
        read(libc::CPU_WHICH_PID, -1).unwrap_or_default()
    }

    fn thread_cores() -> Option<Vec<usize>> {
        read(libc::CPU_WHICH_TID, -1)
    }

    fn set_thread_cores(cores: &[usize]) -> bool {
        // The kernel refuses a mask that is larger than its own, unless the rest is 0, and one that is
        // smaller. So it gets one of the size in which it has answered.
        let Some(length) = fitting_length() else { return false };
        let mut words = vec![0 as c_ulong; length];
        for core in cores {
            let Some(word) = words.get_mut(core / BITS) else { return false };
            *word |= 1 << (core % BITS);
        }
        let bytes = size_of_val(words.as_slice());
        // SAFETY: the pointer and `bytes` describe the initialised buffer, which the kernel only reads.
        let result = unsafe {
            let mask = words.as_ptr().cast();
            libc::cpuset_setaffinity(libc::CPU_LEVEL_WHICH, libc::CPU_WHICH_TID, -1, bytes, mask)
        };
        result == 0
    }

    fn pin(core: usize) -> PinOutcome {
        if Self::set_thread_cores(&[core]) && Self::thread_cores().as_deref() == Some(&[core]) {
            PinOutcome::Pinned
        } else {
            PinOutcome::Refused
        }
    }

    fn thread_name() -> u64 {
        let mut name: c_long = 0;
        // SAFETY: the pointer is valid for writes.
        let result = unsafe { libc::thr_self(&raw mut name) };
        if result == 0 { u64::try_from(name).unwrap_or(0) } else { 0 }
    }

    fn cores_of(thread: u64) -> Option<Vec<usize>> {
        read(libc::CPU_WHICH_TID, i64::try_from(thread).ok()?)
    }

    fn stack() -> Option<StackBounds> {
        pthread_stack::bounds()
    }
}

/// The mask of `which` (a process or a thread; -1 for the caller's), ascending.
fn read(which: c_int, id: i64) -> Option<Vec<usize>> {
    let words = read_words(which, id)?;
    Some((0..words.len() * BITS).filter(|cpu| words[cpu / BITS] >> (cpu % BITS) & 1 == 1).collect())
}

fn fitting_length() -> Option<usize> {
    read_words(libc::CPU_WHICH_TID, -1).map(|words| words.len())
}

fn read_words(which: c_int, id: i64) -> Option<Vec<c_ulong>> {
    let mut length = FIRST_WORDS;
    while length <= MOST_WORDS {
        let mut words = vec![0 as c_ulong; length];
        let bytes = size_of_val(words.as_slice());
        // SAFETY: the pointer and `bytes` describe the buffer, which is exclusively borrowed. The kernel
        // writes at most `bytes` bytes, and every bit pattern is a valid word.
        let result = unsafe {
            let mask = words.as_mut_ptr().cast();
            libc::cpuset_getaffinity(libc::CPU_LEVEL_WHICH, which, id, bytes, mask)
        };
        if result == 0 {
            return Some(words);
        }
        if io::Error::last_os_error().raw_os_error() != Some(libc::ERANGE) {
            return None;
        }
        length *= 2; // the kernel has more processors than the buffer
    }
    None
}
