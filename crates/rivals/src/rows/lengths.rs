//! How long a task must be before one producer keeps all workers busy: efficiency by length of task.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::ideal::{parallelism, side_by_side};
use super::{Metric, ROW, Row, Setup, higher, sweep};
use crate::ledger::{self, Expected};
use crate::outcome::{Failure, Ready, figures, warmed};
use crate::pools::{Execute, SIDE_BY_SIDE, TO_IDEAL, executing, leak};
use crate::work::{iterations_per_us, spin};

/// Microseconds of work that a pass does in all.
const WORK_US: f64 = 200_000.0;

/// The most tasks of a pass.
const MOST: f64 = 1_000_000.0;

const METRICS: &[Metric] = &[higher("share", "share of the ideal")];

const BASE: Row = Row {
    id: "length-1us",
    title: "Efficiency with tasks of 1 us from one producer",
    metrics: METRICS,
    not_shown: "The share that sequential time through workers (or cores) has in the time taken. The producer \
                needs a core as well while it submits, which keeps the shortest tasks far from 1. \
                `side-by-side` shows what the machine makes of it when all cores work: each thread does the whole work by \
                itself, without a pool and without a producer.",
    only: Some(TO_IDEAL),
    sweep: sweep("length", "us per task", 1.0),
    prepare: |setup, name| prepare(setup, name, 1.0),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        id: "length-0.1us",
        title: "Efficiency with tasks of 0.1 us from one producer",
        sweep: sweep("length", "us per task", 0.1),
        prepare: |setup, name| prepare(setup, name, 0.1),
        ..BASE
    },
    BASE,
    Row {
        id: "length-10us",
        title: "Efficiency with tasks of 10 us from one producer",
        sweep: sweep("length", "us per task", 10.0),
        prepare: |setup, name| prepare(setup, name, 10.0),
        ..BASE
    },
    Row {
        id: "length-100us",
        title: "Efficiency with tasks of 100 us from one producer",
        sweep: sweep("length", "us per task", 100.0),
        prepare: |setup, name| prepare(setup, name, 100.0),
        ..BASE
    },
    Row {
        id: "length-1000us",
        title: "Efficiency with tasks of 1,000 us from one producer",
        sweep: sweep("length", "us per task", 1000.0),
        prepare: |setup, name| prepare(setup, name, 1000.0),
        ..BASE
    },
];

fn prepare(setup: Setup, name: &str, length_us: f64) -> Ready {
    if name == SIDE_BY_SIDE {
        return machine(setup, length_us);
    }
    executing!(name, R => efficiency::<R>(setup, length_us))
}

/// How many tasks of this length make a pass.
fn tasks(length_us: f64) -> u64 {
    (WORK_US / length_us).min(MOST) as u64
}

/// How long one thread takes for all of them.
fn sequential(tasks: u64, iterations: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..tasks {
        black_box(spin(iterations));
    }
    start.elapsed()
}

/// How near to the ideal the machine comes without any pool.
fn machine(setup: Setup, length_us: f64) -> Ready {
    let tasks = setup.scale.of(tasks(length_us));
    let iterations = (length_us * iterations_per_us()) as u64;
    warmed(tasks, move || {
        let before = sequential(tasks, iterations);
        let taken = side_by_side(setup.workers, tasks, |number| {
            black_box(spin(iterations));
            number
        })?;
        let after = sequential(tasks, iterations);
        figures(taken, [("share", (before + after).as_secs_f64() / 2.0 / taken.as_secs_f64())])
    })
}

/// Tasks of one length from one producer.
pub fn efficiency<R: Execute>(setup: Setup, length_us: f64) -> Ready {
    let tasks = tasks(length_us);
    let pool = leak::<R>(setup.workers, tasks)?;
    let tasks = setup.scale.of(tasks);
    let iterations = (length_us * iterations_per_us()) as u64;
    let expected = Expected::of(0..tasks);
    let pass = move || -> Result<Duration, Failure> {
        let mark = ledger::mark();
        let start = Instant::now();
        for number in 0..tasks {
            pool.execute(move || {
                black_box(spin(iterations));
                ledger::enter(number);
            });
        }
        Ok(mark.wait(expected, start)?.duration_since(start))
    };
    warmed(tasks, move || {
        let before = sequential(tasks, iterations);
        let taken = pass()?;
        let after = sequential(tasks, iterations);
        let ideal = (before + after).as_secs_f64() / 2.0 / parallelism::<R>(setup.workers) as f64;
        figures(taken, [("share", ideal / taken.as_secs_f64())])
    })
}
