//! The cores that this process may use, and the affinity mask of a thread.
//!
//! State: whether the process has a single core, read once ([`is_single_core`]). A [`CpuMask`] belongs to the
//! pool, which reads it when it is built. A thread that builds or grows a pool reads [`allowed_cores`] and
//! [`CpuMask::of_process`]. Pinning and unpinning act on the calling thread, in practice a worker at its
//! start. Guarded by the unit tests here, `tests/it/behaviour/pinning.rs` and `tests/process_pinning.rs`.

#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "linux.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "portable.rs")]
mod os;

use std::sync::OnceLock;
use std::thread::available_parallelism;

use core_affinity::CoreId;

pub use os::CpuMask;

/// The cores on which this process may run, ascending and never empty.
///
/// On Linux this is the mask of the process's main thread, not of the caller. A thread inherits the mask of
/// the thread that spawned it. So in a task on a pinned worker, or in a thread started there, the caller's
/// mask is the single core of that worker, and a pool sized by it would have one worker. The price: if a
/// program pins its main thread, that counts for the whole process, and in a child forked by a pinned thread
/// that thread is the main thread.
///
/// On other systems it is what `core_affinity` reports. If nothing can be read, it is
/// `0..available_parallelism()`.
pub fn allowed_cores() -> Vec<usize> {
    or_numbered(CpuMask::of_process().cores())
}

/// Pins the calling thread to `core` alone. Returns whether that succeeded.
///
/// If it returns `false`, the mask of the thread is unchanged in every known case: the core is offline,
/// outside the process's cpuset, or beyond the platform's fixed-size mask (1024 cores on Linux, where a
/// higher bit would abort the process). On Linux the mask is read back, because a sandbox may accept the call
/// and ignore it. On other systems the result of the call is believed; on macOS a pin is only a hint.
pub fn pin_current_thread(core: usize) -> bool {
    core < os::PINNABLE_CORES
        && core_affinity::set_for_current(CoreId { id: core })
        && os::current_thread_runs_only_on(core)
}

/// Whether only one thread of this process can run at a time, so that busy waiting for another thread is in
/// vain. Read once: if the mask changes later, the process spins a little too much or too little.
pub fn is_single_core() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| allowed_cores().len() == 1)
}

fn or_numbered(cores: Vec<usize>) -> Vec<usize> {
    if cores.is_empty() { (0..available_parallelism().map_or(1, usize::from)).collect() } else { cores }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Runs `body` in a new thread, because the test harness reuses its own threads for other tests.
    fn in_new_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
        thread::spawn(body).join().expect("the thread of the test panicked")
    }

    #[test]
    fn allowed_cores_ascend_and_are_not_empty() {
        let cores = allowed_cores();
        assert!(!cores.is_empty());
        assert!(cores.is_sorted_by(|a, b| a < b), "{cores:?}");
    }

    #[test]
    fn without_a_mask_the_cores_are_numbered() {
        let numbered = or_numbered(Vec::new());
        assert!(!numbered.is_empty());
        assert!(numbered.iter().copied().eq(0..numbered.len()));
        assert_eq!(or_numbered(vec![3, 7]), [3, 7]);
    }

    #[test]
    fn a_core_beyond_the_mask_is_refused() {
        for core in [os::PINNABLE_CORES, 1024, 1025, 65_536, usize::MAX] {
            assert!(!in_new_thread(move || pin_current_thread(core)), "core {core}");
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    mod linux_only {
        use super::*;

        #[test]
        fn pins_to_each_allowed_core_in_turn() {
            let cores = allowed_cores();
            in_new_thread(move || {
                for core in cores.into_iter().filter(|&core| core < os::PINNABLE_CORES) {
                    assert!(pin_current_thread(core), "core {core}");
                    assert_eq!(CpuMask::of_current_thread().cores(), [core]);
                }
            });
        }

        #[test]
        fn a_core_that_does_not_exist_is_refused_and_changes_nothing() {
            in_new_thread(|| {
                let before = CpuMask::of_current_thread();
                assert!(!pin_current_thread(os::PINNABLE_CORES - 1));
                assert_eq!(CpuMask::of_current_thread(), before);
            });
        }

        #[test]
        fn a_thread_of_a_pinned_worker_sees_the_mask_of_the_process_and_can_be_unpinned() {
            let (saved, cores) = (CpuMask::of_process(), allowed_cores());
            let first = cores[0];
            in_new_thread(move || {
                assert!(pin_current_thread(first));
                in_new_thread(move || {
                    assert_eq!(CpuMask::of_current_thread().cores(), [first], "the pin is inherited");
                    assert_eq!(allowed_cores(), cores);
                    assert!(saved.apply_to_current_thread());
                    assert_eq!(CpuMask::of_current_thread(), saved);
                });
            });
        }
    }
}
