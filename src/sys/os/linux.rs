//! Linux and Android: affinity masks of any size, stacks, the system call `membarrier`, kinds of cores.
//!
//! No state. Masks are read and written with `sched_{get,set}affinity`. Guarded by the unit tests here and in
//! `sys/affinity.rs`, `sys/barrier.rs` and `sys/stack.rs`.

use std::ffi::{c_int, c_ulong};
use std::{fs, io, process};

use core_affinity::CoreId;

#[cfg(not(miri))]
use crate::sys::os::pthread_stack;
use crate::sys::os::system::{PinOutcome, StackBounds, System};

/// The number of cores that `core_affinity` can pin to. It sets bits in a `cpu_set_t`, whose size is fixed,
/// and a `CPU_SET` beyond that size aborts the process. (`CPU_SETSIZE` is less with some versions of musl.)
const CORES_OF_CPU_SET: usize = size_of::<libc::cpu_set_t>() * 8;

/// Bits per word. A CPU mask of the kernel is an array of longs, with CPU 0 in the lowest bit of the first.
const BITS: usize = c_ulong::BITS as usize;

/// The size of `cpu_set_t`, so that no buffer passed as a `cpu_set_t` is smaller than that type.
const FIRST_WORDS: usize = CORES_OF_CPU_SET / BITS;

/// The largest buffer: 2^20 CPUs, far above the limit of any kernel. It stops the growth if `EINVAL` has
/// another cause.
const MOST_WORDS: usize = (1 << 20) / BITS;

/// Names the calling thread in the affinity calls.
const CURRENT_THREAD: libc::pid_t = 0;

/// Linux and Android.
#[derive(Debug)]
pub struct Os;

impl System for Os {
    /// The mask of the process's main thread, which no worker of a pool changes. If that cannot be read, the
    /// mask of the calling thread.
    fn process_cores() -> Vec<usize> {
        // The id of a process is the id of its main thread, and the kernel expects thread ids here.
        let main = libc::pid_t::try_from(process::id()).ok().and_then(read);
        main.or_else(|| read(CURRENT_THREAD)).map(|words| cores_in(&words)).unwrap_or_default()
    }

    fn thread_cores() -> Option<Vec<usize>> {
        read(CURRENT_THREAD).map(|words| cores_in(&words))
    }

    /// The kernel ignores CPUs that are not in the process's cpuset, and refuses only if none remains. From
    /// then on it treats the mask as the thread's own choice, so CPUs that join the cpuset later are not
    /// used.
    fn set_thread_cores(cores: &[usize]) -> bool {
        let Some(words) = words_of(cores) else { return false };
        let bytes = size_of_val(words.as_slice());
        // SAFETY: the pointer and `bytes` describe the initialised buffer of `words`, which the kernel only
        // reads. The kernel reads `bytes` bytes, whatever the size of `cpu_set_t`.
        let result = unsafe { libc::sched_setaffinity(CURRENT_THREAD, bytes, words.as_ptr().cast()) };
        result == 0
    }

    /// The mask is read back, because a sandbox may accept the call and ignore it.
    fn pin(core: usize) -> PinOutcome {
        let accepted = if core < CORES_OF_CPU_SET {
            core_affinity::set_for_current(CoreId { id: core })
        } else {
            Self::set_thread_cores(&[core])
        };
        if accepted && Self::thread_cores().as_deref() == Some(&[core]) {
            PinOutcome::Pinned
        } else {
            PinOutcome::Refused
        }
    }

    fn thread_name() -> u64 {
        // SAFETY: the call takes nothing, returns the number of the calling thread, and cannot fail.
        let number = unsafe { libc::syscall(libc::SYS_gettid) };
        u64::try_from(number).unwrap_or(0)
    }

    fn cores_of(thread: u64) -> Option<Vec<usize>> {
        let thread = libc::pid_t::try_from(thread).ok().filter(|&thread| thread != CURRENT_THREAD)?;
        read(thread).map(|words| cores_in(&words))
    }

    fn performance_cores() -> Option<usize> {
        // Intel's hybrid processors; else the relative speeds that the kernel knows of ARM's.
        let hybrid = fs::read_to_string("/sys/devices/cpu_core/cpus").ok().and_then(|list| length_of(&list));
        hybrid.or_else(|| {
            let speed = |cpu: usize| {
                let file = format!("/sys/devices/system/cpu/cpu{cpu}/cpu_capacity");
                fs::read_to_string(file).ok()?.trim().parse().ok()
            };
            fastest((0..).map_while(speed))
        })
    }

    fn stack() -> Option<StackBounds> {
        #[cfg(not(miri))]
        return pthread_stack::bounds();
        #[cfg(miri)]
        None
    }

    /// Registers the process with the kernel. The first call takes about ten milliseconds in a process with
    /// several threads; later calls are cheap.
    fn fence_everywhere() -> Option<fn() -> bool> {
        // If not: an old kernel, or a sandbox that forbids the call.
        (membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED)).then_some(everywhere)
    }
}

/// How many processors are in a list like `0-7,16`.
fn length_of(list: &str) -> Option<usize> {
    list.trim().split(',').try_fold(0, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        Some(sum + last.checked_sub(first)? + 1)
    })
}

/// How many of these speeds are the highest; `None` if all are the same.
fn fastest(speeds: impl Iterator<Item = u32>) -> Option<usize> {
    let speeds: Vec<u32> = speeds.collect();
    let highest = speeds.iter().max()?;
    let fast = speeds.iter().filter(|speed| *speed == highest).count();
    (fast < speeds.len()).then_some(fast)
}

/// Every running thread of the process executes a full fence before the call returns. (linux/membarrier.h)
const PRIVATE_EXPEDITED: c_int = 1 << 3;
/// Registers the process for `PRIVATE_EXPEDITED`.
const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

fn everywhere() -> bool {
    // Fails only if the process has meanwhile forbidden itself the call, for example with seccomp. (In a
    // forked child the registration may be gone. But there a pool of the parent refuses work before it gets
    // here, and a new pool registers again.)
    membarrier(PRIVATE_EXPEDITED)
}

/// Runs the system call; whether the kernel executed the command.
fn membarrier(command: c_int) -> bool {
    if cfg!(miri) || cfg!(target_os = "android") {
        return false; // Android's sandbox may end a process for the call
    }
    // SAFETY: the call takes integers only and accesses no memory of this process. With flags of 0 the kernel
    // ignores the third argument.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// The CPUs in a mask, ascending.
fn cores_in(words: &[c_ulong]) -> Vec<usize> {
    (0..words.len() * BITS).filter(|cpu| words[cpu / BITS] >> (cpu % BITS) & 1 == 1).collect()
}

/// The mask of these CPUs, no smaller than a `cpu_set_t`. `None` if there are none, or one is beyond the
/// largest buffer.
fn words_of(cores: &[usize]) -> Option<Vec<c_ulong>> {
    let highest = cores.iter().max()?;
    let length = FIRST_WORDS.max(highest / BITS + 1);
    if length > MOST_WORDS {
        return None;
    }
    let mut words = vec![0; length];
    cores.iter().for_each(|core| words[core / BITS] |= 1 << (core % BITS));
    Some(words)
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
            assert_eq!(cores_in(&read_with(kernel(cpus, &set)).expect("a mask")), set);
        }
    }

    #[test]
    fn equal_sets_are_equal_whatever_the_buffer() {
        assert_eq!(read_with(kernel(8, &[0, 5])), read_with(kernel(8192, &[0, 5])));
    }

    #[test]
    fn the_growth_is_limited_and_other_errors_stop_it_at_once() {
        let mut calls = 0;
        let refuse = |_: &mut [c_ulong]| {
            calls += 1;
            Err(libc::EINVAL)
        };
        assert_eq!(read_with(refuse), None);
        let doublings = (MOST_WORDS / FIRST_WORDS).ilog2();
        assert_eq!(calls, doublings + 1, "doubled up to 2^20 CPUs");
        assert_eq!(read_with(|_| Err(libc::ESRCH)), None);
    }

    #[test]
    fn the_first_buffer_is_a_whole_cpu_set() {
        assert_eq!(FIRST_WORDS * size_of::<c_ulong>(), size_of::<libc::cpu_set_t>());
        assert!(align_of::<c_ulong>() >= align_of::<libc::cpu_set_t>());
        assert_eq!(words_of(&[0]).map(|words| words.len()), Some(FIRST_WORDS));
    }

    #[test]
    fn an_empty_or_enormous_mask_is_not_applied() {
        assert!(!Os::set_thread_cores(&[]));
        assert!(!Os::set_thread_cores(&[0, 1 << 20]) && !Os::set_thread_cores(&[usize::MAX]));
    }

    #[test]
    fn a_mask_larger_than_cpu_set_is_applied() {
        std::thread::spawn(|| {
            let before = Os::thread_cores().expect("Linux tells it");
            let mut large = before.clone();
            large.push(4 * CORES_OF_CPU_SET);
            assert!(Os::set_thread_cores(&large), "CPUs that do not exist are ignored");
            assert_eq!(Os::thread_cores(), Some(before));
        })
        .join()
        .expect("the thread of the test panicked");
    }

    #[test]
    fn another_thread_can_ask_for_the_cores_of_a_thread() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            sender.send((Os::thread_name(), Os::thread_cores())).expect("the test waits");
            let _ = ended.recv();
        });
        let (name, cores) = receiver.recv().expect("the thread has started");
        assert_eq!(Os::cores_of(name), cores);
        drop(end);
        thread.join().expect("no panic");
        assert_eq!(Os::cores_of(0), None, "no thread has this name");
    }

    #[test]
    fn the_fastest_cores_are_counted() {
        assert_eq!(length_of("0-7,16\n"), Some(9));
        assert_eq!(length_of("3"), Some(1));
        assert!(length_of("").is_none() && length_of("5-3").is_none() && length_of("x").is_none());
        assert_eq!(fastest([400, 1024, 1024, 400].into_iter()), Some(2));
        assert_eq!(fastest([1024, 1024].into_iter()), None, "all the same");
        assert_eq!(fastest([].into_iter()), None);
    }
}
