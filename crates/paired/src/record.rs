//! The record of a run, as it is written to JSON and read by the report.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longshore_rivals::rows::{Better, Metric, Row};
use serde::{Deserialize, Serialize};

use crate::calm::Seen;
use crate::machine::{self, Build, Machine};
use crate::sample::Sample;

/// The version of the format; another one is refused.
pub const SCHEMA: u32 = 2;

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
    /// Rounds that were asked for; each row has as many samples of each side as it has been through rounds.
    pub rounds: usize,
    /// The amounts of work were reduced: the figures show that it runs and nothing else.
    pub quick: bool,
    /// The competitor that the ratios in the tables are to.
    pub base: String,
    /// Why this is no record from which published figures may be made; empty if it is one.
    pub objections: Vec<String>,
    /// How calm the machine was.
    pub seen: Seen,
    /// The rows.
    pub rows: Vec<RowRecord>,
}

impl Record {
    /// A run in which nothing has been measured yet.
    pub fn new(command: String, rounds: usize, base: &str, rows: Vec<RowRecord>) -> Self {
        Self {
            schema: SCHEMA,
            date: machine::date(),
            command,
            machine: machine::machine(),
            build: machine::build(),
            rounds,
            quick: false,
            base: base.to_owned(),
            objections: Vec::new(),
            seen: Seen::default(),
            rows,
        }
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no record or one in another format.
    pub fn read(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            schema: u32,
        }
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let no_record = || format!("{} is not a record of a run", path.display());
        let format: Format = serde_json::from_str(&text).with_context(no_record)?;
        ensure!(
            format.schema == SCHEMA,
            "{} is in format {}, this program reads format {SCHEMA}",
            path.display(),
            format.schema
        );
        serde_json::from_str(&text).with_context(no_record)
    }

    /// Writes it in one step: a file of that name is always whole.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let beside = path.with_extension("part");
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Every row has been through every round.
    pub fn is_complete(&self) -> bool {
        self.rows.iter().all(|row| row.rounds() >= self.rounds)
    }

    /// Checks that a run of `plan` (a record without samples) may go on where this one was interrupted.
    ///
    /// # Errors
    ///
    /// Names the first thing in which the two differ, with both values.
    pub fn may_go_on(&self, plan: &Self) -> Result<()> {
        let same = |what: &str, here: String, there: String| {
            ensure!(here == there, "it was begun with another {what}: {here}, now {there}");
            Ok(())
        };
        let rows = |record: &Self| {
            let row = |row: &RowRecord| {
                let names: Vec<&str> = row.competitors.iter().map(|side| side.name.as_str()).collect();
                format!("{} ({} workers: {})", row.id, row.workers, names.join(", "))
            };
            record.rows.iter().map(row).collect::<Vec<_>>()
        };
        same("commit", self.build.commit.clone(), plan.build.commit.clone())?;
        same("machine", self.machine.to_string(), plan.machine.to_string())?;
        same("build", self.build.to_string(), plan.build.to_string())?;
        same("number of rounds", self.rounds.to_string(), plan.rounds.to_string())?;
        same("amount of work", format!("quick {}", self.quick), format!("quick {}", plan.quick))?;
        same("base", self.base.clone(), plan.base.clone())?;
        let (here, there) = (rows(self), rows(plan));
        same("number of rows", here.len().to_string(), there.len().to_string())?;
        here.into_iter().zip(there).try_for_each(|(here, there)| same("row", here, there))
    }
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
    /// The competitor that the ratios are to, if it is not that of the run.
    #[serde(default)]
    pub base: Option<String>,
    /// How long each round took, in seconds.
    #[serde(default)]
    pub seconds: Vec<f64>,
    /// The competitors that took part.
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
    /// A row in which nothing has been measured yet.
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
            seconds: Vec::new(),
            competitors: competitors.iter().map(competitor).collect(),
        }
    }

    /// The competitor that the ratios are to; `base` is that of the run.
    pub fn base_or<'a>(&'a self, base: &'a str) -> &'a str {
        self.base.as_deref().unwrap_or(base)
    }

    /// The rounds that the row has been through.
    pub fn rounds(&self) -> usize {
        self.competitors.iter().map(|competitor| competitor.samples.len()).min().unwrap_or(0)
    }

    /// One more round: a sample of each competitor, in their order.
    pub fn add(&mut self, samples: Vec<Sample>, took: Duration) {
        assert_eq!(samples.len(), self.competitors.len(), "a sample for each");
        for (competitor, sample) in self.competitors.iter_mut().zip(samples) {
            competitor.samples.push(sample);
        }
        self.seconds.push(took.as_secs_f64());
    }

    /// The competitor of that name.
    pub fn competitor(&self, name: &str) -> Option<&CompetitorRecord> {
        self.competitors.iter().find(|competitor| competitor.name == name)
    }
}

impl CompetitorRecord {
    /// Its figure of one metric in each round.
    pub fn figures(&self, key: &str) -> Vec<Option<f64>> {
        self.samples.iter().map(|sample| sample.value(key)).collect()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A row of one figure, `ns`, of which less is better.
    pub fn row(id: &str, competitors: &[(&str, &[f64])]) -> RowRecord {
        let sample = |&value: &f64| Sample::Ok { values: [("ns".to_owned(), value)].into() };
        let competitor = |(name, figures): &(&str, &[f64])| CompetitorRecord {
            name: (*name).to_owned(),
            samples: figures.iter().map(sample).collect(),
        };
        RowRecord {
            id: id.to_owned(),
            title: format!("The row {id}"),
            workers: 2,
            not_shown: "everything else.".to_owned(),
            metrics: vec![MetricRecord {
                key: "ns".to_owned(),
                unit: "ns per task".to_owned(),
                better: Better::Lower,
            }],
            sweep: None,
            base: None,
            seconds: Vec::new(),
            competitors: competitors.iter().map(competitor).collect(),
        }
    }

    /// A run of these rows.
    pub fn record(rounds: usize, rows: Vec<RowRecord>) -> Record {
        Record::new("the command".to_owned(), rounds, "rayon", rows)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("longshore-record.{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("run.json");
        let written = record(2, vec![row("a", &[("push", &[1.0, 2.0]), ("rayon", &[3.0])])]);
        written.save(&path).expect("written");
        let read = Record::read(&path).expect("a record");
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
        assert!(!read.is_complete() && read.rows[0].rounds() == 1);

        fs::write(&path, "{ \"schema\": 1 }").expect("written");
        let error = Record::read(&path).expect_err("another format").to_string();
        assert!(error.contains("format 1") && error.contains("format 2"), "{error}");
        fs::write(&path, "{}").expect("written");
        assert!(Record::read(&path).is_err());
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_run_goes_on_with_the_same_program_on_the_same_machine_only() {
        let plan = record(2, vec![row("a", &[("push", &[]), ("rayon", &[])])]);
        let differs = |change: &dyn Fn(&mut Record)| {
            let mut begun = plan.clone();
            begun.rows[0].add(vec![Sample::NotOffered, Sample::NotOffered], Duration::from_secs(1));
            change(&mut begun);
            begun.may_go_on(&plan).err().map(|error| error.to_string())
        };
        assert_eq!(differs(&|_| ()), None);
        assert_eq!(differs(&|record| record.date.push('x')), None);
        let says = |part: &str, change: &dyn Fn(&mut Record)| {
            let error = differs(change).expect("a difference");
            assert!(error.contains(part), "{part} in {error}");
        };
        says("another commit: abc, now ", &|record| record.build.commit = "abc".to_owned());
        says("another machine", &|record| record.machine.cores += 1);
        says("another build", &|record| record.build.rustc.push('x'));
        says("rounds: 3, now 2", &|record| record.rounds = 3);
        says("work", &|record| record.quick = true);
        says("base", &|record| record.base = "push".to_owned());
        says("rows: 0, now 1", &|record| record.rows.clear());
        says("another row: b", &|record| record.rows[0].id = "b".to_owned());
        says("(3 workers", &|record| record.rows[0].workers = 3);
        says("push)", &|record| drop(record.rows[0].competitors.pop()));
    }
}
