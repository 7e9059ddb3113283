//! Detects that this process is a fork of the process that built a pool.
//!
//! A forked child has a copy of the pool but none of its workers: tasks submitted there would never run, and
//! a wait for them would hang. A pool stores the [`generation`] in which it was built, and refuses work in
//! any other.
//!
//! Not detected is a child made without libc's `fork` and its handlers: by `vfork` or `posix_spawn`, which
//! may only exec anyway, and by a raw `clone(2)` system call or glibc's `_Fork`, whose callers are
//! responsible themselves.
//!
//! The counter belongs to the process. Any thread reads it, on the hot path of a submission. Only the handler
//! in a new child writes it, while the child's single thread has not yet returned from `fork`. Guarded by the
//! unit tests here and by `tests/process_fork.rs`.

use std::sync::atomic::{AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that differs between this process and each of its ancestors, back to the first process that
/// called [`register`]. Always 0 on a system without `fork`.
///
/// Compare it for equality only, because one fork may be counted more than once.
#[inline]
pub fn generation() -> u32 {
    // Relaxed: in the child the handler ran on this thread, or on a thread that started it, before `fork`
    // returned. In the parent the value never changes.
    GENERATION.load(Ordering::Relaxed)
}

/// Counts forks from now on. Returns `false` only if libc was out of memory; the next call then tries again.
/// Later calls are cheap.
#[cfg(all(unix, not(miri)))]
pub fn register() -> bool {
    use std::sync::atomic::AtomicBool;

    static REGISTERED: AtomicBool = AtomicBool::new(false);

    // A flag instead of a `Once`: if another thread forks while a `Once` runs, the child's copy of it never
    // completes, and building a pool in that child would hang. With a flag, a race can at worst install the
    // handler twice. Then each fork counts twice, which changes no comparison. Acquire pairs with the Release
    // below: the handler is installed.
    if REGISTERED.load(Ordering::Acquire) {
        return true;
    }
    // SAFETY: the handler is an `extern "C"` function that cannot unwind and exists as long as this code is
    // loaded. It only does one atomic addition, which is async-signal-safe, as a forked child requires.
    let registered = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) } == 0;
    if registered {
        // Release pairs with the Acquire above: a thread that sees the flag finds the handler installed.
        REGISTERED.store(true, Ordering::Release);
    }
    registered
}

/// Does nothing, because this system has no `fork`. Returns `true`.
#[cfg(not(all(unix, not(miri))))]
pub fn register() -> bool {
    true
}

/// Runs in the child before `fork` returns there. It must do nothing else: the child of a process with
/// several threads has copies of locks whose owners do not exist.
#[cfg(all(unix, not(miri)))]
extern "C" fn count_fork() {
    // Wraps after 2^32 nested forks, each a generation deeper than the last.
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[cfg(all(test, unix, not(miri)))]
mod tests {
    use std::thread;

    use super::*;

    /// Runs `body` in a forked child and returns its result. The child of a test process with many threads
    /// may only do what is async-signal-safe, so `body` may neither allocate nor panic.
    fn in_child(body: impl FnOnce() -> u8) -> u8 {
        // SAFETY: the child calls only `body`, which is async-signal-safe, and ends with `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = body();
            // SAFETY: the call has no preconditions. It skips the exit handlers, which belong to the parent.
            unsafe { libc::_exit(code.into()) };
        }
        wait_for(child).unwrap_or(u8::MAX)
    }

    /// The exit code of a child; async-signal-safe.
    fn wait_for(child: libc::pid_t) -> Option<u8> {
        let mut status = 0;
        // SAFETY: `status` is a valid, exclusively borrowed int that the call may write.
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
