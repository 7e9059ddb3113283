//! What the tasks of each label took.

use std::collections::BTreeMap;

use crate::run::{Nanos, Run};
use crate::sorted;

/// The tasks of a label.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelTime {
    /// The label; empty for tasks without.
    pub label: String,
    /// How many ran.
    pub count: u64,
    /// What they took together.
    pub total: Nanos,
    /// What the longest took.
    pub longest: Nanos,
    /// What half of them took at most.
    pub median: Nanos,
}

impl LabelTime {
    /// What they took on average.
    pub fn mean(&self) -> Nanos {
        self.total / self.count.max(1)
    }
}

/// All labels of which tasks ran, those that took most first.
pub fn labels(run: &Run) -> Vec<LabelTime> {
    let mut times: BTreeMap<u16, Vec<Nanos>> = BTreeMap::new();
    for task in run.tasks.iter().filter(|task| task.has_run()) {
        times.entry(task.label).or_default().push(task.own);
    }
    let table = |(label, times): (u16, Vec<Nanos>)| {
        let median = sorted::median(&times).unwrap_or(0);
        LabelTime {
            label: run.label(label).to_owned(),
            count: times.len() as u64,
            total: times.iter().sum(),
            longest: times.iter().copied().max().unwrap_or(0),
            median,
        }
    };
    let tables: Vec<_> = times.into_iter().map(table).collect();
    sorted::by_key(&tables, |table| (u64::MAX - table.total, 0))
}
