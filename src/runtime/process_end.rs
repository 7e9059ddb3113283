//! The end of the process: a warning for each pool that has accepted tasks which have not run, and the
//! statistics of pools that were never shut down, if they are asked for.
//!
//! A pool in a static is never dropped. When `main` returns or `exit` is called, the threads of the pool end
//! wherever they are, and its tasks are lost. The warning is a line on standard error. The thread that ends
//! the process writes it, while all other threads still run. Guarded by `tests/process_global.rs`.

use std::env;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::unwind;
use crate::runtime::metrics::PoolStats;
use crate::runtime::pool_kind::PoolKind;
use crate::runtime::report::{self, AtEnd};
use crate::sys::exit;
use crate::task::owners;

/// If this environment variable is `0`, no pool warns.
const VARIABLE: &str = "LONGSHORE_EXIT_WARNING";

/// Has the end of the process look at all pools.
pub fn watch() {
    static IS_WATCHED: AtomicBool = AtomicBool::new(false);

    // Relaxed: only one thread may register the function, and nothing else depends on the flag.
    if !IS_WATCHED.swap(true, Ordering::Relaxed) {
        exit::call_at_exit(at_exit);
    }
}

/// Called by the thread that ends the process.
extern "C" fn at_exit() {
    // Not a panic, because it must not cross the boundary to C.
    let done = unwind::catch(|| owners::all().iter().for_each(|owner| owner.at_process_end()));
    if let Err(payload) = done {
        unwind::drop_silently(payload);
    }
}

/// Prints the statistics if the environment asks for it, once for each pool.
pub fn print_if_asked<M: PoolKind>(shared: &M) {
    if shared.config.at_end == AtEnd::Print && shared.metrics.reports.add_shared(1) == 0 {
        report::print(&shared.stats());
    }
}

/// Writes the warning, if there is something to warn of.
pub fn warn(stats: &PoolStats) {
    let PoolStats { name, waiting, running, .. } = stats;
    if waiting + running == 0 || env::var_os(VARIABLE).is_some_and(|value| value == "0") {
        return;
    }
    let _ = writeln!(
        io::stderr().lock(),
        "longshore: the process ends before the tasks of the pool \"{name}\" ({waiting} have not started, \
         {running} are running); `shutdown` or `wait_idle` at the end of `main` waits for them"
    );
}
