//! Dispatch by one producer: a million tiny tasks, one call each or in batches; captures of 16, 64 and 256
//! bytes; two workers and many.

use std::hint::black_box;
use std::time::Instant;

use super::{Metric, ROW, Row, Setup, lower, sweep};
use crate::ledger::{self, Expected};
use crate::outcome::{Outcome, Ready, per_task, warmed};
use crate::pools::{Batch, Execute, batching, executing, leak};

/// Tasks of a pass.
pub const TASKS: u64 = 1_000_000;

/// Tasks to a call where a competitor takes batches.
const BATCH: u64 = 100;

const METRICS: &[Metric] = &[lower("ns", "ns per task")];

/// What rows of tiny tasks do not show.
pub const TINY: &str = "Nothing but overhead is measured: the tasks do nothing, share no data and are all there is; \
                    with real work the differences shrink with its length (see the sweep of task lengths).";

const BASE: Row = Row {
    id: "dispatch-16",
    title: "Dispatch, 1 producer, 1M tiny tasks with captures of 16 bytes",
    metrics: METRICS,
    not_shown: TINY,
    sweep: sweep("captures", "bytes captured", 16.0),
    prepare: |setup, name| executing!(name, R => dispatch::<R, 2>(setup)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    BASE,
    Row {
        id: "dispatch-64",
        title: "Dispatch, 1 producer, 1M tiny tasks with captures of 64 bytes",
        sweep: sweep("captures", "bytes captured", 64.0),
        prepare: |setup, name| executing!(name, R => dispatch::<R, 8>(setup)),
        ..BASE
    },
    Row {
        id: "dispatch-256",
        title: "Dispatch, 1 producer, 1M tiny tasks with captures of 256 bytes",
        sweep: sweep("captures", "bytes captured", 256.0),
        prepare: |setup, name| executing!(name, R => dispatch::<R, 32>(setup)),
        ..BASE
    },
    Row {
        id: "batch-16",
        title: "Dispatch, 1 producer, 1M tiny tasks with captures of 16 bytes in batches of 100",
        sweep: None,
        not_shown: "Competitors without a call for a batch are left out; their figures for single tasks are \
                    in the table above.",
        prepare: |setup, name| batching!(name, R => batches::<R>(setup)),
        ..BASE
    },
    Row {
        id: "dispatch-16-w8",
        title: "Dispatch, 1 producer, 1M tiny tasks with captures of 16 bytes, 8 workers",
        workers: Some(8),
        sweep: None,
        not_shown: "More workers than cores: what a pool loses by that, not how it scales with cores.",
        ..BASE
    },
    Row {
        id: "dispatch-16-w64",
        title: "Dispatch, 1 producer, 1M tiny tasks with captures of 16 bytes, 64 workers",
        workers: Some(64),
        sweep: None,
        not_shown: "More workers than cores: what a pool loses by that, not how it scales with cores.",
        ..BASE
    },
];

/// A task that captures `WORDS` words, reads them all and enters their sum.
///
/// The words follow from the number, so that one that was damaged on its way shows in the ledger.
#[inline]
pub fn task<const WORDS: usize>(number: u64) -> impl FnOnce() + Send + 'static {
    let words: [u64; WORDS] = std::array::from_fn(|word| number + word as u64);
    move || ledger::enter(black_box(words).iter().sum())
}

/// What the tasks of these numbers enter.
pub fn expected<const WORDS: usize>(numbers: impl Iterator<Item = u64>) -> Expected {
    let words = WORDS as u64;
    Expected::of(numbers.map(|number| words * number + words * (words - 1) / 2))
}

/// From the first call until the last task was seen to have run.
pub fn until_run(tasks: u64, expected: Expected, submit: impl Fn()) -> Outcome {
    let mark = ledger::mark();
    let start = Instant::now();
    submit();
    let end = mark.wait(expected, start)?;
    per_task(end.duration_since(start), tasks)
}

/// One pass of one producer.
pub fn hand_over<R: Execute, const WORDS: usize>(pool: &R, tasks: u64) -> Outcome {
    until_run(tasks, expected::<WORDS>(0..tasks), || {
        for number in 0..tasks {
            pool.execute(task::<WORDS>(number));
        }
    })
}

fn dispatch<R: Execute, const WORDS: usize>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    warmed(tasks, move || hand_over::<R, WORDS>(pool, tasks))
}

fn batches<R: Batch>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS) / BATCH * BATCH;
    let expected = expected::<2>(0..tasks);
    warmed(tasks, move || {
        until_run(tasks, expected, || {
            for first in (0..tasks).step_by(BATCH as usize) {
                pool.execute_batch((first..first + BATCH).map(task::<2>));
            }
        })
    })
}
