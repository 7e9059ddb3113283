//! From samples to the cells of a table: median, least, most, and the ratio to the base.

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
    /// The middle one of the ratios to the base in the same round, which what drifts from round to round
    /// leaves alone.
    pub ratio: Option<f64>,
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

/// The table of one metric.
pub fn lines(row: &RowRecord, key: &str, base: &str) -> Vec<Line> {
    let base = row.competitors.iter().find(|competitor| competitor.name == base);
    let line = |competitor: &CompetitorRecord| Line {
        name: competitor.name.clone(),
        summary: summary(competitor, base, key),
        trouble: trouble(&competitor.samples),
    };
    row.competitors.iter().map(line).collect()
}

fn summary(competitor: &CompetitorRecord, base: Option<&CompetitorRecord>, key: &str) -> Option<Summary> {
    let figures: Vec<f64> = competitor.samples.iter().filter_map(|sample| sample.value(key)).collect();
    let ratio = |(own, other): (&Sample, &Sample)| {
        let (own, other) = (own.value(key)?, other.value(key)?);
        (other != 0.0).then_some(own / other)
    };
    let ratios: Vec<f64> = base
        .map_or(Vec::new(), |base| competitor.samples.iter().zip(&base.samples).filter_map(ratio).collect());
    Some(Summary {
        median: median(&figures)?,
        min: figures.iter().copied().reduce(f64::min)?,
        max: figures.iter().copied().reduce(f64::max)?,
        ratio: median(&ratios),
    })
}

/// The middle one, or the mean of the two in the middle; none of none.
fn median(figures: &[f64]) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
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
            s.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}")),
        ],
        None => ["-"; 4].map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn competitor(name: &str, figures: &[f64]) -> CompetitorRecord {
        let sample = |&value: &f64| Sample::Ok { values: [("ns".to_owned(), value)].into() };
        CompetitorRecord { name: name.to_owned(), samples: figures.iter().map(sample).collect() }
    }

    #[test]
    fn ratios_pair_the_rounds() {
        // The machine is twice as slow in the second round, which the ratio does not show.
        let base = competitor("rayon", &[100.0, 200.0, 100.0]);
        let mut own = competitor("push", &[10.0, 20.0, 11.0]);
        let got = summary(&own, Some(&base), "ns").expect("figures");
        assert_eq!(got, Summary { median: 11.0, min: 10.0, max: 20.0, ratio: Some(0.1) });

        own.samples[1] = Sample::Hung { seconds: 120 };
        assert_eq!(trouble(&own.samples), "hung 1 of 3");
        assert_eq!(summary(&own, None, "ns").expect("figures").ratio, None);
        assert_eq!(summary(&competitor("none", &[]), Some(&base), "ns"), None);
    }
}
