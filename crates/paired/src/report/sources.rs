//! Which records published pages may be made from: one run of all rows and one count, of the same commit on
//! the same machine, complete and without objections.

use anyhow::{Result, bail, ensure};

use super::missing::known;
use crate::record::Record;

/// Checks the records.
///
/// # Errors
///
/// Says what speaks against them.
pub fn check(records: &[Record]) -> Result<()> {
    let Some((first, others)) = records.split_first() else { bail!("no record was given") };
    for other in others {
        let differ = |what: &str, here: &str, there: &str| {
            ensure!(here == there, "the records are of different {what}: {here} and {there}");
            Ok(())
        };
        differ("commits", &first.build.commit, &other.build.commit)?;
        differ("machines", &first.machine.to_string(), &other.machine.to_string())?;
        differ("builds", &first.build.to_string(), &other.build.to_string())?;
    }
    let mut found: Vec<&str> = Vec::new();
    for record in records {
        ensure!(record.objections.is_empty(), "{}: {}", record.command, record.objections.join("; "));
        for row in &record.rows {
            ensure!(
                row.rounds() >= record.rounds,
                "the run is not finished: `{}` has been through {} of {} rounds; --sitting goes on with it",
                row.id,
                row.rounds(),
                record.rounds
            );
            ensure!(!found.contains(&row.id.as_str()), "two records hold `{}`", row.id);
            found.push(&row.id);
        }
    }
    let lacking: Vec<&str> = known().iter().map(|row| row.id).filter(|id| !found.contains(id)).collect();
    ensure!(lacking.is_empty(), "no record holds {}", lacking.join(", "));
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use std::time::Duration;

    use longshore_rivals::pools::{CENTRAL, NAMES};
    use longshore_rivals::{counted, rows};

    use super::*;
    use crate::count;
    use crate::record::RowRecord;
    use crate::record::tests::record;
    use crate::sample::Sample;

    /// A record of every row of the program, with invented figures.
    pub fn whole() -> Record {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let measured =
            rows::all().into_iter().map(|row| RowRecord::new(&row, 2, &names(row.only.unwrap_or(NAMES))));
        let counted = counted::ALL.iter().map(|workload| count::row(workload, 2, &names(CENTRAL)));
        let mut rows: Vec<RowRecord> = measured.chain(counted).collect();
        for (row, shift) in rows.iter_mut().zip(0..) {
            fill(row, shift);
        }
        record(ROUNDS, rows)
    }

    const ROUNDS: usize = 5;

    /// Gives each competitor figures of its own, in another order in each row.
    fn fill(row: &mut RowRecord, shift: usize) {
        let count = row.competitors.len();
        for round in 0..ROUNDS {
            let sample = |place: usize| {
                let figure = (1 + (place + shift) % count) as f64 * (10.0 + round as f64);
                let values = row.metrics.iter().map(|metric| (metric.key.clone(), figure)).collect();
                Sample::Ok { values }
            };
            let samples = (0..count).map(sample).collect();
            row.add(samples, Duration::from_secs(1));
        }
    }

    fn refusal(change: impl Fn(&mut Vec<Record>)) -> Option<String> {
        let mut records = vec![whole()];
        let measured = records[0].rows.len() - counted::ALL.len();
        let rows = records[0].rows.split_off(measured);
        records.push(record(ROUNDS, rows));
        change(&mut records);
        check(&records).err().map(|error| error.to_string())
    }

    #[test]
    fn one_run_and_one_count_of_everything_will_do() {
        assert_eq!(refusal(|_| ()), None);
    }

    #[test]
    fn all_else_is_refused_with_the_reason() {
        let says = |part: &str, change: &dyn Fn(&mut Vec<Record>)| {
            let refusal = refusal(change).expect("refused");
            assert!(refusal.contains(part), "{part} in {refusal}");
        };
        says("no record was given", &|records| records.clear());
        says("made with --no-record", &|records| {
            records[1].objections.push("it was made with --no-record".to_owned());
        });
        says("different commits: ", &|records| records[1].build.commit = "abc".to_owned());
        says("different machines: ", &|records| records[0].machine.cores = 64);
        says("different builds: ", &|records| records[0].build.versions.push('x'));
        says("no record holds dispatch-16", &|records| drop(records[0].rows.remove(0)));
        says("0 of 5 rounds", &|records| records[0].rows[4].competitors[0].samples.clear());
        says("two records hold `dispatch-16`", &|records| {
            let row = records[0].rows[0].clone();
            records[1].rows.push(row);
        });
    }
}
