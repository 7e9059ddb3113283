//! More threads than cores: the cost of contention as far as two cores show it, and what is left of useful
//! work.

use super::lengths::efficiency;
use super::producers::produce;
use super::{ROW, Row, higher, lower, sweep};
use crate::pools::{CENTRAL, executing};

const SCALE: Row = Row {
    id: "workers-2",
    title: "Dispatch, 4 producers with 250,000 tiny tasks each, 2 workers",
    metrics: &[lower("ns", "ns per task")],
    workers: Some(2),
    not_shown: "Threads beyond the number of cores take turns on them: contention in time, but never as many at once as \
                on a machine with as many cores.",
    sweep: sweep("workers", "workers", 2.0),
    only: Some(CENTRAL),
    prepare: |setup, name| executing!(name, R => produce::<R>(setup, 4)),
    ..ROW
};

const OVER: Row = Row {
    id: "over-2",
    title: "Efficiency with tasks of 10 us from one producer, 2 workers",
    metrics: &[higher("share", "share of the ideal")],
    workers: Some(2),
    not_shown: "The cores are the ideal, however many workers share them. No other program wants them.",
    sweep: sweep("over", "workers", 2.0),
    prepare: |setup, name| executing!(name, R => efficiency::<R>(setup, 10.0)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    SCALE,
    Row {
        id: "workers-4",
        title: "Dispatch, 4 producers with 250,000 tiny tasks each, 4 workers",
        workers: Some(4),
        sweep: sweep("workers", "workers", 4.0),
        ..SCALE
    },
    Row {
        id: "workers-8",
        title: "Dispatch, 4 producers with 250,000 tiny tasks each, 8 workers",
        workers: Some(8),
        sweep: sweep("workers", "workers", 8.0),
        ..SCALE
    },
    Row {
        id: "workers-16",
        title: "Dispatch, 4 producers with 250,000 tiny tasks each, 16 workers",
        workers: Some(16),
        sweep: sweep("workers", "workers", 16.0),
        ..SCALE
    },
    Row {
        id: "workers-32",
        title: "Dispatch, 4 producers with 250,000 tiny tasks each, 32 workers",
        workers: Some(32),
        sweep: sweep("workers", "workers", 32.0),
        ..SCALE
    },
    Row {
        id: "workers-64",
        title: "Dispatch, 4 producers with 250,000 tiny tasks each, 64 workers",
        workers: Some(64),
        sweep: sweep("workers", "workers", 64.0),
        ..SCALE
    },
    OVER,
    Row {
        id: "over-8",
        title: "Efficiency with tasks of 10 us from one producer, 8 workers",
        workers: Some(8),
        sweep: sweep("over", "workers", 8.0),
        ..OVER
    },
    Row {
        id: "over-64",
        title: "Efficiency with tasks of 10 us from one producer, 64 workers",
        workers: Some(64),
        sweep: sweep("over", "workers", 64.0),
        ..OVER
    },
];
