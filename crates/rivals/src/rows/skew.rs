//! Skewed batches: tasks of Pareto length, compared with what the cores could do at best.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::ideal::{parallelism, side_by_side};
use super::{Metric, ROW, Row, Setup, lower};
use crate::ledger::{self, Expected};
use crate::outcome::{Failure, Ready, figures, warmed};
use crate::pools::{Execute, SIDE_BY_SIDE, TO_IDEAL, executing, leak};
use crate::work::{Random, iterations_per_us, spin};

const TASKS: u64 = 2000;

/// Microseconds of the middle task's work, in the arithmetic mean.
const MEAN_US: f64 = 50.0;

/// Pareto's alpha: a heavy tail with a finite mean.
const ALPHA: f64 = 1.5;

/// The longest task, in means: 2 ms, so that one task alone cannot decide how long a batch of 100 ms takes.
const LONGEST: f64 = 40.0;

const SEED: u64 = 20_261_121;

const METRICS: &[Metric] = &[lower("ratio", "makespan to ideal")];

const BASE: Row = Row {
    id: "skew-last",
    title: "2,000 tasks of Pareto length (mean 50 us, up to 2 ms), the longest last",
    metrics: METRICS,
    not_shown: "The ideal is the sequential time, measured in the same process before and after, through the number \
                of workers or cores, whichever is less. The tasks neither block nor use memory. `none` shows how well \
                the two measurements of the same work agree; its ideal is one core. `side-by-side` shows what the machine \
                makes of it when all cores work: each thread does the whole batch by itself, so no thread waits for a last task.",
    only: Some(TO_IDEAL),
    prepare: |setup, name| prepare(setup, name, Order::LongestLast),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    BASE,
    Row {
        id: "skew-shuffled",
        title: "2,000 tasks of Pareto length (mean 50 us, up to 2 ms), shuffled",
        prepare: |setup, name| prepare(setup, name, Order::Shuffled),
        ..BASE
    },
];

#[derive(Clone, Copy)]
enum Order {
    LongestLast,
    Shuffled,
}

/// The iterations of each task, always the same but for the machine's speed.
fn lengths(tasks: u64, order: Order) -> Vec<u64> {
    let mut random = Random::new(SEED);
    // Inverse of the distribution function, cut at the longest.
    let mut lengths: Vec<f64> = (0..tasks)
        .map(|_| random.fraction().powf(-1.0 / ALPHA).min(LONGEST * ALPHA / (ALPHA - 1.0)))
        .collect();
    match order {
        Order::LongestLast => lengths.sort_by(f64::total_cmp),
        Order::Shuffled => random.shuffle(&mut lengths),
    }
    let mean = lengths.iter().sum::<f64>() / tasks as f64;
    let scale = MEAN_US * iterations_per_us() / mean;
    lengths.iter().map(|length| (length * scale) as u64).collect()
}

/// How long one thread takes for all of them.
fn sequential(lengths: &[u64]) -> Duration {
    let start = Instant::now();
    for &length in lengths {
        black_box(spin(length));
    }
    start.elapsed()
}

fn prepare(setup: Setup, name: &str, order: Order) -> Ready {
    if name == SIDE_BY_SIDE {
        return machine(setup, order);
    }
    executing!(name, R => skew::<R>(setup, order))
}

/// How near to the ideal the machine comes without any pool.
fn machine(setup: Setup, order: Order) -> Ready {
    let tasks = setup.scale.of(TASKS);
    let lengths = lengths(tasks, order);
    warmed(tasks, move || {
        let before = sequential(&lengths);
        let makespan = side_by_side(setup.workers, tasks, |number| {
            black_box(spin(lengths[number as usize]));
            number
        })?;
        let after = sequential(&lengths);
        let ideal = (before + after) / 2;
        figures(makespan, [("ratio", makespan.as_secs_f64() / ideal.as_secs_f64())])
    })
}

fn skew<R: Execute>(setup: Setup, order: Order) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    let lengths = lengths(tasks, order);
    let expected = Expected::of(0..tasks);
    let batch = move |lengths: &[u64]| -> Result<Duration, Failure> {
        let mark = ledger::mark();
        let start = Instant::now();
        for (number, &length) in (0..).zip(lengths) {
            pool.execute(move || {
                black_box(spin(length));
                ledger::enter(number);
            });
        }
        Ok(mark.wait(expected, start)?.duration_since(start))
    };
    warmed(tasks, move || {
        let before = sequential(&lengths);
        let makespan = batch(&lengths)?;
        let after = sequential(&lengths);
        let ideal = (before + after) / 2 / parallelism::<R>(setup.workers) as u32;
        figures(makespan, [("ratio", makespan.as_secs_f64() / ideal.as_secs_f64())])
    })
}
