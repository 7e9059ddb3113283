//! The record of a run, as it is written to JSON and read by the report.

use longshore_rivals::rows::{Better, Metric, Row};
use serde::{Deserialize, Serialize};

use crate::machine::{Build, Machine};
use crate::sample::Sample;

/// The version of the format; another one is refused.
pub const SCHEMA: u32 = 1;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When the run began.
    pub date: String,
    /// How to repeat it.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// What.
    pub build: Build,
    /// Rounds that were asked for; each competitor has a sample for each that was reached.
    pub rounds: usize,
    /// The amounts of work were reduced: the figures show that it runs and nothing else.
    pub quick: bool,
    /// Whom the ratios are to.
    pub base: String,
    /// The rows.
    pub rows: Vec<RowRecord>,
}

/// One row of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowRecord {
    /// Its name.
    pub id: String,
    /// What is measured.
    pub title: String,
    /// Workers of each pool.
    pub workers: usize,
    /// What the table does not show.
    pub not_shown: String,
    /// Its figures.
    pub metrics: Vec<MetricRecord>,
    /// The sweep that it is a part of.
    #[serde(default)]
    pub sweep: Option<SweepRecord>,
    /// Whom the ratios are to, if not the one of the run.
    #[serde(default)]
    pub base: Option<String>,
    /// Who took part.
    pub competitors: Vec<CompetitorRecord>,
}

/// The place of a row in a sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SweepRecord {
    /// The sweep's name.
    pub name: String,
    /// What the number is.
    pub axis: String,
    /// The number.
    pub at: f64,
}

/// One figure of a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MetricRecord {
    /// Its key in the samples.
    pub key: String,
    /// What it is counted in.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
}

/// One competitor in a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CompetitorRecord {
    /// Its name.
    pub name: String,
    /// How its measurement went in each round.
    pub samples: Vec<Sample>,
}

impl RowRecord {
    /// A row in which nobody has been measured yet.
    pub fn new(row: &Row, workers: usize, competitors: &[String]) -> Self {
        let metric = |metric: &Metric| MetricRecord {
            key: metric.key.to_owned(),
            unit: metric.unit.to_owned(),
            better: metric.better,
        };
        let competitor = |name: &String| CompetitorRecord { name: name.clone(), samples: Vec::new() };
        Self {
            id: row.id.to_owned(),
            title: row.title.to_owned(),
            workers: row.workers.unwrap_or(workers),
            not_shown: row.not_shown.to_owned(),
            metrics: row.metrics.iter().map(metric).collect(),
            sweep: row.sweep.map(|sweep| SweepRecord {
                name: sweep.name.to_owned(),
                axis: sweep.axis.to_owned(),
                at: sweep.at,
            }),
            base: row.base.map(str::to_owned),
            competitors: competitors.iter().map(competitor).collect(),
        }
    }

    /// Whom the ratios are to; `base` is that of the run.
    pub fn base_or<'a>(&'a self, base: &'a str) -> &'a str {
        self.base.as_deref().unwrap_or(base)
    }
}
