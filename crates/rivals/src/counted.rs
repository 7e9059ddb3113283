//! Workloads for counting instructions: each nothing but tasks, in any number of passes, so that what a task
//! costs is the difference between two numbers.

use std::time::Instant;

use crate::ledger::{self, Expected};
use crate::outcome::{Failure, Outcome, figures};
use crate::pools::{Batch, Execute, Return, batching, executing, leak, returning};
use crate::rows::dispatch::{expected, task};
use crate::rows::{producers, results};

/// A workload: its name, what it is in words, and what runs it.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The name by which it is chosen.
    pub id: &'static str,
    /// What its tasks are.
    pub title: &'static str,
    /// Runs it; the figure `tasks` says how many tasks that were.
    pub run: fn(&str, Amount) -> Outcome,
}

/// How much of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Workers of the pool.
    pub workers: usize,
    /// About so many tasks in a pass.
    pub tasks: u64,
    /// How often.
    pub passes: u64,
}

impl Amount {
    /// Repeats a pass of so many tasks.
    fn repeat(self, tasks: u64, mut pass: impl FnMut() -> Result<(), Failure>) -> Outcome {
        let start = Instant::now();
        (0..self.passes).try_for_each(|_| pass())?;
        figures(start.elapsed(), [("tasks", (self.passes * tasks) as f64)])
    }
}

/// All of them.
pub const ALL: &[Workload] = &[
    Workload {
        id: "count-dispatch",
        title: "one producer, captures of 16 bytes",
        run: |name, amount| executing!(name, R => dispatch::<R>(amount)),
    },
    Workload {
        id: "count-batch",
        title: "one producer, captures of 16 bytes, in batches of 100",
        run: |name, amount| batching!(name, R => batches::<R>(amount)),
    },
    Workload {
        id: "count-producers",
        title: "4 producers, captures of 16 bytes",
        run: |name, amount| executing!(name, R => produce::<R>(amount)),
    },
    Workload {
        id: "count-results",
        title: "results through handles",
        run: |name, amount| returning!(name, R => collect::<R>(amount)),
    },
    Workload {
        id: "count-tree",
        title: "tasks spawn tasks, a binary tree",
        run: |name, amount| executing!(name, R => tree::<R>(amount)),
    },
];

/// Submits, and waits until what is expected has run.
fn until_run(expected: Expected, submit: impl FnOnce()) -> Result<(), Failure> {
    let mark = ledger::mark();
    let start = Instant::now();
    submit();
    mark.wait(expected, start).map(drop)
}

fn dispatch<R: Execute>(amount: Amount) -> Outcome {
    let pool = leak::<R>(amount.workers, amount.tasks)?;
    let tasks = amount.tasks;
    let expected = expected::<2>(0..tasks);
    amount.repeat(tasks, || {
        until_run(expected, || (0..tasks).for_each(|number| pool.execute(task::<2>(number))))
    })
}

fn batches<R: Batch>(amount: Amount) -> Outcome {
    let pool = leak::<R>(amount.workers, amount.tasks)?;
    let tasks = amount.tasks / 100 * 100;
    let expected = expected::<2>(0..tasks);
    let submit =
        || (0..tasks).step_by(100).for_each(|first| pool.execute_batch((first..first + 100).map(task::<2>)));
    amount.repeat(tasks, || until_run(expected, submit))
}

fn produce<R: Execute>(amount: Amount) -> Outcome {
    let pool = leak::<R>(amount.workers, amount.tasks)?;
    let tasks = amount.tasks / 4 * 4;
    let expected = expected::<2>(0..tasks);
    let submit = |number| pool.execute(task::<2>(number));
    amount.repeat(tasks, || producers::pass(4, tasks / 4, expected, submit).map(drop))
}

fn collect<R: Return>(amount: Amount) -> Outcome {
    let pool = leak::<R>(amount.workers, amount.tasks)?;
    amount.repeat(amount.tasks, || results::pass(pool, amount.tasks))
}

fn tree<R: Execute>(amount: Amount) -> Outcome {
    let pool = leak::<R>(amount.workers, amount.tasks)?;
    // The largest tree that is not larger.
    let depth = (amount.tasks + 1).checked_ilog2().and_then(|log| log.checked_sub(1));
    let depth = depth.ok_or_else(|| Failure::Wrong("no tree is so small".to_owned()))?;
    let numbers = 1..2_u64 << depth;
    let tasks = numbers.end - numbers.start;
    let expected = Expected::of(numbers);
    amount.repeat(tasks, || until_run(expected, || pool.tree(depth)))
}
