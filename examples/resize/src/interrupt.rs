//! Ctrl-C: the first lets what has begun come to its end, the second ends the program.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use longshore::CancelToken;

use crate::{INTERRUPTED, report, save};

/// Whether Ctrl-C has been pressed. The handler runs in a thread of its own.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on Ctrl-C cancels `stop`.
    pub fn listen(stop: &CancelToken) -> Interrupt {
        let pressed = Arc::new(AtomicBool::new(false));
        let interrupt = Interrupt(Arc::clone(&pressed));
        let stop = stop.clone();
        let handler = move || {
            // Relaxed: the flag decides about the exit status alone, which is read after the cancellation that follows
            // has been seen, or on behalf of nobody.
            if pressed.swap(true, Ordering::Relaxed) {
                save::abandon();
                process::exit(INTERRUPTED.into());
            }
            stop.cancel();
            report::complain("finishing the images that have begun; press Ctrl-C again to end at once");
        };
        match ctrlc::try_set_handler(handler) {
            // Whoever started the program has it ignore Ctrl-C, as shells do in the background.
            Ok(()) | Err(ctrlc::Error::MultipleHandlers) => {}
            Err(error) => report::complain(&format!("Ctrl-C will end the program at once: {error}")),
        }
        interrupt
    }

    /// Whether it has been pressed.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed) // see `listen`
    }
}
