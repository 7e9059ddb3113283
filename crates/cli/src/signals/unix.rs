//! The three signals of POSIX systems: handlers that write to a pipe, and a thread that reads it.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::{Next, Signal};
use crate::end::Status;

/// Calls `on_signal` for each signal, on one thread; ends the process when that is asked for.
pub fn listen(mut on_signal: impl FnMut(Signal) -> Next + Send + 'static) -> io::Result<()> {
    outlive_large_files();
    let heard: Vec<Signal> = Signal::ALL.into_iter().filter(|signal| !is_ignored(*signal)).collect();
    // Before any other handler: from the first one on the system does not end the process any more, and a
    // signal that only the other kind of handler saw would be lost.
    let mut incoming = Signals::new(heard.iter().map(|signal| number(*signal)))?;
    // Set while the thread is at the second signal: a third then ends the process inside of the handler.
    let is_ending = Arc::new(AtomicBool::new(false));
    // How many signals have arrived. The thread may be at the second signal before the handler of that same
    // signal comes here, so the flag alone does not tell the second from the third.
    let arrived = Arc::new(AtomicUsize::new(0));
    for signal in &heard {
        let status = i32::from(Status::stopped_by(*signal).code());
        let (is_ending, arrived) = (Arc::clone(&is_ending), Arc::clone(&arrived));
        let end_at_the_third = move || {
            if arrived.fetch_add(1, Ordering::SeqCst) >= 2 && is_ending.load(Ordering::SeqCst) {
                low_level::exit(status);
            }
        };
        // SAFETY: a signal handler may do what this does: two atomic operations, and `_exit`. It cannot
        // panic.
        unsafe { low_level::register(number(*signal), end_at_the_third)? };
    }
    thread::Builder::new().name("signals".into()).spawn(move || {
        let mut is_first = true;
        for incoming in incoming.forever() {
            let Some(signal) = Signal::ALL.into_iter().find(|signal| number(*signal) == incoming) else {
                continue;
            };
            // SeqCst, as the handler reads it; nothing else is published by it.
            is_ending.store(!is_first, Ordering::SeqCst);
            is_first = false;
            if let Next::End = on_signal(signal) {
                // Not `exit`: that would run what other threads still use, and wait for locks that they hold.
                low_level::exit(i32::from(Status::stopped_by(signal).code()));
            }
        }
    })?;
    Ok(())
}

/// A file that has reached the limit of its size (`ulimit -f`) is from now on an error of the call that
/// writes it, as a full disk is. By default it would end the process, and leave temporary files.
fn outlive_large_files() {
    // SAFETY: no handler is installed; the signal is a valid number.
    // Where it cannot be ignored the process ends as it would have.
    let _ = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn number(signal: Signal) -> i32 {
    i32::from(signal.number())
}

/// Whether the process was started with this signal ignored.
fn is_ignored(signal: Signal) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the signal is a valid number; no action is set, because the second argument is null; the third
    // points to memory of the right type, which the call fills.
    let result = unsafe { libc::sigaction(number(signal), ptr::null(), action.as_mut_ptr()) };
    // SAFETY: it was filled if the call succeeded.
    result == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
