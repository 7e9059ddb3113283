//! A burst upon a pool at rest: how soon does one that grows have the workers that it needs, and how soon are
//! they gone?

use std::thread;
use std::time::{Duration, Instant};

use super::{ROW, Row, Setup, lower};
use crate::ledger::{self, Expected};
use crate::outcome::{Failure, Ready, figures, warmed};
use crate::pools::optional::IDLE_TIMEOUT;
use crate::pools::{BURST, Execute, bursting, leak};

const TASKS: u64 = 1000;

/// How long each blocks its worker.
const LENGTH: Duration = Duration::from_millis(10);

/// How long a pool rests before a burst, so that its workers sleep.
const REST: Duration = Duration::from_millis(50);

/// How often one looks whether a pool has shrunk.
const LOOK: Duration = Duration::from_millis(1);

/// For how many idle timeouts one looks before one says that it does not.
const STUCK: u32 = 100;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    id: "burst",
    title: "1,000 tasks that sleep for 10 ms come at once upon a pool at rest, of 32 threads or of 1 to 32 (`-elastic`, `-eager`)",
    metrics: &[
        lower("ms", "ms until all have run"),
        lower("timeouts", "idle timeouts until 1 worker is left"),
    ],
    workers: Some(32),
    only: Some(BURST),
    base: Some("push"),
    not_shown: "The tasks need no core, so 32 threads would take 320 ms at best (32 rounds, the last not full), and growth is \
                seen without the contention that it brings to tasks that compute. The elastic pools have one worker when the \
                burst comes, and an idle timeout of 100 ms; the second figure counts from the end of the last task and \
                exists for them alone. `rusty_pool` looks whether it should grow when a task is \
                submitted and at no other time. A thread for each task (`std-thread`) would beat all pools here, at the price of \
                1,000 threads, and is left out.",
    prepare: |setup, name| bursting!(name, R => burst::<R>(setup)),
    ..ROW
}];

#[allow(clippy::disallowed_methods, reason = "tasks that sleep are the subject")]
fn burst<R: Execute>(setup: Setup) -> Ready {
    if R::IN_PLACE {
        return Err(Failure::NotOffered);
    }
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    until_small(pool)?;
    warmed(tasks, move || {
        thread::sleep(REST);
        let mark = ledger::mark();
        let start = Instant::now();
        for number in 0..tasks {
            pool.execute(move || {
                thread::sleep(LENGTH);
                ledger::enter(number);
            });
        }
        let end = mark.wait(Expected::of(0..tasks), start)?;
        let elapsed = end.duration_since(start);
        let ms = ("ms", elapsed.as_secs_f64() * 1000.0);
        match until_small(pool)? {
            Some(small) => {
                let timeouts = small.duration_since(end).as_secs_f64() / IDLE_TIMEOUT.as_secs_f64();
                figures(elapsed, [ms, ("timeouts", timeouts)])
            }
            None => figures(elapsed, [ms]),
        }
    })
}

/// Waits until a pool that changes its size has one worker; the moment at which that was seen.
#[allow(clippy::disallowed_methods, reason = "the pause between two looks must not depend on the pool")]
fn until_small<R: Execute>(pool: &R) -> Result<Option<Instant>, Failure> {
    let start = Instant::now();
    while let Some(size) = pool.size() {
        if size == 1 {
            return Ok(Some(Instant::now()));
        }
        if start.elapsed() > IDLE_TIMEOUT * STUCK {
            return Err(Failure::Wrong(format!("{size} workers after {STUCK} idle timeouts instead of one")));
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}
