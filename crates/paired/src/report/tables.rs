//! docs/benchmarks.md: the table of every figure of every row.

use std::fmt::{Error, Result, Write};

use super::text::paragraph;
use super::{Entry, direction, missing, options, page, summary, trouble};
use crate::record::{MetricRecord, Record, RowRecord};
use crate::stats::{cells, lines};

/// The page.
pub fn page(records: &[Record], entries: &[Entry<'_>], is_draft: bool) -> std::result::Result<String, Error> {
    let mut text = "# All benchmarks\n\n".to_owned();
    let what = "Every table of the run that [BENCHMARKS.md](../BENCHMARKS.md) is made of, which says how the figures \
                are made, on which machine and of which commit. Generated, as that page is.";
    paragraph(&mut text, "", what)?;
    if is_draft {
        page::draft(&mut text, records)?;
    }
    let standings = summary::standings(entries);
    writeln!(text, "\n## Push against the others\n")?;
    paragraph(&mut text, "", &format!("{} After it, the interval of the ratio.", summary::legend()))?;
    writeln!(text)?;
    summary::all(&mut text, &standings)?;
    let absent: Vec<String> = entries
        .iter()
        .filter(|entry| !standings.iter().any(|standing| standing.id == entry.row.id))
        .map(|entry| format!("`{}`", entry.row.id))
        .collect();
    if !absent.is_empty() {
        writeln!(text)?;
        paragraph(&mut text, "", &format!("`push` has no figure in {}.", absent.join(", ")))?;
    }
    options::options(&mut text, entries)?;
    writeln!(text, "\n## Rows")?;
    entries.iter().try_for_each(|entry| row(&mut text, entry))?;
    Ok(text)
}

fn row(text: &mut String, entry: &Entry<'_>) -> Result {
    let Entry { record, row } = entry;
    let quick = if record.quick { ", **reduced**" } else { "" };
    writeln!(text, "\n### {}\n\n`{}`, {} workers{quick}.", row.title, row.id, row.workers)?;
    for metric in &row.metrics {
        table(text, record, row, metric)?;
    }
    missing::competitors(text, entry)?;
    writeln!(text)?;
    paragraph(text, "", &format!("Not shown: {}", row.not_shown))
}

fn table(text: &mut String, record: &Record, row: &RowRecord, metric: &MetricRecord) -> Result {
    let base = row.base_or(&record.base);
    writeln!(
        text,
        "\n| {}, {} | median | min | max | ratio to {base} (interval) |",
        metric.unit,
        direction(metric.better),
    )?;
    writeln!(text, "|---|---:|---:|---:|---:|")?;
    for line in lines(row, &metric.key, base).iter().filter(|line| line.is_offered()) {
        let note = trouble(line);
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        writeln!(text, "| {}{note} | {} |", line.name, cells(line).join(" | "))?;
    }
    Ok(())
}
