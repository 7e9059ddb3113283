//! Stopping: the first SIGINT, SIGTERM or SIGHUP asks the program to stop, the second ends it.
//!
//! - **The first** is handed to the program, which finishes what it has begun, reports, and exits. A batch
//!   program whose work is incomplete then has the status 128 and the signal's number, a service that has
//!   stopped in good order has 0.
//! - **The second** ends the process, at once: temporary files are removed if that takes no more than
//!   [`LAST_TOUCH`], and the status is 128 and the number of the second signal. Neither a file system that
//!   hangs nor a full pipe delays it.
//! - **A signal that was ignored when the program started stays ignored**, each on its own: `nohup` protects
//!   from SIGHUP alone, and a background job of a shell script is not stopped by the Ctrl-C that ends the
//!   script.
//!
//! A file that reaches the limit of its size (`ulimit -f`) ends nothing: writing it fails.
//!
//! Where there are no such signals, Ctrl-C is the only one.
//!
//! ```no_run
//! use std::sync::atomic::{AtomicBool, Ordering};
//!
//! use longshore_cli::end::Status;
//! use longshore_cli::signals;
//!
//! static STOP: AtomicBool = AtomicBool::new(false);
//!
//! let signals = signals::listen("program", |_| STOP.store(true, Ordering::Relaxed))?;
//! let mut left = 1_000;
//! while left > 0 && !STOP.load(Ordering::Relaxed) {
//!     left -= 1;
//! }
//! let status = match signals.first() {
//!     Some(signal) if left > 0 => Status::stopped_by(signal),
//!     _ => Status::DONE,
//! };
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(not(unix))]
#[path = "other.rs"]
mod system;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;

use std::fmt;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::output;
use crate::print::complain;

/// How long the removal of temporary files may delay the end at the second signal.
pub const LAST_TOUCH: Duration = Duration::from_millis(200);

/// A signal that asks a program to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: kill(1), and every supervisor of services.
    Terminate,
}

impl Signal {
    /// All of them.
    pub const ALL: [Signal; 3] = [Signal::HangUp, Signal::Interrupt, Signal::Terminate];

    /// Its number, which POSIX fixes.
    pub const fn number(self) -> u8 {
        match self {
            Signal::HangUp => 1,
            Signal::Interrupt => 2,
            Signal::Terminate => 15,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signal::HangUp => "SIGHUP",
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        })
    }
}

/// What has come so far.
#[derive(Clone, Debug)]
pub struct Signals {
    first: Arc<OnceLock<Signal>>,
}

impl Signals {
    /// The first one, if there was any. It is set before the program is told.
    pub fn first(&self) -> Option<Signal> {
        self.first.get().copied()
    }
}

/// From now on the first signal calls `on_first`, on a thread of its own, and the second ends the process.
/// The user is told so at the first, on standard error.
///
/// `on_first` must not wait for anything: the second signal is looked at when it has returned.
///
/// # Errors
/// The system gives no thread or no pipe.
pub fn listen(program: &'static str, on_first: impl FnOnce(Signal) + Send + 'static) -> io::Result<Signals> {
    let signals = Signals { first: Arc::default() };
    let first = signals.first.clone();
    let mut on_first = Some(on_first);
    system::listen(move |signal| match on_first.take() {
        Some(on_first) => {
            let _ = first.set(signal);
            on_first(signal);
            tell(program, signal);
            Next::More
        }
        None => {
            remove_temporaries();
            Next::End
        }
    })?;
    Ok(signals)
}

/// What the handler of a signal wants.
enum Next {
    /// To be called again.
    More,
    /// The end of the process.
    End,
}

/// Tells the user what happens, on another thread: standard error may be a pipe that is full.
fn tell(program: &'static str, signal: Signal) {
    let text = format!("{signal}: finishing what has begun; again, and the program ends at once");
    // Without a thread there is no message, which nothing depends on.
    let _ = thread::Builder::new().name("signal-note".into()).spawn(move || complain(program, &text));
}

/// Removes the temporary files, unless the file system takes too long.
fn remove_temporaries() {
    let (done, removed) = mpsc::channel::<()>();
    let remover = thread::Builder::new().name("signal-end".into()).spawn(move || {
        output::abandon();
        drop(done);
    });
    if remover.is_ok() {
        // An error when it is done, and when the time is up.
        let _ = removed.recv_timeout(LAST_TOUCH);
    }
}

/// Ends the process without running anything else of it.
#[cfg(not(unix))]
fn end(signal: Signal) -> ! {
    std::process::exit(i32::from(crate::end::Status::stopped_by(signal).code()))
}
