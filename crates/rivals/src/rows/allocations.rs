//! Calls to the allocator and bytes asked for, per task.

use std::time::Instant;

use super::dispatch::{expected, task};
use super::{ROW, Row, Setup, lower, results};
use crate::counting;
use crate::ledger;
use crate::outcome::{Failure, Ready, figures, ready};
use crate::pools::{Execute, Return, executing, leak, returning};

const TASKS: u64 = 200_000;

const BASE: Row = Row {
    id: "allocs-16",
    title: "Allocations per task, fire and forget, captures of 16 bytes",
    metrics: &[lower("calls", "allocations per task"), lower("bytes", "bytes asked for per task")],
    not_shown: "The second of two passes: blocks and buffers that a pool keeps for its next tasks count for \
                nothing here; how much it keeps is seen in the row about memory.",
    prepare: |setup, name| executing!(name, R => fire::<R, 2>(setup)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    BASE,
    Row {
        id: "allocs-24",
        title: "Allocations per task, fire and forget, captures of 24 bytes",
        prepare: |setup, name| executing!(name, R => fire::<R, 3>(setup)),
        ..BASE
    },
    Row {
        id: "allocs-result",
        title: "Allocations per task with a result, captures of 16 bytes",
        not_shown: "The second of two passes. The vector of handles is one allocation for all and its bytes are \
                    in the figure.",
        prepare: |setup, name| returning!(name, R => returned::<R>(setup)),
        ..BASE
    },
];

/// Counts during a pass, after one that is not counted.
fn counted(tasks: u64, pass: impl Fn() -> Result<(), Failure> + 'static) -> Ready {
    pass()?;
    ready(tasks, move || {
        let start = Instant::now();
        let (calls, bytes) = counting::during(&pass)?;
        let each = |sum: u64| sum as f64 / tasks as f64;
        figures(start.elapsed(), [("calls", each(calls)), ("bytes", each(bytes))])
    })
}

fn fire<R: Execute, const WORDS: usize>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    let expected = expected::<WORDS>(0..tasks);
    counted(tasks, move || {
        let mark = ledger::mark();
        let start = Instant::now();
        for number in 0..tasks {
            pool.execute(task::<WORDS>(number));
        }
        mark.wait(expected, start).map(drop)
    })
}

fn returned<R: Return>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    counted(tasks, move || results::pass(pool, tasks))
}
