//! Tasks with results: all handed over, then the handles asked in order. Every value is checked.

use std::time::Instant;

use super::{ROW, Row, Setup, lower};
use crate::ledger::hash;
use crate::outcome::{Failure, Ready, per_task, warmed};
use crate::pools::{Return, leak, returning};

const TASKS: u64 = 200_000;

/// The rows of this file.
pub const ROWS: &[Row] = &[Row {
    id: "results",
    title: "Results through a handle, 200,000 tasks submitted, then joined in order",
    metrics: &[lower("ns", "ns per task")],
    not_shown: "Where a pool has no handles, a oneshot channel stands in. The joining thread mostly finds results \
                that are there already; waiting for one is the round trip's subject.",
    prepare: |setup, name| returning!(name, R => results::<R>(setup)),
    ..ROW
}];

/// The task of this number: captures 16 bytes, returns what follows from both words.
pub fn task(number: u64) -> impl FnOnce() -> u64 + Send + 'static {
    let words = [number, number.rotate_left(32)];
    move || hash(std::hint::black_box(words).iter().fold(0, |sum, word| sum ^ word))
}

/// What the task of this number returns.
#[must_use]
pub fn result(number: u64) -> u64 {
    hash(number ^ number.rotate_left(32))
}

/// Hands over so many tasks, joins them and checks the values.
pub fn pass<R: Return>(pool: &'static R, tasks: u64) -> Result<(), Failure> {
    let (mut joined, mut wrong) = (0, 0);
    let range = 0..usize::try_from(tasks).expect("fits");
    pool.collect(range.map(|number| task(number as u64)), |value| {
        wrong += u64::from(value != result(joined));
        joined += 1;
    });
    if (joined, wrong) == (tasks, 0) {
        return Ok(());
    }
    Err(Failure::Wrong(format!("{joined} results of {tasks} tasks, {wrong} of them wrong")))
}

fn results<R: Return>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    warmed(tasks, move || {
        let start = Instant::now();
        pass(pool, tasks)?;
        per_task(start.elapsed(), tasks)
    })
}
