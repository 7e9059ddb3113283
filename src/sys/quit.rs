//! SIGQUIT as a request: the signal that a terminal sends at `Ctrl-\` calls functions of the library, instead
//! of ending the process. Only if a program asks for it.
//!
//! The handler writes a byte into a pipe, which is all that a handler may do safely. A thread reads the pipe
//! and calls the functions. State: the pipe and the list, for the life of the process. Any thread registers.
//! Guarded by `tests/process_recording.rs`.

use std::sync::{Arc, Mutex, Weak};

use crate::base::facade::lock;

/// Told of the signal, on a thread of the library.
pub trait QuitTarget: Send + Sync {
    /// The signal has come.
    #[cfg_attr(not(unix), allow(dead_code, reason = "there is no such signal"))]
    fn quit(&self);
}

static TARGETS: Mutex<Vec<Weak<dyn QuitTarget>>> = Mutex::new(Vec::new());

/// Has `target` told of each SIGQUIT from now on, as long as it exists. Returns whether the system allows it:
/// `false` on a system without this signal.
pub fn register(target: &Arc<impl QuitTarget + 'static>) -> bool {
    let target: Arc<dyn QuitTarget> = target.clone();
    let mut targets = lock(&TARGETS);
    targets.retain(|target| target.strong_count() > 0);
    targets.push(Arc::downgrade(&target));
    drop(targets);
    install()
}

#[cfg(unix)]
fn tell_all() {
    let targets: Vec<_> = lock(&TARGETS).iter().filter_map(Weak::upgrade).collect();
    targets.iter().for_each(|target| target.quit());
}

#[cfg(unix)]
use unix::install;

#[cfg(not(unix))]
fn install() -> bool {
    false
}

#[cfg(unix)]
mod unix {
    use std::mem;
    use std::ptr;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI32, Ordering};
    use std::thread;

    use super::tell_all;
    use crate::sys::signals;

    /// The end of the pipe that the handler writes to; negative before the handler is installed.
    static WRITE_END: AtomicI32 = AtomicI32::new(-1);

    /// Installs the handler, once. Returns whether it is installed.
    pub fn install() -> bool {
        static IS_INSTALLED: OnceLock<bool> = OnceLock::new();
        *IS_INSTALLED.get_or_init(|| {
            let mut ends = [-1; 2];
            // SAFETY: the pointer is valid for the write of two descriptors.
            if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
                return false;
            }
            let [read_end, write_end] = ends;
            for end in ends {
                // SAFETY: the descriptor is open, and the command takes an integer.
                unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) };
            }
            // SAFETY: the descriptor is open, and the command takes an integer. A full pipe holds requests
            // enough, so the handler must not wait for room.
            unsafe { libc::fcntl(write_end, libc::F_SETFL, libc::O_NONBLOCK) };
            // Relaxed: the handler is installed after this by a system call of this thread.
            WRITE_END.store(write_end, Ordering::Relaxed);
            let reader = thread::Builder::new().name("longshore-quit".to_owned());
            signals::with_all_blocked(|| reader.spawn(move || read(read_end))).is_ok() && set_handler()
        })
    }

    fn set_handler() -> bool {
        // SAFETY: all bytes zero is a valid `sigaction`: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = on_quit as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: `action` is valid for reads, and the handler is a function of the right type that only does
        // what is async-signal-safe. The earlier action is not asked for.
        unsafe { libc::sigaction(libc::SIGQUIT, &raw const action, ptr::null_mut()) == 0 }
    }

    /// The handler.
    extern "C" fn on_quit(_: libc::c_int) {
        let byte = 0u8;
        // Relaxed: see `install`.
        let end = WRITE_END.load(Ordering::Relaxed);
        // SAFETY: the pointer is valid for the read of one byte. `write` is async-signal-safe. Whether it
        // succeeds does not matter: a full pipe holds requests already. (It may change `errno` only if it
        // fails.)
        unsafe { libc::write(end, (&raw const byte).cast(), 1) };
    }

    /// Calls the functions for each byte of the pipe, for as long as the process lives.
    fn read(end: i32) {
        let mut bytes = [0u8; 64];
        loop {
            // SAFETY: the buffer is valid for the write of its length.
            match unsafe { libc::read(end, bytes.as_mut_ptr().cast(), bytes.len()) } {
                1.. => tell_all(),
                0 => return,
                _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}
