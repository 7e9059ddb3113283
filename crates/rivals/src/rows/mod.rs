//! The rows: what is measured. One file for each group of workloads.
//!
//! A row's function makes the pool, lets one untimed pass go by (threads started, heap grown, code paged in)
//! and returns what measures the next one. Making the pool counts in the row about making pools only. Pools
//! stay until the process ends.

pub mod allocations;
pub mod bounded;
pub mod burst;
pub mod creation;
pub mod dispatch;
pub mod forks;
mod ideal;
pub mod idle;
pub mod image;
pub mod latency;
pub mod lengths;
pub mod locality;
pub mod loops;
pub mod matrix;
pub mod memory;
pub mod options;
pub mod producers;
pub mod results;
pub mod scaling;
pub mod skew;
pub mod tree;

use serde::{Deserialize, Serialize};

use crate::outcome::{Failure, Ready};

/// Which figures are good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Small ones.
    Lower,
    /// Large ones.
    Higher,
}

/// One figure of a row.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its key in the JSON.
    pub key: &'static str,
    /// What it is counted in, as a column's head.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
}

/// A figure of which less is better.
#[must_use]
pub const fn lower(key: &'static str, unit: &'static str) -> Metric {
    Metric { key, unit, better: Better::Lower }
}

/// A figure of which more is better.
#[must_use]
pub const fn higher(key: &'static str, unit: &'static str) -> Metric {
    Metric { key, unit, better: Better::Higher }
}

/// How much work a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The amounts behind published figures.
    Full,
    /// A fiftieth, to see that everything runs.
    Quick,
}

impl Scale {
    /// So much of an amount that is meant for [`Scale::Full`].
    pub fn of(self, amount: u64) -> u64 {
        match self {
            Self::Full => amount,
            Self::Quick => (amount / 50).max(4),
        }
    }
}

/// What a row's function is told.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Workers of the pool.
    pub workers: usize,
    /// How much work.
    pub scale: Scale,
}

/// Rows that differ in one number, for a plot.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// The name that its rows share.
    pub name: &'static str,
    /// What the number is.
    pub axis: &'static str,
    /// The number.
    pub at: f64,
}

/// The place of a row in a sweep.
#[must_use]
pub const fn sweep(name: &'static str, axis: &'static str, at: f64) -> Option<Sweep> {
    Some(Sweep { name, axis, at })
}

/// One line of the results: a workload and what is measured of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name by which it is chosen.
    pub id: &'static str,
    /// What is measured, in words.
    pub title: &'static str,
    /// Its figures.
    pub metrics: &'static [Metric],
    /// The number of workers, where the row is about that; else it is the command line's.
    pub workers: Option<usize>,
    /// What its table does not show.
    pub not_shown: &'static str,
    /// The sweep that it is a part of, if any.
    pub sweep: Option<Sweep>,
    /// The only ones whom it is about, if it is not about all.
    pub only: Option<&'static [&'static str]>,
    /// Whom the ratios are to, where it is not the command line's choice.
    pub base: Option<&'static str>,
    /// Bytes of stack that threads need, where the standard library's default is too little.
    pub stack: Option<usize>,
    /// It wakes idle processors so often that a hypervisor books its own delays as stolen time.
    pub wakes_processors: bool,
    /// Makes it ready for the competitor of that name.
    pub prepare: fn(Setup, &str) -> Ready,
}

/// What rows have unless they say something else.
pub const ROW: Row = Row {
    id: "",
    title: "",
    metrics: &[],
    workers: None,
    not_shown: "",
    sweep: None,
    only: None,
    base: None,
    stack: None,
    wakes_processors: false,
    prepare: |_, _| Err(Failure::NotOffered),
};

/// All rows, in the order of the report.
#[must_use]
pub fn all() -> Vec<Row> {
    [
        dispatch::ROWS,
        producers::ROWS,
        bounded::ROWS,
        options::ROWS,
        scaling::ROWS,
        results::ROWS,
        tree::ROWS,
        latency::ROWS,
        idle::ROWS,
        memory::ROWS,
        burst::ROWS,
        skew::ROWS,
        lengths::ROWS,
        matrix::ROWS,
        locality::ROWS,
        image::ROWS,
        creation::ROWS,
        allocations::ROWS,
        forks::ROWS,
        loops::ROWS,
    ]
    .concat()
}
