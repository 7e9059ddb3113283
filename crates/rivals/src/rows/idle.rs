//! What a pool costs when there is little or nothing to do: processor time for one empty task per
//! millisecond, and for none at all.

use std::thread;
use std::time::{Duration, Instant};

use super::{Metric, ROW, Row, Setup, lower};
use crate::ledger::{self, Expected};
use crate::outcome::{Outcome, Ready, figures, ready};
use crate::pools::{Execute, executing, leak};
use crate::process::cpu_time;

/// Milliseconds for which one measures.
const SPAN: u64 = 2000;

/// Tasks that a pool has done before it idles.
const BEFORE: u64 = 100_000;

const TICK: Duration = Duration::from_millis(1);

const METRICS: &[Metric] = &[lower("ms", "CPU ms per s")];

const TICKS: Row = Row {
    id: "ticks",
    title: "Processor time with one empty task per millisecond",
    metrics: METRICS,
    not_shown: "User and system time of the whole process, with the loop that submits (the figure of `none`). How \
                soon the tasks start is not seen here but in the rows about waking up.",
    prepare: |setup, name| executing!(name, R => ticks::<R>(setup)),
    ..ROW
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
        prepare: |setup, name| executing!(name, R => idle::<R>(setup)),
        ..TICKS
    },
];

/// CPU milliseconds per second while `work` lasts.
fn cpu_ms_per_s(work: impl FnOnce()) -> Outcome {
    let (start, used) = (Instant::now(), cpu_time()?);
    work();
    let (used, elapsed) = (cpu_time()? - used, start.elapsed());
    figures(elapsed, [("ms", used.as_secs_f64() * 1000.0 / elapsed.as_secs_f64())])
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

fn ticks<R: Execute>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, SPAN)?;
    let span = setup.scale.of(SPAN);
    let pass = move |span| {
        let mark = ledger::mark();
        let outcome = cpu_ms_per_s(|| tick(pool, 0..span));
        mark.wait(Expected::of(0..span), Instant::now())?;
        outcome
    };
    pass(span / 10)?;
    ready(span, move || pass(span))
}

#[allow(clippy::disallowed_methods, reason = "doing nothing for a while is the subject")]
fn idle<R: Execute>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, BEFORE)?;
    let tasks = setup.scale.of(BEFORE);
    let mark = ledger::mark();
    (0..tasks).for_each(|number| pool.execute(move || ledger::enter(number)));
    mark.wait(Expected::of(0..tasks), Instant::now())?;
    thread::sleep(Duration::from_millis(100));
    ready(1, move || cpu_ms_per_s(|| thread::sleep(Duration::from_millis(setup.scale.of(SPAN)))))
}
