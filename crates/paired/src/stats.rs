//! From samples to the cells of a table: median, least, most, and the ratio to the base.

use crate::ratio::{Ratio, median};
use crate::record::{CompetitorRecord, RowRecord};
use crate::sample::Sample;

/// One competitor's figures of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The middle one.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
    /// The ratio to the base.
    pub ratio: Option<Ratio>,
}

/// One competitor's line in the table of one metric.
#[derive(Clone, Debug)]
pub struct Line {
    /// The competitor.
    pub name: String,
    /// Its figures, if any measurement gave one.
    pub summary: Option<Summary>,
    /// What went wrong, and how often; empty if nothing.
    pub trouble: String,
}

impl Line {
    /// Whether the competitor offers the thing at all.
    pub fn is_offered(&self) -> bool {
        self.trouble != "-"
    }
}

/// The table of one metric, with the ratios to this base.
pub fn lines(row: &RowRecord, key: &str, base: &str) -> Vec<Line> {
    let base = row.competitor(base);
    let line = |competitor: &CompetitorRecord| Line {
        name: competitor.name.clone(),
        summary: summary(competitor, base, key),
        trouble: trouble(&competitor.samples),
    };
    row.competitors.iter().map(line).collect()
}

fn summary(competitor: &CompetitorRecord, base: Option<&CompetitorRecord>, key: &str) -> Option<Summary> {
    let by_round = competitor.figures(key);
    let figures = || by_round.iter().copied().flatten();
    Some(Summary {
        median: median(figures())?,
        min: figures().reduce(f64::min)?,
        max: figures().reduce(f64::max)?,
        ratio: base.and_then(|base| Ratio::of(&by_round, &base.figures(key))),
    })
}

fn trouble(samples: &[Sample]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for word in samples.iter().filter_map(Sample::trouble) {
        match kinds.iter_mut().find(|kind| kind.0 == word) {
            Some(kind) => kind.1 += 1,
            None => kinds.push((word, 1)),
        }
    }
    let tell = |(word, times): &(&str, usize)| match *times {
        all if all == samples.len() => (*word).to_owned(),
        some => format!("{word} {some} of {}", samples.len()),
    };
    kinds.iter().map(tell).collect::<Vec<_>>().join(", ")
}

/// A figure with about three digits that mean something.
pub fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The texts of a line's cells: median, least, most, ratio.
pub fn cells(line: &Line) -> [String; 4] {
    match &line.summary {
        Some(s) => [
            figure(s.median),
            figure(s.min),
            figure(s.max),
            s.ratio.map_or_else(|| "-".to_owned(), |ratio| ratio.cell()),
        ],
        None => ["-"; 4].map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::row;

    #[test]
    fn a_line_has_the_figures_of_all_rounds() {
        let row =
            row("a", &[("rayon", &[100.0, 200.0, 100.0]), ("push", &[10.0, 20.0, 11.0]), ("none", &[])]);
        let lines = lines(&row, "ns", "rayon");
        let push = lines[1].summary.as_ref().expect("figures");
        assert_eq!((push.median, push.min, push.max), (11.0, 10.0, 20.0));
        assert_eq!(push.ratio.expect("a ratio").value, 0.1);
        assert_eq!(lines[2].summary, None);
        assert_eq!(cells(&lines[1]), ["11.0", "10.0", "20.0", "0.100 (0.100 to 0.110)"]);
        assert_eq!(cells(&lines[2]), ["-"; 4]);
    }

    #[test]
    fn trouble_is_counted() {
        let mut row = row("a", &[("push", &[1.0, 2.0, 3.0])]);
        row.competitors[0].samples[1] = Sample::Hung { seconds: 120 };
        let line = &lines(&row, "ns", "rayon")[0];
        assert_eq!(line.trouble, "hung 1 of 3");
        assert_eq!(line.summary.as_ref().expect("figures").ratio, None);
    }
}
