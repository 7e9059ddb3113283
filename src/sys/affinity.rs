//! The cores that this process may use, and the affinity mask of a thread.
//!
//! State: whether the process has a single core, read once ([`is_single_core`]). A [`CpuMask`] belongs to the
//! pool, which reads it when it is built. A thread that builds or grows a pool reads [`allowed_cores`] and
//! [`CpuMask::of_process`]. Pinning and unpinning act on the calling thread, in practice a worker at its
//! start. The calls of each system are in `sys/os`. Guarded by the unit tests here,
//! `tests/it/behaviour/pinning.rs`, `tests/process_pinning.rs` and `tests/platforms`.

use std::sync::OnceLock;
use std::thread::available_parallelism;

use crate::sys::os::Os;
use crate::sys::os::system::System;
pub use crate::sys::os::system::{PinOutcome, Urgency};

/// The cores on which this process may run, ascending and never empty.
///
/// On Linux this is the mask of the process's main thread, not of the caller. A thread inherits the mask of
/// the thread that spawned it. So in a task on a pinned worker, or in a thread started there, the caller's
/// mask is the single core of that worker, and a pool sized by it would have one worker. The price: if a
/// program pins its main thread, that counts for the whole process, and in a child forked by a pinned thread
/// that thread is the main thread.
///
/// On Windows it is the processors of all groups, unless the process was started with a part of one. If
/// nothing can be read, it is `0..available_parallelism()`.
pub fn allowed_cores() -> Vec<usize> {
    or_numbered(CpuMask::of_process().cores)
}

/// The set of cores on which the process may run, stored to be applied to another thread later.
///
/// An empty mask means that it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMask {
    cores: Vec<usize>,
}

impl CpuMask {
    /// The mask of the process, which no worker of a pool changes.
    pub fn of_process() -> Self {
        Self { cores: Os::process_cores() }
    }

    /// Undoes a pin that the calling thread has inherited: it may run where the process could run when this
    /// mask was read, as far as the process still may. Returns whether the thread's mask has changed.
    ///
    /// The mask is not set if the thread has it already, because from then on the system treats a mask as
    /// the thread's own choice, and it would not follow later changes of the process's set of cores.
    ///
    /// Where a thread runs on a part of the machine at a time (Windows before 11, with more than 64
    /// processors), the thread gets one of the parts, and the next thread another one.
    pub fn undo_inherited_pin(&self) -> bool {
        let Some(own) = Os::thread_cores() else { return false };
        let wanted = wanted(&self.cores, &Os::process_cores(), &own);
        if wanted.is_empty() || own == wanted {
            return false;
        }
        let part = Os::part_for_a_thread(wanted);
        own != part && Os::set_thread_cores(&part)
    }
}

/// Where a worker may run, if the process could run on `built`, its main thread may run on `main` now, and
/// the worker's thread on `own`. If cores have joined the process since, these as well. Not where neither of
/// the two threads may run: an operator has taken such cores away from the whole process (`taskset -a`, a
/// cpuset). A program that pins one thread takes nothing away from the other threads.
fn wanted(built: &[usize], main: &[usize], own: &[usize]) -> Vec<usize> {
    if built.iter().all(|core| main.contains(core)) {
        return main.to_vec();
    }
    let left: Vec<_> =
        built.iter().copied().filter(|core| main.contains(core) || own.contains(core)).collect();
    if left.is_empty() { built.to_vec() } else { left }
}

/// Pins the calling thread to `core` alone.
///
/// If that is refused, the mask of the thread is unchanged in every known case: the core is offline, outside
/// the process's cpuset, or beyond the largest mask of the system. Where the mask can be read, it is read
/// back, because a sandbox may accept the call and ignore it.
pub fn pin_current_thread(core: usize) -> PinOutcome {
    Os::pin(core)
}

/// A name of the calling thread for [`has_lost_pin`].
pub fn name_of_current_thread() -> u64 {
    Os::thread_name()
}

/// Whether the thread of this name, which was pinned to `core`, may run elsewhere by now: because the core
/// has left the process's set, or because another program has changed the thread's mask. `false` if that is
/// not known.
pub fn has_lost_pin(thread: u64, core: usize) -> bool {
    Os::cores_of(thread).is_some_and(|cores| cores != [core])
}

/// Tells the scheduler of the system how urgent the work of the calling thread is.
pub fn set_urgency(urgency: Urgency) {
    Os::set_urgency(urgency);
}

/// How many of the processors are of the fastest kind, if the machine has more than one kind and tells it.
pub fn performance_cores() -> Option<usize> {
    Os::performance_cores()
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
    fn a_worker_follows_the_cores_of_the_process() {
        let built = [0, 1, 2, 3, 2000];
        assert_eq!(wanted(&built, &built, &[0]), built, "an inherited pin is undone");
        assert_eq!(wanted(&built, &[0], &[1, 2000]), [0, 1, 2000], "the others have left the process");
        assert_eq!(wanted(&built, &[0, 4], &[0]), [0]);
        assert_eq!(wanted(&built, &[5], &[6]), built, "never empty");
        assert_eq!(wanted(&built, &[], &[]), built, "nothing could be read");
        assert_eq!(wanted(&[1, 2], &[0, 1, 2, 3], &[1]), [0, 1, 2, 3], "cores have joined the process");
        assert_eq!(wanted(&[], &[0, 1], &[0]), [0, 1]);
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused() {
        for core in [65_535, 65_536, 1 << 20, usize::MAX] {
            assert_eq!(in_new_thread(move || pin_current_thread(core)), PinOutcome::Refused, "core {core}");
        }
    }

    #[test]
    fn a_pin_says_what_came_of_it() {
        let first = allowed_cores()[0];
        let (outcome, is_lost) = in_new_thread(move || {
            let outcome = pin_current_thread(first);
            (outcome, has_lost_pin(name_of_current_thread(), first))
        });
        let possible: &[PinOutcome] = if cfg!(longshore_portable) {
            &[PinOutcome::Hint, PinOutcome::Refused]
        } else if cfg!(any(target_os = "linux", windows)) {
            &[PinOutcome::Pinned]
        } else if cfg!(target_vendor = "apple") {
            &[PinOutcome::Refused]
        } else {
            &[PinOutcome::Pinned, PinOutcome::Hint, PinOutcome::Refused]
        };
        assert!(possible.contains(&outcome), "{outcome:?}");
        assert!(!is_lost || outcome != PinOutcome::Pinned);
    }

    #[cfg(all(any(target_os = "linux", target_os = "android"), not(longshore_portable)))]
    mod linux_only {
        use super::*;

        #[test]
        fn pins_to_each_allowed_core_in_turn() {
            let cores = allowed_cores();
            in_new_thread(move || {
                for core in cores {
                    assert_eq!(pin_current_thread(core), PinOutcome::Pinned, "core {core}");
                    assert_eq!(Os::thread_cores(), Some(vec![core]));
                }
            });
        }

        #[test]
        fn a_refused_pin_changes_nothing() {
            in_new_thread(|| {
                let before = Os::thread_cores();
                assert_eq!(pin_current_thread(1023), PinOutcome::Refused);
                assert_eq!(Os::thread_cores(), before);
            });
        }

        #[test]
        fn a_thread_of_a_pinned_worker_sees_the_mask_of_the_process_and_can_be_unpinned() {
            let (saved, cores) = (CpuMask::of_process(), allowed_cores());
            if cores.len() == 1 {
                return; // every mask is the same
            }
            let first = cores[0];
            in_new_thread(move || {
                assert_eq!(pin_current_thread(first), PinOutcome::Pinned);
                in_new_thread(move || {
                    assert_eq!(Os::thread_cores(), Some(vec![first]), "the pin is inherited");
                    assert_eq!(allowed_cores(), cores);
                    assert!(saved.undo_inherited_pin());
                    assert_eq!(Os::thread_cores(), Some(cores));
                    assert!(!saved.undo_inherited_pin(), "nothing is left to undo");
                });
            });
        }

        #[test]
        fn a_pin_that_another_mask_replaces_is_lost() {
            let cores = allowed_cores();
            if cores.len() == 1 {
                return; // every mask is the same
            }
            in_new_thread(move || {
                assert_eq!(pin_current_thread(cores[0]), PinOutcome::Pinned);
                let name = name_of_current_thread();
                assert!(!has_lost_pin(name, cores[0]));
                assert!(Os::set_thread_cores(&cores));
                assert!(has_lost_pin(name, cores[0]));
            });
        }
    }
}
