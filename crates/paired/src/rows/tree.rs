//! Tasks that spawn tasks: a binary tree, two children to each.

use std::time::Instant;

use super::{Row, Scale, Setup, lower};
use crate::ledger::{self, Expected};
use crate::outcome::{Failure, Outcome, values};
use crate::rivals::{Execute, executing, leak};

/// 524,287 tasks.
const DEPTH: u32 = 18;

/// 16,383 tasks.
const QUICK_DEPTH: u32 = 13;

const ROW: Row = Row {
    id: "tree",
    title: "Tasks spawn tasks, binary tree of 524,287",
    metrics: &[lower("ns", "ns per task")],
    workers: None,
    not_shown: "The tree is regular and its tasks do nothing; rayon runs it in a scope, which also waits for the \
                end, the others spawn freely. Two-way joins are not measured here.",
    run: |setup, name| executing!(name, R => tree::<R>(setup)),
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    ROW,
    Row {
        id: "tree-w64",
        title: "Tasks spawn tasks, binary tree of 524,287, 64 workers",
        workers: Some(64),
        ..ROW
    },
];

fn tree<R: Execute>(setup: Setup) -> Outcome {
    let pool = leak::<R>(setup.workers)?;
    let depth = if setup.scale == Scale::Full { DEPTH } else { QUICK_DEPTH };
    let numbers = 1..2 << depth;
    let tasks = numbers.end - numbers.start;
    let expected = Expected::of(numbers);
    let timed = || -> Result<f64, Failure> {
        let mark = ledger::mark();
        let start = Instant::now();
        pool.tree(depth);
        let end = mark.wait(expected, start)?;
        Ok(end.duration_since(start).as_nanos() as f64 / tasks as f64)
    };
    timed()?;
    values([("ns", timed()?)])
}
