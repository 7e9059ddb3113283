//! What the test binaries share: pools under a watchdog, gates that hold workers, counters of runs and drops,
//! the names of this process's threads, and scenarios in processes of their own.
//!
//! `LONGSHORE_STRESS=n` multiplies the amounts of the stress tests (`.ci/run` uses 1).
//! `LONGSHORE_TEST_SEED=n` repeats a random test with the seed that it has printed.

#![allow(dead_code, unused_imports, reason = "every test binary has a copy and uses its own part of it")]

mod at_exit;
pub mod audit;
pub mod child;
mod counting;
mod gate;
mod rig;
mod system;
mod watchdog;

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use at_exit::at_thread_exit;
pub use counting::{Census, Hits, Tracked};
pub use gate::{Gate, Visitor};
pub use rig::{AnyRig, HasPool, Rig, assert_quiescent, wait_for_started_workers};
#[cfg(unix)]
pub use system::{cpu_time, resident_memory};
pub use system::{thread_count, thread_names};
pub use watchdog::{Watchdog, dump_process, watchdog};

/// How long a test waits for an event before it counts as hung. Far longer than a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// `amount` times `LONGSHORE_STRESS`, which may be less than 1 on a slow machine. Never 0.
pub fn scaled(amount: usize) -> usize {
    let factor =
        env::var("LONGSHORE_STRESS").map_or(1.0, |n| n.parse::<f64>().expect("LONGSHORE_STRESS is a number"));
    ((amount as f64 * factor).ceil() as usize).max(1)
}

/// The seed of a random test, printed: the harness shows it if the test fails.
pub fn seed() -> u64 {
    let seed = match env::var("LONGSHORE_TEST_SEED") {
        Ok(seed) => seed.parse().expect("LONGSHORE_TEST_SEED is a number"),
        Err(_) => RandomState::new().hash_one(0),
    };
    println!("LONGSHORE_TEST_SEED={seed}");
    seed
}

/// Random number generator `stream` of a test.
pub fn rng(seed: u64, stream: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Waits until `condition` holds. Fails the test after [`PATIENCE`]. For events that cannot be awaited in
/// another way.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        // Yields the core to the awaited threads, which might not get it otherwise if there is only one.
        thread::park_timeout(pause);
        pause = (pause * 5 / 4).min(Duration::from_millis(3));
    }
}

/// Lets time pass, in tests about time: how long a task takes, or what happens while there is no work.
#[allow(clippy::disallowed_methods, reason = "for tests about time; all others wait for events")]
pub fn let_time_pass(time: Duration) {
    thread::sleep(time);
}

/// Panics without the message and backtrace of the panic hook, thousands of which would fill the log.
pub fn quiet_panic(payload: impl std::any::Any + Send) -> ! {
    std::panic::resume_unwind(Box::new(payload))
}

/// The message of a payload made by `panic!` or by [`quiet_panic`] with a text.
pub fn text(payload: &(dyn std::any::Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&'static str>().copied()).unwrap_or("not a text")
}
