//! Dispatch into a bounded queue, by one producer and by four: what the bound costs, and what it costs
//! elsewhere.

use super::producers::produce;
use super::{ROW, Row, lower};
use crate::pools::{BOUNDED, bounding};

const BASE: Row = Row {
    id: "bounded-1",
    title: "Dispatch into queues for 1,024 tasks, 1 producer on a thread of its own with 1M tiny tasks",
    metrics: &[lower("ns", "ns per task")],
    not_shown: "The queue is mostly full, as tasks that do nothing take the workers longer than the producer: what waiting for \
                room costs is a part of the figure. The unbounded competitors hold up to a million tasks meanwhile.",
    only: Some(BOUNDED),
    prepare: |setup, name| bounding!(name, R => produce::<R>(setup, 1)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    BASE,
    Row {
        id: "bounded-4",
        title: "Dispatch into queues for 1,024 tasks, 4 producers with 250,000 tiny tasks each",
        prepare: |setup, name| bounding!(name, R => produce::<R>(setup, 4)),
        ..BASE
    },
];
