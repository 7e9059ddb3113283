//! Affinity masks of any size on Linux and Android, read and written with `sched_{get,set}affinity`.
//!
//! No state; a [`CpuMask`] is a plain value. Reads the mask of the main thread or of the calling thread;
//! writes only the mask of the calling thread. Guarded by the unit tests here and in `sys/affinity/mod.rs`.

use std::ffi::{c_int, c_ulong};
use std::{io, process};

/// The number of cores that `core_affinity` can pin to. It sets bits in a `cpu_set_t`, whose size is fixed,
/// and a `CPU_SET` beyond that size aborts the process.
pub const PINNABLE_CORES: usize = libc::CPU_SETSIZE as usize;

/// Bits per word. A CPU mask of the kernel is an array of longs, with CPU 0 in the lowest bit of the first.
const BITS: usize = c_ulong::BITS as usize;

/// The size of `cpu_set_t`, so that no buffer passed as a `cpu_set_t` is smaller than that type.
const FIRST_WORDS: usize = PINNABLE_CORES / BITS;

/// The largest buffer: 2^20 CPUs, far above the limit of any kernel. It stops the growth if `EINVAL` has
/// another cause.
const MOST_WORDS: usize = (1 << 20) / BITS;

/// Names the calling thread in the affinity calls.
const CURRENT_THREAD: libc::pid_t = 0;

/// The set of CPUs on which a thread may run, stored to be applied to another thread later.
///
/// An empty mask means that it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMask {
    words: Vec<c_ulong>,
}

impl CpuMask {
    /// The mask of the process's main thread, which no worker of a pool changes.
    /// If that cannot be read, the mask of the calling thread.
    pub fn of_process() -> Self {
        // The id of a process is the id of its main thread, and the kernel expects thread ids here.
        libc::pid_t::try_from(process::id())
            .ok()
            .and_then(read)
            .map_or_else(Self::of_current_thread, |words| Self { words })
    }

    /// The mask of the calling thread.
    pub fn of_current_thread() -> Self {
        Self { words: read(CURRENT_THREAD).unwrap_or_default() }
    }

    /// The CPUs in this mask, ascending; none if the mask could not be read.
    pub fn cores(&self) -> Vec<usize> {
        (0..self.words.len() * BITS).filter(|cpu| self.words[cpu / BITS] >> (cpu % BITS) & 1 == 1).collect()
    }

    /// This mask without the CPUs that neither the main thread nor the calling thread may use now: an
    /// operator has taken them away from the whole process since this mask was read (`taskset -a`, a cpuset).
    /// A program that pins one thread takes nothing away from the other threads.
    pub fn still_allowed(&self) -> Self {
        self.within(&Self::of_process(), &Self::of_current_thread())
    }

    /// The CPUs of this mask that are in `a` or in `b`; all of them if none is.
    fn within(&self, a: &Self, b: &Self) -> Self {
        let word = |mask: &Self, place: usize| mask.words.get(place).copied().unwrap_or_default();
        let left = self.words.iter().enumerate().map(|(place, all)| all & (word(a, place) | word(b, place)));
        let words: Vec<_> = left.collect();
        if words.iter().all(|&word| word == 0) { self.clone() } else { Self { words } }
    }

    /// Applies this mask to the calling thread. Returns whether the kernel accepted it.
    ///
    /// The kernel ignores CPUs that have left the process's cpuset since the mask was read, and refuses only
    /// if none remains. From then on it treats the mask as the thread's own choice, so CPUs that join the
    /// cpuset later are not used. So this should not be called for a thread that has inherited no pin.
    pub fn apply_to_current_thread(&self) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let bytes = size_of_val(self.words.as_slice());
        // SAFETY: the pointer and `bytes` describe the initialised buffer of `self.words`, which the kernel
        // only reads. The kernel reads `bytes` bytes, whatever the size of `cpu_set_t`.
        let result = unsafe { libc::sched_setaffinity(CURRENT_THREAD, bytes, self.words.as_ptr().cast()) };
        result == 0
    }
}

/// Whether the calling thread's mask is exactly `core`.
pub fn current_thread_runs_only_on(core: usize) -> bool {
    CpuMask::of_current_thread().cores() == [core]
}

/// The mask of a thread. The buffer is doubled while the kernel reports that it is too small (`EINVAL`),
/// because a kernel built for more than 1024 CPUs refuses a `cpu_set_t`.
fn read(thread: libc::pid_t) -> Option<Vec<c_ulong>> {
    read_with(|words| {
        let bytes = size_of_val(words);
        // SAFETY: the pointer and `bytes` describe the buffer of `words`, which is exclusively borrowed,
        // aligned for longs, and at least as large as a `cpu_set_t`. The kernel writes at most `bytes` bytes,
        // and every bit pattern is a valid long.
        let result = unsafe { libc::sched_getaffinity(thread, bytes, words.as_mut_ptr().cast()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)) }
    })
}

/// The loop of [`read`] without the system call, so that a test can simulate a kernel with more CPUs than
/// this machine. `fill` receives a zeroed buffer and returns the error number on failure.
fn read_with(mut fill: impl FnMut(&mut [c_ulong]) -> Result<(), c_int>) -> Option<Vec<c_ulong>> {
    let mut length = FIRST_WORDS;
    while length <= MOST_WORDS {
        let mut words = vec![0; length];
        match fill(&mut words) {
            Ok(()) => {
                // Trimmed, so that equal sets are equal values, whatever the size of the buffer.
                words.truncate(words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1));
                // But not below the size of a `cpu_set_t`, because the mask may be passed as one later.
                words.resize(words.len().max(FIRST_WORDS), 0);
                return Some(words);
            }
            Err(libc::EINVAL) => length *= 2,
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a kernel for `cpus` CPUs, of which those in `set` are allowed.
    fn kernel(cpus: usize, set: &[usize]) -> impl FnMut(&mut [c_ulong]) -> Result<(), c_int> {
        move |words| {
            if words.len() * BITS < cpus {
                return Err(libc::EINVAL);
            }
            for cpu in set {
                words[cpu / BITS] |= 1 << (cpu % BITS);
            }
            Ok(())
        }
    }

    #[test]
    fn the_buffer_grows_for_a_kernel_with_many_cpus() {
        for cpus in [3, 1024, 1025, 2048, 8192, 100_000] {
            let set = [0, 1, cpus - 1];
            let mask = CpuMask { words: read_with(kernel(cpus, &set)).expect("a mask") };
            assert_eq!(mask.cores(), set);
        }
    }

    #[test]
    fn equal_sets_are_equal_whatever_the_buffer() {
        assert_eq!(read_with(kernel(8, &[0, 5])), read_with(kernel(8192, &[0, 5])));
        assert_eq!(read_with(kernel(8, &[0, 5])).map(|words| words.len()), Some(FIRST_WORDS));
    }

    #[test]
    fn the_growth_is_limited_and_other_errors_stop_it_at_once() {
        let mut calls = 0;
        let refuse = |_: &mut [c_ulong]| {
            calls += 1;
            Err(libc::EINVAL)
        };
        assert_eq!(read_with(refuse), None);
        assert_eq!(calls, 11, "1024 CPUs doubled up to 2^20");
        assert_eq!(read_with(|_| Err(libc::ESRCH)), None);
    }

    #[test]
    fn the_first_buffer_is_a_whole_cpu_set() {
        assert_eq!(FIRST_WORDS * size_of::<c_ulong>(), size_of::<libc::cpu_set_t>());
        assert!(align_of::<c_ulong>() >= align_of::<libc::cpu_set_t>());
    }

    #[test]
    fn an_unread_mask_is_not_applied() {
        let unread = CpuMask { words: Vec::new() };
        assert!(unread.cores().is_empty());
        assert!(!unread.apply_to_current_thread());
    }

    #[test]
    fn cpus_that_the_whole_process_has_lost_are_left_out() {
        let mask = |cpus: &[usize]| CpuMask { words: read_with(kernel(8192, cpus)).expect("a mask") };
        let all = mask(&[0, 1, 2, 3, 2000]);
        assert_eq!(all.within(&mask(&[0]), &mask(&[1, 2000])).cores(), [0, 1, 2000]);
        assert_eq!(all.within(&mask(&[0, 4]), &mask(&[0])).cores(), [0], "no CPU is added");
        assert_eq!(all.within(&mask(&[5]), &mask(&[6])), all, "a mask is never empty");
        let unread = CpuMask { words: Vec::new() };
        assert_eq!(all.within(&unread, &unread), all);
        assert_eq!(unread.within(&all, &all), unread);
    }

    #[test]
    fn a_mask_larger_than_cpu_set_is_applied() {
        std::thread::spawn(|| {
            let saved = CpuMask::of_process();
            let mut large = saved.clone();
            large.words.resize(4 * FIRST_WORDS, 0);
            assert!(large.apply_to_current_thread());
            assert_eq!(CpuMask::of_current_thread(), saved);
        })
        .join()
        .expect("the thread of the test panicked");
    }
}
