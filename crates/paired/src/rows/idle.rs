//! What a pool costs when there is little or nothing to do: processor time for one empty task per millisecond,
//! and for none at all.

use std::thread;
use std::time::{Duration, Instant};

use super::{Metric, Row, Setup, lower};
use crate::ledger::{self, Expected};
use crate::machine::cpu_time;
use crate::outcome::{Outcome, values};
use crate::rivals::{Execute, executing, leak};

/// Milliseconds for which one measures.
const SPAN: u64 = 2000;

const TICK: Duration = Duration::from_millis(1);

const METRICS: &[Metric] = &[lower("ms", "CPU ms per s")];

const TICKS: Row = Row {
    id: "ticks",
    title: "Processor time with one empty task per millisecond",
    metrics: METRICS,
    workers: None,
    not_shown: "User and system time of the whole process, with the loop that submits (the figure of `none`). How \
                soon the tasks start is not seen here but in the rows about waking up.",
    run: |setup, name| executing!(name, R => ticks::<R>(setup)),
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    TICKS,
    Row {
        id: "ticks-w16",
        title: "Processor time with one empty task per millisecond, 16 workers",
        workers: Some(16),
        ..TICKS
    },
    Row {
        id: "idle",
        title: "Processor time of a pool that has worked and now has nothing to do",
        not_shown: "Begins 100 ms after the last task: what a pool spins before it sleeps is not counted.",
        run: |setup, name| executing!(name, R => idle::<R>(setup)),
        ..TICKS
    },
];

/// CPU milliseconds per second while `work` lasts.
fn cpu_ms_per_s(work: impl FnOnce()) -> Outcome {
    let (start, used) = (Instant::now(), cpu_time()?);
    work();
    let used = cpu_time()? - used;
    values([("ms", used.as_secs_f64() * 1000.0 / start.elapsed().as_secs_f64())])
}

/// Submits a task at each tick, so many times.
#[allow(clippy::disallowed_methods, reason = "the rate of the tasks is the subject")]
fn tick<R: Execute>(pool: &'static R, numbers: std::ops::Range<u64>) {
    let start = Instant::now();
    for (number, nth) in numbers.zip(1..) {
        pool.execute(move || ledger::enter(number));
        thread::sleep((TICK * nth).saturating_sub(start.elapsed()));
    }
}

fn ticks<R: Execute>(setup: Setup) -> Outcome {
    let pool = leak::<R>(setup.workers)?;
    let (warm_up, span) = (setup.scale.of(SPAN) / 10, setup.scale.of(SPAN));
    let mark = ledger::mark();
    tick(pool, 0..warm_up);
    let outcome = cpu_ms_per_s(|| tick(pool, warm_up..warm_up + span));
    mark.wait(Expected::of(0..warm_up + span), Instant::now())?;
    outcome
}

#[allow(clippy::disallowed_methods, reason = "doing nothing for a while is the subject")]
fn idle<R: Execute>(setup: Setup) -> Outcome {
    let pool = leak::<R>(setup.workers)?;
    let tasks = setup.scale.of(100_000);
    let mark = ledger::mark();
    (0..tasks).for_each(|number| pool.execute(move || ledger::enter(number)));
    mark.wait(Expected::of(0..tasks), Instant::now())?;
    thread::sleep(Duration::from_millis(100));
    cpu_ms_per_s(|| thread::sleep(Duration::from_millis(setup.scale.of(SPAN))))
}
