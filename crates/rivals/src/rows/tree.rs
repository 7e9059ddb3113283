//! Tasks that spawn tasks: a binary tree, two children to each.

use super::dispatch::until_run;
use super::{ROW, Row, Scale, Setup, lower};
use crate::ledger::Expected;
use crate::outcome::{Ready, warmed};
use crate::pools::{Execute, executing, leak};

/// 524,287 tasks.
const DEPTH: u32 = 18;

/// 16,383 tasks.
const QUICK_DEPTH: u32 = 13;

const BASE: Row = Row {
    id: "tree",
    title: "Tasks spawn tasks, binary tree of 524,287",
    metrics: &[lower("ns", "ns per task")],
    not_shown: "The tree is regular and its tasks do nothing; rayon runs it in a scope, which also waits for the \
                end, the others spawn freely. Two-way joins are not measured here.",
    prepare: |setup, name| executing!(name, R => tree::<R>(setup)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    BASE,
    Row {
        id: "tree-w64",
        title: "Tasks spawn tasks, binary tree of 524,287, 64 workers",
        workers: Some(64),
        ..BASE
    },
];

fn tree<R: Execute>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, 2 << DEPTH)?;
    let depth = if setup.scale == Scale::Full { DEPTH } else { QUICK_DEPTH };
    let numbers = 1..2 << depth;
    let tasks = numbers.end - numbers.start;
    let expected = Expected::of(numbers);
    warmed(tasks, move || until_run(tasks, expected, || pool.tree(depth)))
}
