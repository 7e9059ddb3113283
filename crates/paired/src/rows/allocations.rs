//! Calls to the allocator and bytes asked for, per task.

use std::time::Instant;

use super::dispatch::{expected, task};
use super::{Row, Setup, lower, results};
use crate::counting;
use crate::ledger;
use crate::outcome::{Failure, Outcome, values};
use crate::rivals::{Execute, Return, executing, leak, returning};

const TASKS: u64 = 200_000;

const ROW: Row = Row {
    id: "allocs-16",
    title: "Allocations per task, fire and forget, captures of 16 bytes",
    metrics: &[lower("calls", "allocations per task"), lower("bytes", "bytes asked for per task")],
    workers: None,
    not_shown: "The second of two passes: blocks and buffers that a pool keeps for its next tasks count for \
                nothing here; how much it keeps is seen in the row about memory.",
    run: |setup, name| executing!(name, R => fire::<R, 2>(setup)),
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    ROW,
    Row {
        id: "allocs-24",
        title: "Allocations per task, fire and forget, captures of 24 bytes",
        run: |setup, name| executing!(name, R => fire::<R, 3>(setup)),
        ..ROW
    },
    Row {
        id: "allocs-result",
        title: "Allocations per task with a result, captures of 16 bytes",
        not_shown: "The second of two passes. The vector of handles is one allocation for all and its bytes are \
                    in the figure.",
        run: |setup, name| returning!(name, R => returned::<R>(setup)),
        ..ROW
    },
];

/// The figures of the second of two passes.
fn second(tasks: u64, pass: impl Fn() -> Result<(), Failure>) -> Outcome {
    pass()?;
    let (calls, bytes) = counting::during(pass)?;
    values([("calls", calls as f64 / tasks as f64), ("bytes", bytes as f64 / tasks as f64)])
}

fn fire<R: Execute, const WORDS: usize>(setup: Setup) -> Outcome {
    let pool = leak::<R>(setup.workers)?;
    let tasks = setup.scale.of(TASKS);
    let expected = expected::<WORDS>(0..tasks);
    second(tasks, || {
        let mark = ledger::mark();
        let start = Instant::now();
        for number in 0..tasks {
            pool.execute(task::<WORDS>(number));
        }
        mark.wait(expected, start).map(drop)
    })
}

fn returned<R: Return>(setup: Setup) -> Outcome {
    let pool = leak::<R>(setup.workers)?;
    let tasks = setup.scale.of(TASKS);
    second(tasks, || results::pass(pool, tasks))
}
