//! Dispatch by several threads at once, a million tiny tasks between them.

use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::dispatch::{expected, task};
use super::{ROW, Row, Setup, lower, sweep};
use crate::ledger::{self, Expected};
use crate::outcome::{Failure, Ready, per_task, warmed};
use crate::pools::{Execute, executing, leak};

const TASKS: u64 = 1_000_000;

const BASE: Row = Row {
    id: "producers-4",
    title: "Dispatch, 4 producers with 250,000 tiny tasks each, captures of 16 bytes",
    metrics: &[lower("ns", "ns per task")],
    not_shown: "Producers and workers share the cores, and the producers' threads are started by then but have \
                to be woken: contention of as many threads on as many cores is not seen here.",
    sweep: sweep("producers", "producers", 4.0),
    prepare: |setup, name| executing!(name, R => produce::<R>(setup, 4)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        id: "producers-1",
        title: "Dispatch, 1 producer on a thread of its own with 1M tiny tasks, captures of 16 bytes",
        sweep: sweep("producers", "producers", 1.0),
        prepare: |setup, name| executing!(name, R => produce::<R>(setup, 1)),
        ..BASE
    },
    Row {
        id: "producers-2",
        title: "Dispatch, 2 producers with 500,000 tiny tasks each, captures of 16 bytes",
        sweep: sweep("producers", "producers", 2.0),
        prepare: |setup, name| executing!(name, R => produce::<R>(setup, 2)),
        ..BASE
    },
    BASE,
    Row {
        id: "producers-8",
        title: "Dispatch, 8 producers with 125,000 tiny tasks each, captures of 16 bytes",
        sweep: sweep("producers", "producers", 8.0),
        prepare: |setup, name| executing!(name, R => produce::<R>(setup, 8)),
        ..BASE
    },
    Row {
        id: "producers-100",
        title: "Dispatch, 100 producers with 10,000 tiny tasks each, captures of 16 bytes",
        sweep: sweep("producers", "producers", 100.0),
        prepare: |setup, name| executing!(name, R => produce::<R>(setup, 100)),
        ..BASE
    },
];

/// Where the producers wait for the start, and the main thread for the producers.
#[derive(Default)]
struct Line {
    /// Producers that have arrived, and whether they may go.
    state: Mutex<(u64, bool)>,
    changed: Condvar,
}

impl Line {
    fn arrive(&self) {
        let mut state = self.state.lock().expect("no thread panics while it holds the lock");
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.1));
    }

    fn start(&self, producers: u64) -> Instant {
        let state = self.state.lock().expect("no thread panics while it holds the lock");
        let mut state = self
            .changed
            .wait_while(state, |state| state.0 < producers)
            .expect("no thread panics while it holds the lock");
        let start = Instant::now();
        state.1 = true;
        self.changed.notify_all();
        start
    }
}

/// So many producers that share a million tiny tasks.
pub fn produce<R: Execute>(setup: Setup, producers: u64) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let each = setup.scale.of(TASKS) / producers;
    let tasks = each * producers;
    let expected = expected::<2>(0..tasks);
    warmed(tasks, move || {
        let submit = |number| pool.execute(task::<2>(number));
        per_task(pass(producers, each, expected, submit)?, tasks)
    })
}

/// From the start of the producers, each of which submits so many, until the last task was seen to have run.
pub fn pass(
    producers: u64,
    each: u64,
    expected: Expected,
    submit: impl Fn(u64) + Sync,
) -> Result<Duration, Failure> {
    let mark = ledger::mark();
    let line = Line::default();
    thread::scope(|scope| {
        for producer in 0..producers {
            let (line, submit) = (&line, &submit);
            scope.spawn(move || {
                line.arrive();
                for number in producer * each..(producer + 1) * each {
                    submit(number);
                }
            });
        }
        let start = line.start(producers);
        let end = mark.wait(expected, start)?;
        Ok(end.duration_since(start))
    })
}
