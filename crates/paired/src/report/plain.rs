//! The tables of a run for a terminal.

use std::fmt::Write;

use super::{direction, trouble};
use crate::record::{MetricRecord, Record, RowRecord};
use crate::stats::{cells, lines};

/// All tables.
pub fn tables(record: &Record) -> String {
    let mut text = String::new();
    for row in &record.rows {
        for metric in &row.metrics {
            table(&mut text, record, row, metric).expect("a string takes everything");
        }
    }
    text
}

fn table(text: &mut String, record: &Record, row: &RowRecord, metric: &MetricRecord) -> std::fmt::Result {
    let base = row.base_or(&record.base);
    writeln!(text, "\n{}: {} ({} workers)", row.id, row.title, row.workers)?;
    writeln!(
        text,
        "  {:<18}{:>10}{:>10}{:>10}  {:<26}{}, {}",
        "",
        "median",
        "min",
        "max",
        format!("/{base}"),
        metric.unit,
        direction(metric.better)
    )?;
    for line in lines(row, &metric.key, base).iter().filter(|line| line.is_offered()) {
        let [median, min, max, ratio] = cells(line);
        writeln!(text, "  {:<18}{median:>10}{min:>10}{max:>10}  {ratio:<26}{}", line.name, trouble(line))?;
    }
    Ok(())
}
