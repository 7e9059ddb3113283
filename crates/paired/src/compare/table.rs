//! The table of a comparison: a line for each figure, and which of them are better or worse.

use std::fmt::Write;

use anyhow::Result;
use longshore_rivals::rows::Better;

use super::{MARGIN_COUNTED, name};
use crate::ratio::{MARGIN, Ratio, Verdict};
use crate::record::{MetricRecord, Record, RowRecord};
use crate::stats::{Line, figure, lines};

/// One figure of one competitor in one row.
struct Entry {
    /// The row, the competitor and the figure.
    what: [String; 3],
    old: Option<f64>,
    new: Option<f64>,
    /// New to old.
    ratio: Option<Ratio>,
    better: Better,
    margin: f64,
    /// What went wrong.
    trouble: String,
}

impl Entry {
    fn cells(&self) -> [String; 7] {
        let [row, competitor, unit] = self.what.clone();
        let median = |median: Option<f64>| median.map_or_else(|| "-".to_owned(), figure);
        let ratio = self.ratio.map_or_else(|| "-".to_owned(), |ratio| ratio.cell());
        let verdict = self.verdict().map_or("-", Verdict::plain);
        let trouble = if self.trouble.is_empty() { String::new() } else { format!(" ({})", self.trouble) };
        [row, competitor, unit, median(self.old), median(self.new), ratio, format!("{verdict}{trouble}")]
    }

    fn verdict(&self) -> Option<Verdict> {
        self.ratio.map(|ratio| ratio.verdict(self.better, self.margin))
    }
}

/// The table, and below it how often the new side is better, level and worse.
pub fn table(record: &Record) -> Result<String> {
    let entries: Vec<Entry> = record.rows.iter().flat_map(entries).collect();
    let mut text = String::new();
    let heads = ["row", "competitor", "figure (less is better)", "old", "new", "new/old", "new is"];
    let cells: Vec<[String; 7]> =
        [heads.map(str::to_owned)].into_iter().chain(entries.iter().map(Entry::cells)).collect();
    let width = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for [row, competitor, unit, old, new, ratio, verdict] in &cells {
        let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|column| widths[column]);
        writeln!(
            text,
            "{row:<a$}  {competitor:<b$}  {unit:<c$}  {old:>d$}  {new:>e$}  {ratio:<f$}  {verdict}"
        )?;
    }
    writeln!(text)?;
    for verdict in Verdict::ALL {
        let of: Vec<&Entry> = entries.iter().filter(|entry| entry.verdict() == Some(verdict)).collect();
        let list: Vec<String> = of.iter().map(|entry| entry.what.join(" ")).collect();
        let names = match verdict {
            Verdict::Level => String::new(),
            _ if list.is_empty() => String::new(),
            _ => format!(": {}", list.join("; ")),
        };
        writeln!(text, "{} in {} of {} figures{names}", verdict.plain(), of.len(), entries.len())?;
    }
    Ok(text)
}

/// The figures of a row: for each competitor and metric the old side and the new.
fn entries(row: &RowRecord) -> Vec<Entry> {
    let is_counted = row.metrics.iter().any(|metric| metric.key == "instructions");
    let margin = if is_counted { MARGIN_COUNTED } else { MARGIN };
    let suffix = name("", "old");
    let competitors = row.competitors.iter().filter_map(|side| side.name.strip_suffix(&suffix));
    let entry = |competitor: &str, metric: &MetricRecord| {
        let (old, new) = (name(competitor, "old"), name(competitor, "new"));
        let all = lines(row, &metric.key, &old);
        let [old, new] = [old, new].map(|name| all.iter().find(|line| line.name == name));
        let is_offered = |line: &&Line| line.is_offered();
        let (old, new) = (old.filter(is_offered)?, new.filter(is_offered)?);
        let mut trouble = Vec::new();
        for (side, line) in [("old", old), ("new", new)] {
            if !line.trouble.is_empty() {
                trouble.push(format!("{side} {}", line.trouble));
            }
        }
        let direction = if metric.better == Better::Higher { " (more is better)" } else { "" };
        Some(Entry {
            what: [row.id.clone(), competitor.to_owned(), format!("{}{direction}", metric.unit)],
            old: old.summary.as_ref().map(|summary| summary.median),
            new: new.summary.as_ref().map(|summary| summary.median),
            ratio: new.summary.as_ref().and_then(|summary| summary.ratio),
            better: metric.better,
            margin,
            trouble: trouble.join(", "),
        })
    };
    competitors
        .flat_map(|competitor| row.metrics.iter().filter_map(move |metric| entry(competitor, metric)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{record, row};
    use crate::sample::Sample;

    #[test]
    fn the_new_side_is_judged_against_the_old() {
        let old: Vec<f64> = (0..15).map(|round| 100.0 + f64::from(round)).collect();
        let scaled = |factor: f64| old.iter().map(|figure| figure * factor).collect::<Vec<_>>();
        let slower: Vec<f64> =
            old.iter().zip(0..).map(|(figure, round)| figure * (1.15 + 0.01 * f64::from(round))).collect();
        let same = scaled(1.01);
        let mut gone = row("c", &[("push, old", &old), ("push, new", &same)]);
        gone.competitors[1].samples = vec![Sample::Failed { message: "no".to_owned() }; 15];
        let rows = vec![
            row(
                "a",
                &[("push, old", &old), ("push, new", &slower), ("pull, old", &old), ("pull, new", &same)],
            ),
            gone,
        ];
        let text = table(&record(15, rows)).expect("a table");
        let line = |start: [&str; 2]| {
            text.lines().find(|line| start.iter().all(|part| line.contains(part))).expect("a line").to_owned()
        };
        assert!(line(["a  ", "push"]).ends_with("1.22 (1.18 to 1.26)  worse"), "{text}");
        assert!(line(["a  ", "pull"]).ends_with("level"), "{text}");
        assert!(line(["c  ", "push"]).contains("(new failed)"), "{text}");
        assert!(text.contains("worse in 1 of 3 figures: a push ns per task\n"), "{text}");
        assert!(text.contains("level in 1 of 3 figures\n"), "{text}");
    }

    #[test]
    fn counted_figures_have_a_narrow_margin() {
        let mut row = row("count-x", &[("push, old", &[100.0; 5]), ("push, new", &[102.0; 5])]);
        assert_eq!(entries(&row)[0].verdict(), Some(Verdict::Level));
        row.metrics[0].key = "instructions".to_owned();
        for side in &mut row.competitors {
            for sample in &mut side.samples {
                let value = sample.value("ns").expect("a figure");
                *sample = Sample::Ok { values: [("instructions".to_owned(), value)].into() };
            }
        }
        assert_eq!(entries(&row)[0].verdict(), Some(Verdict::Worse));
    }
}
