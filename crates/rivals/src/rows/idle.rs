//! What a pool costs when there is little or nothing to do: processor time for one empty task per
//! millisecond, and for none at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Metric, ROW, Row, Setup, lower};
use crate::ledger::{self, Expected};
use crate::outcome::{Outcome, Ready, figures, ready};
use crate::pools::{Execute, executing, leak};
use crate::process::{cpu_time, cpu_time_of_thread};

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

const BESIDE: Row = Row {
    id: "beside-1-w8",
    title: "Processor time of the idle ones among 8 workers while one is busy",
    workers: Some(8),
    not_shown: "User and system time of the whole process without that of the busy tasks, each of which takes a \
                second. Includes what it costs to hand them over. With more busy tasks than cores the idle workers get \
                less to burn than they would on a larger machine.",
    prepare: |setup, name| executing!(name, R => beside::<R>(setup, 1)),
    ..TICKS
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
    BESIDE,
    Row {
        id: "beside-4-w8",
        title: "Processor time of the idle ones among 8 workers while 4 are busy",
        prepare: |setup, name| executing!(name, R => beside::<R>(setup, 4)),
        ..BESIDE
    },
    Row {
        id: "beside-1-w64",
        title: "Processor time of the idle ones among 64 workers while one is busy",
        workers: Some(64),
        ..BESIDE
    },
    Row {
        id: "beside-4-w64",
        title: "Processor time of the idle ones among 64 workers while 4 are busy",
        workers: Some(64),
        prepare: |setup, name| executing!(name, R => beside::<R>(setup, 4)),
        ..BESIDE
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

/// Runs `busy` tasks of a second, and counts what the rest of the process uses meanwhile.
#[allow(clippy::disallowed_methods, reason = "how long the tasks take is the subject")]
fn beside<R: Execute>(setup: Setup, busy: u64) -> Ready {
    let pool = leak::<R>(setup.workers, busy)?;
    let span = Duration::from_millis(setup.scale.of(SPAN / 2));
    let pass = move |span: Duration| {
        let used = Arc::new(AtomicU64::new(0));
        let (mark, start, before) = (ledger::mark(), Instant::now(), cpu_time()?);
        for number in 0..busy {
            let used = Arc::clone(&used);
            pool.execute(move || {
                let (begin, before) = (Instant::now(), cpu_time_of_thread());
                while begin.elapsed() < span {
                    std::hint::spin_loop();
                }
                if let (Ok(before), Ok(after)) = (before, cpu_time_of_thread()) {
                    used.fetch_add((after - before).as_nanos() as u64, Ordering::Relaxed);
                }
                ledger::enter(number);
            });
        }
        thread::sleep(span); // because the wait below looks again and again
        mark.wait(Expected::of(0..busy), Instant::now())?;
        let (all, elapsed) = (cpu_time()? - before, start.elapsed());
        let rest = all.saturating_sub(Duration::from_nanos(used.load(Ordering::Relaxed)));
        figures(elapsed, [("ms", rest.as_secs_f64() * 1000.0 / elapsed.as_secs_f64())])
    };
    pass(span / 10)?;
    ready(busy, move || pass(span))
}
