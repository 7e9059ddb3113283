//! The watchdog: ends the process, with a report, if a test hangs.

use std::fmt;
use std::io::{self, Write};
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use longshore::AnyPool;

/// Describes the state of a pool, if it still exists.
type Look = Box<dyn Fn() -> Option<String> + Send>;

type Watched = Arc<Mutex<Vec<Look>>>;

/// Aborts the process unless it is dropped in time.
pub struct Watchdog {
    pools: Watched,
    off: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A watchdog that lets test `name` run for at most `limit`.
pub fn watchdog(name: &str, limit: Duration) -> Watchdog {
    let pools = Watched::default();
    let (off, switched_off) = mpsc::channel::<()>();
    let (name, seen) = (name.to_owned(), pools.clone());
    let thread = thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            if switched_off.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                bark(&name, limit, &seen);
            }
        })
        .expect("the watchdog starts");
    Watchdog { pools, off: Some(off), thread: Some(thread) }
}

impl Watchdog {
    /// Adds the statistics of `pool` to the report. Does not keep the pool alive.
    pub fn watch(&self, pool: &Arc<impl AnyPool>) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = Arc::downgrade(pool);
        pools.push(Box::new(move || pool.upgrade().map(|pool| format!("{:#?}\n{pool:#?}", pool.stats()))));
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchdog").finish_non_exhaustive()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.off.take());
        // Joined, so that it is not counted among the threads of the test that follows.
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the watchdog does not panic");
        }
    }
}

fn bark(name: &str, limit: Duration, pools: &Watched) -> ! {
    // Not `eprintln`, because the harness captures that and never shows it when the process aborts.
    let _ = writeln!(io::stderr(), "\nWATCHDOG: {name} hangs after {limit:?}");
    for report in pools.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(|look| look()) {
        let _ = writeln!(io::stderr(), "{report}");
    }
    dump_process(process::id());
    process::abort();
}

/// Prints the stacks of all threads of a process, if there is a debugger.
pub fn dump_process(id: u32) {
    let id = id.to_string();
    let mut gdb = Command::new("gdb");
    // It writes to the same output itself: a process that it holds, such as this one, cannot copy its text.
    gdb.args(["-p", id.as_str(), "-batch", "-ex", "thread apply all bt 24"])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let _ = gdb.status();
}
