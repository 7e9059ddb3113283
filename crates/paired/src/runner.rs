//! The parent: starts a child for each measurement, the sides of a row in turn, and keeps the record.
//!
//! A unit is one round of one row: one measurement of each side. A unit is taken on a calm machine, counts
//! whole or not at all, and is saved at once, so that a run that is interrupted goes on after the last whole
//! unit.

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use longshore_rivals::pools::is_ours;
use longshore_rivals::rows::{Row, Scale};

use crate::calm::{Guard, Sensor, Steal};
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
    /// If a child cannot be started, the record not be written, or the machine is not calm; the record then
    /// holds all units before that.
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
                let samples = guard.undisturbed(Steal::in_row(&it.row), || self.unit(it, round + index))?;
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

    /// One measurement of each side, in the order of the sides. The side that goes first changes with `turn`,
    /// and so does the direction in which they take turns.
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

/// The command that repeats the run, with the features and the arguments as they were given.
pub fn command() -> String {
    let features = if cfg!(feature = "forte") { "--features forte " } else { "" };
    let arguments: Vec<String> = env::args().skip(1).collect();
    format!("cargo run --release -p {} {features}-- {}", env!("CARGO_PKG_NAME"), arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::calm::tests::{PATIENT, Script};
    use crate::record::tests::record;

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

    /// A program that notes each call in a file and always measures 1 ns.
    ///
    /// A shell writes it: a file that this process had open for writing could still be open in a child of
    /// another test that is about to start, and then the system refuses to run it.
    #[cfg(unix)]
    fn program(folder: &std::path::Path) -> PathBuf {
        let script = r#"cat > program <<'END'
#!/bin/sh
echo "$2 $3" >> "$(dirname "$0")/calls"
echo '{"status":"ok","values":{"ns":1}}'
END
chmod +x program"#;
        let status = std::process::Command::new("sh").args(["-c", script]).current_dir(folder).status();
        assert!(status.expect("a shell").success());
        folder.join("program")
    }

    #[test]
    #[cfg(unix)]
    fn an_interrupted_run_goes_on_after_its_last_whole_round_of_a_row() {
        let folder = std::env::temp_dir().join(format!("longshore-runner.{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let program = program(&folder);
        let side = |name: &str| Side {
            name: name.to_owned(),
            competitor: name.to_owned(),
            program: program.clone(),
        };
        let rows = longshore_rivals::rows::all();
        let the_match = |row: &Row| Match { row: *row, workers: 2, sides: vec![side("push"), side("rayon")] };
        let json = folder.join("run.json");
        let plan = Plan {
            matches: rows[..2].iter().map(the_match).collect(),
            scale: Scale::Full,
            deadline: Duration::from_secs(60),
            json: Some(json.clone()),
        };
        let calls = || fs::read_to_string(folder.join("calls")).expect("calls").lines().count();
        let mut record = record(3, plan.rows());

        // Calm for the beginning and four units, of which the third is disturbed once; then others are at
        // work.
        let machine = |busy: &[f64], foreign: &[f64]| {
            let backwards = |values: &[f64]| values.iter().rev().copied().collect();
            Script { busy: backwards(busy), foreign: backwards(foreign), ..Script::default() }
        };
        let busy = [&[0.0; 6][..], &[1.0; 100]].concat();
        let sensor = machine(&busy, &[0.0, 0.0, 9.0, 0.0, 0.0]);
        let mut guard = Guard::new(sensor, PATIENT, 2, record.seen.clone());
        let error = plan.run(&mut record, &mut guard).expect_err("not calm for long").to_string();
        assert!(error.contains("not calm"), "{error}");
        assert_eq!(calls(), 10, "five units of two sides each");
        let mut saved = Record::read(&json).expect("saved");
        assert_eq!([saved.rows[0].rounds(), saved.rows[1].rounds()], [2, 2]);
        assert_eq!(saved.seen.retaken, 1);
        assert!(!saved.is_complete());

        let mut guard = Guard::new(machine(&[0.0; 3], &[0.0; 2]), PATIENT, 2, saved.seen.clone());
        plan.run(&mut saved, &mut guard).expect("calm to the end");
        assert_eq!(calls(), 14, "the last round of either row");
        let saved = Record::read(&json).expect("saved");
        assert!(saved.is_complete());
        assert_eq!(saved.rows[0].competitors[1].figures("ns"), vec![Some(1.0); 3]);
        assert_eq!(saved.seen.retaken, 1);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
