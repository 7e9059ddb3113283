//! How far a run is, and how long the rest will take.

use std::time::Duration;

use crate::record::Record;

/// Tells on standard error which unit is next; a unit is one round of one row.
#[derive(Debug)]
pub struct Progress {
    units: usize,
    done: usize,
}

impl Progress {
    /// Of a record that may hold some units.
    pub fn new(record: &Record) -> Self {
        let done = record.rows.iter().map(|row| row.rounds().min(record.rounds)).sum();
        let units = record.rounds * record.rows.len();
        if done > 0 && done < units {
            eprintln!("goes on after {done} of {units} units");
        }
        Self { units, done }
    }

    /// Names the unit that begins; the line stays open for what goes wrong in it.
    pub fn announce(&self, record: &Record, round: usize, index: usize) {
        let rest = rest(record).map_or(String::new(), |rest| format!(", about {} left", minutes(rest)));
        let row = &record.rows[index].id;
        eprint!("{}/{} (round {} of {}{rest}): {row}", self.done + 1, self.units, round + 1, record.rounds);
    }

    /// The unit is over.
    pub fn done(&mut self) {
        self.done += 1;
        eprintln!();
    }
}

/// The time that the missing units will take: as long as earlier rounds of the same row, and for a row
/// without any as long as the mean of all others. Nothing while no unit is done.
fn rest(record: &Record) -> Option<Duration> {
    let mean = |seconds: &mut dyn Iterator<Item = f64>| {
        let (count, sum) = seconds.fold((0, 0.0), |(count, sum), s| (count + 1, sum + s));
        (count > 0).then(|| sum / f64::from(count))
    };
    let of_all = mean(&mut record.rows.iter().flat_map(|row| &row.seconds).copied())?;
    let of_row = |seconds: &[f64]| mean(&mut seconds.iter().copied()).unwrap_or(of_all);
    let missing = |rounds: usize| record.rounds.saturating_sub(rounds) as f64;
    let seconds = record.rows.iter().map(|row| missing(row.rounds()) * of_row(&row.seconds)).sum();
    Some(Duration::from_secs_f64(seconds))
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        short if short < 90 => format!("{short} s"),
        long => format!("{} min", (long + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{record, row};

    #[test]
    fn the_rest_takes_as_long_as_before() {
        let mut record = record(3, vec![row("a", &[("push", &[1.0])]), row("b", &[]), row("c", &[])]);
        assert_eq!(rest(&record), None);
        record.rows[0].seconds = vec![10.0];
        // Two rounds of the first row, three each of the other two, of which nothing is known.
        assert_eq!(rest(&record), Some(Duration::from_secs(80)));
        record.rows[1].seconds = vec![20.0];
        assert_eq!(rest(&record), Some(Duration::from_secs(20 + 60 + 45)));
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(minutes(Duration::from_secs(89)), "89 s");
        assert_eq!(minutes(Duration::from_secs(4000)), "67 min");
    }
}
