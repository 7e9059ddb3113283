//! Threads of the library that run no user code block all signals.
//!
//! The operating system gives a signal that is sent to the process to any thread that does not block it. A
//! program that waits for signals on its main thread (`sigwait`, or a system call that a signal interrupts)
//! would miss those that a helper thread of the library gets. A thread inherits the signals that its creator
//! blocks, so the creator blocks all of them around the start of the helper.
//!
//! Workers run the program's code and have the mask of the thread that has built the pool ([`SignalMask`]),
//! also those that a helper starts.
//!
//! No state. Called by the thread that starts a helper thread, by the thread that builds a pool, and by each
//! worker's thread. Guarded by the unit test here and by `tests/process_environment.rs`.

use crate::base::debug::impl_debug;

/// Calls `start`, which starts threads, while the calling thread blocks all signals.
pub fn with_all_blocked<R>(start: impl FnOnce() -> R) -> R {
    #[cfg(unix)]
    let _restored = unix::Blocked::begin();
    start()
}

/// The signals that a thread blocks. `None` if the system has no such mask, or does not tell it.
#[derive(Clone, Copy)]
pub struct SignalMask {
    #[cfg(unix)]
    mask: Option<libc::sigset_t>,
}

impl_debug! { SignalMask {} }

impl SignalMask {
    /// The mask of the calling thread.
    pub fn of_current_thread() -> Self {
        SignalMask {
            #[cfg(unix)]
            mask: unix::exchange(None),
        }
    }

    /// Gives the calling thread this mask.
    pub fn apply_to_current_thread(&self) {
        #[cfg(unix)]
        if let Some(mask) = &self.mask {
            unix::exchange(Some(mask));
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::mem::MaybeUninit;
    use std::ptr;

    /// Gives the calling thread the mask `new`, if there is one. Returns the mask before, if the system tells
    /// it.
    pub fn exchange(new: Option<&libc::sigset_t>) -> Option<libc::sigset_t> {
        let mut before = MaybeUninit::uninit();
        let new = new.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: `new` is null, which changes nothing, or valid for reads; `before` is valid for writes.
        let result = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, new, before.as_mut_ptr()) };
        // SAFETY: the call has succeeded, so it has written the mask.
        (result == 0).then(|| unsafe { before.assume_init() })
    }

    /// The calling thread blocks all signals until this is dropped on it.
    pub struct Blocked {
        before: libc::sigset_t,
    }

    impl Blocked {
        /// `None` if the system refuses; the helper then has the mask of its creator.
        pub fn begin() -> Option<Self> {
            let mut all = MaybeUninit::uninit();
            // SAFETY: the pointer is valid for writes.
            unsafe { libc::sigfillset(all.as_mut_ptr()) };
            // SAFETY: the call above has initialised the set.
            let all = unsafe { all.assume_init() };
            exchange(Some(&all)).map(|before| Blocked { before })
        }
    }

    impl Drop for Blocked {
        fn drop(&mut self) {
            exchange(Some(&self.before));
        }
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    /// The blocked signals of the calling thread, as Linux reports them.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("Linux reports it");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("it is reported");
        u64::from_str_radix(mask.trim(), 16).expect("a hexadecimal number")
    }

    #[test]
    fn a_thread_that_is_started_inside_blocks_all_signals() {
        let before = blocked();
        let mask = SignalMask::of_current_thread();
        let helper = move || (blocked(), mask.apply_to_current_thread(), blocked());
        let (inside, (), as_worker) =
            with_all_blocked(|| std::thread::spawn(helper)).join().expect("a thread");
        assert_eq!(as_worker, before, "what it starts for the program has the program's mask");
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGALRM, libc::SIGCHLD] {
            assert_ne!(inside & 1 << (signal - 1), 0, "signal {signal} in {inside:x}");
        }
        assert_eq!(blocked(), before, "the caller's mask is restored");
    }
}
