//! The parent: starts a child for each measurement, the sides of a row in turn, and keeps the record.
//!
//! A unit is one round of one row: one measurement of each side. A unit is taken on a calm machine, counts whole or
//! not at all, and is saved at once, so that a run that is interrupted goes on after the last whole unit.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use longshore_rivals::pools::is_ours;
use longshore_rivals::rows::{Row, Scale};

use crate::calm::{Guard, Sensor};
use crate::child::Call;
use crate::progress::Progress;
use crate::record::{Record, RowRecord};
use crate::sample::Sample;

/// One side of a row: a competitor, as a program offers it.
#[derive(Clone, Debug)]
pub struct Side {
    /// The name in the record.
    pub name: String,
    /// The competitor.
    pub competitor: String,
    /// The program that measures it.
    pub program: PathBuf,
}

/// A row and its sides.
#[derive(Clone, Debug)]
pub struct Match {
    /// The row.
    pub row: Row,
    /// Workers of each pool.
    pub workers: usize,
    /// The sides.
    pub sides: Vec<Side>,
}

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// The rows.
    pub matches: Vec<Match>,
    /// How much work.
    pub scale: Scale,
    /// How long a child may take.
    pub deadline: Duration,
    /// Where the record goes.
    pub json: Option<PathBuf>,
}

impl Plan {
    /// The rows of a record in which nothing has been measured yet.
    pub fn rows(&self) -> Vec<RowRecord> {
        let row = |it: &Match| {
            let names: Vec<String> = it.sides.iter().map(|side| side.name.clone()).collect();
            RowRecord::new(&it.row, it.workers, &names)
        };
        self.matches.iter().map(row).collect()
    }

    /// Measures the units that the record lacks.
    ///
    /// # Errors
    ///
    /// If a child cannot be started, the record not be written, or the machine is not calm; the record then holds
    /// all units before that.
    pub fn run<S: Sensor>(&self, record: &mut Record, guard: &mut Guard<S>) -> Result<()> {
        guard.begin()?;
        record.seen = guard.seen().clone();
        let mut progress = Progress::new(record);
        for round in 0..record.rounds {
            for (index, it) in self.matches.iter().enumerate() {
                if record.rows[index].rounds() > round {
                    continue;
                }
                progress.announce(record, round, index);
                let start = Instant::now();
                let samples = guard.undisturbed(|| self.unit(it, round + index))?;
                record.rows[index].add(samples, start.elapsed());
                record.seen = guard.seen().clone();
                progress.done();
                if let Some(path) = &self.json {
                    record.save(path)?;
                }
            }
        }
        Ok(())
    }

    /// One measurement of each side, in the order of the sides. The side that goes first changes with `turn`, and so
    /// does the direction in which they take turns.
    fn unit(&self, it: &Match, turn: usize) -> Result<Vec<Sample>> {
        let count = it.sides.len();
        let mut samples = vec![Sample::NotOffered; count];
        for place in order(count, turn) {
            let side = &it.sides[place];
            let call = Call {
                program: &side.program,
                row: &it.row,
                competitor: &side.competitor,
                workers: it.workers,
                scale: self.scale,
                deadline: self.deadline,
            };
            samples[place] = call.sample()?;
            match &samples[place] {
                Sample::Wrong { message } => eprint!(" {} WRONG ({message})", side.name),
                Sample::Failed { message } => eprint!(" {} failed ({message})", side.name),
                Sample::Hung { seconds } => eprint!(" {} hung for {seconds} s", side.name),
                Sample::Ok { .. } | Sample::NotOffered => {}
            }
        }
        Ok(samples)
    }
}

/// The order of so many sides in a turn.
fn order(count: usize, turn: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).map(|place| (place + turn / 2) % count).collect();
    if turn % 2 == 1 {
        order.reverse();
    }
    order
}

/// No result was wrong, and our own pools neither hung nor died.
pub fn is_well(row: &RowRecord) -> bool {
    row.competitors.iter().all(|competitor| {
        competitor.samples.iter().all(|sample| match sample {
            Sample::Wrong { .. } => false,
            Sample::Failed { .. } | Sample::Hung { .. } => !is_ours(&competitor.name),
            Sample::Ok { .. } | Sample::NotOffered => true,
        })
    })
}

/// The command that repeats the run, with the arguments as they were given.
pub fn command() -> String {
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("cargo run --release -p {} -- {}", env!("CARGO_PKG_NAME"), arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_has_its_turn_and_goes_first_and_last() {
        for count in 1..6 {
            let turns: Vec<Vec<usize>> = (0..2 * count).map(|turn| order(count, turn)).collect();
            for place in 0..count {
                assert!(turns.iter().all(|turn| turn.contains(&place)));
                let often = |at: usize| turns.iter().filter(|turn| turn[at] == place).count();
                assert_eq!((often(0), often(count - 1)), (2, 2), "{place} of {count}: {turns:?}");
            }
        }
        // Two programs: one after the other, each way round in every second round.
        assert_eq!([0, 1, 2, 3].map(|turn| order(2, turn)[0]), [0, 1, 1, 0]);
    }
}
