//! Detects that this process is a fork of the one that built a pool.
//!
//! Owner: this module; one counter for the whole process.
//! Threads: read by any thread on the hot path of submitting; written only in a child just forked, by the
//! handler, while that child's one thread has not yet returned from `fork`.
//!
//! A child has a copy of the pool but none of its workers: tasks submitted there would never run, and
//! waiting for them would hang. A pool remembers the [`generation`] it was built in and refuses work in any
//! other.
//!
//! Not seen is a child made past libc's `fork` and its handlers: by `vfork` or `posix_spawn`, which may do
//! nothing but exec anyway, and by a raw `clone(2)` system call or glibc's `_Fork`, whose callers are on
//! their own.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that differs between this process and every process it was forked from, back to the first that
/// called [`register`]; always 0 where there is no `fork`.
///
/// Compare for equality only: one fork may count more than once.
#[inline]
pub fn generation() -> u32 {
    // Relaxed: in the child, the handler ran on this very thread (or on the one that started it) before
    // `fork` returned; in the parent the value never changes.
    GENERATION.load(Ordering::Relaxed)
}

/// Has forks counted from now on; whether that is so. Cheap when called again.
///
/// `false` only if libc was out of memory, and then the next call tries again.
#[cfg(all(unix, not(miri)))]
pub fn register() -> bool {
    use std::sync::atomic::AtomicBool;

    static REGISTERED: AtomicBool = AtomicBool::new(false);

    // A flag rather than a `Once`: if some other thread forks while a `Once` runs, the child's copy of it
    // runs for ever, and building a pool in that child would hang. Here the worst that a race does is to
    // install the handler twice, which counts each fork twice and harms no comparison.
    if REGISTERED.load(Ordering::Acquire) {
        return true;
    }
    // SAFETY: the handler is an `extern "C"` function that cannot unwind, lives as long as this code is
    // loaded, and does nothing but one atomic addition, which is async-signal-safe as a child requires.
    let registered = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) } == 0;
    if registered {
        // Release, so that whoever sees the flag also has the handler behind it.
        REGISTERED.store(true, Ordering::Release);
    }
    registered
}

/// Has forks counted from now on; whether that is so. There is nothing to count here: `true`.
#[cfg(not(all(unix, not(miri))))]
pub fn register() -> bool {
    true
}

/// Runs in the child, before `fork` returns there. Nothing else may be done here: the child of a process
/// with several threads holds copies of locks whose owners do not exist.
#[cfg(all(unix, not(miri)))]
extern "C" fn count_fork() {
    // Wraps after 2^32 nested forks, each a generation deeper than the last.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(all(test, unix, not(miri)))]
mod tests {
    use std::thread;

    use super::*;

    /// Runs `body` in a forked child and returns what it returned. The child of a test process with many
    /// threads may only do what is async-signal-safe, so `body` may neither allocate nor panic.
    fn in_child(body: impl FnOnce() -> u8) -> u8 {
        // SAFETY: the child calls only `body`, under the rule above, and leaves with `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = body();
            // SAFETY: always sound; skips the exit handlers of the process this was forked from.
            unsafe { libc::_exit(code.into()) };
        }
        wait_for(child).unwrap_or(u8::MAX)
    }

    /// The exit code of a child; async-signal-safe.
    fn wait_for(child: libc::pid_t) -> Option<u8> {
        let mut status = 0;
        // SAFETY: `status` is an int on this stack that the call may write.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        if child <= 0 || waited != child || !libc::WIFEXITED(status) {
            return None;
        }
        u8::try_from(libc::WEXITSTATUS(status)).ok()
    }

    #[test]
    fn a_child_sees_another_generation_and_its_parent_the_same() {
        assert!(register());
        let before = generation();
        let code = in_child(|| if generation() == before { 1 } else { 42 });
        assert_eq!(code, 42);
        assert_eq!(generation(), before);
    }

    #[test]
    fn a_grandchild_differs_from_both() {
        assert!(register());
        let first = generation();
        let code = in_child(|| {
            let second = generation();
            in_child(|| {
                let third = generation();
                if third == first || third == second { 1 } else { 43 }
            })
        });
        assert_eq!(code, 43);
    }

    #[test]
    fn a_child_can_register_again() {
        assert!(register());
        assert_eq!(in_child(|| if register() { 44 } else { 1 }), 44);
    }

    #[test]
    fn a_fork_from_any_thread_counts() {
        assert!(register());
        let before = generation();
        let codes: Vec<u8> = thread::scope(|scope| {
            let fork = || in_child(|| if generation() == before { 1 } else { 45 });
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(fork)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        assert_eq!(codes, [45; 4]);
    }
}
