//! What an ability costs that is off unless one asks for it: a size that may change, histograms, tasks that
//! say more about themselves. Each beside the same pool without it.

use super::dispatch::{TASKS, TINY, hand_over};
use super::lengths::efficiency;
use super::{ROW, Row, Setup, higher, lower};
use crate::outcome::{Ready, warmed};
use crate::pools::{ELASTIC, Execute, HISTOGRAMS, TICKETS, leak, opting};

const BASE: Row = Row {
    id: "tickets",
    title: "Dispatch, 1 producer, 1M tiny tasks that say their priority or carry a token that could cancel them",
    metrics: &[lower("ns", "ns per task")],
    not_shown: "The priority is the usual one, and all tasks share one token, which is never cancelled: what it costs to say so, \
                not what happens then. `push` and `pull` hand over the same tasks by `execute`. Nothing but overhead is \
                measured, as in the other rows about dispatch.",
    only: Some(TICKETS),
    base: Some("push"),
    prepare: |setup, name| opting!(name, R => dispatch::<R>(setup)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    Row {
        id: "elastic",
        title: "Dispatch, 1 producer, 1M tiny tasks, pools whose size may change: from 1 to their workers (`-grown`), from their \
                workers to twice as many (`-elastic`)",
        metrics: &[lower("ns", "ns per task"), lower("size", "workers when all have run")],
        not_shown: "What it costs to be ready to change. `-grown` has got all the workers that it may have before, so its size \
                    stays as it is. `-elastic` looks at its load while there is any, and grows if the producer is too fast for \
                    the workers that it has: the second figure, which exists where the size may change, tells. How soon pools grow \
                    is the subject of the row about a burst.",
        only: Some(ELASTIC),
        ..BASE
    },
    Row {
        id: "histograms",
        title: "Dispatch, 1 producer, 1M tiny tasks whose waiting and running is measured, of some (`-sampled`) or all",
        not_shown: TINY,
        only: Some(HISTOGRAMS),
        ..BASE
    },
    Row {
        id: "histograms-10us",
        title: "Efficiency with tasks of 10 us from one producer, whose waiting and running is measured",
        metrics: &[higher("share", "share of the ideal")],
        not_shown: "As with the tasks of other lengths; that the figures in the histograms are right is the subject of tests.",
        only: Some(HISTOGRAMS),
        prepare: |setup, name| opting!(name, R => efficiency::<R>(setup, 10.0)),
        ..BASE
    },
    BASE,
];

fn dispatch<R: Execute>(setup: Setup) -> Ready {
    let pool = leak::<R>(setup.workers, TASKS)?;
    let tasks = setup.scale.of(TASKS);
    warmed(tasks, move || {
        let mut pass = hand_over::<R, 2>(pool, tasks)?;
        pass.values.extend(pool.size().map(|size| ("size".to_owned(), size as f64)));
        Ok(pass)
    })
}
