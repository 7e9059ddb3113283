//! Ctrl-C where there are no signals of POSIX.

use std::io;
use std::sync::Mutex;

use super::{Next, Signal, end};

/// Calls `on_signal` at each Ctrl-C.
pub fn listen(on_signal: impl FnMut(Signal) -> Next + Send + 'static) -> io::Result<()> {
    let on_signal = Mutex::new(on_signal);
    ctrlc::try_set_handler(move || {
        let mut on_signal = on_signal.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Next::End = on_signal(Signal::Interrupt) {
            end(Signal::Interrupt);
        }
    })
    .map_err(io::Error::other)
}
