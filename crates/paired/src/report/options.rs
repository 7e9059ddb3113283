//! What an option costs: each of this library's pools with it beside the same pool without.

use std::fmt::{Result, Write};

use super::Entry;
use crate::ratio::Ratio;
use crate::record::MetricRecord;
use crate::stats::{Line, figure, lines};

/// A pool with an option, in one figure of a row.
struct Cost {
    id: String,
    unit: String,
    name: String,
    plain: f64,
    with_it: f64,
    /// With the option to without.
    ratio: Ratio,
}

/// The pool without the option: `push` of `push-elastic`.
fn plain(name: &str) -> Option<&str> {
    let (plain, _) = name.split_once('-')?;
    ["push", "pull"].contains(&plain).then_some(plain)
}

fn costs(entry: &Entry<'_>, metric: &MetricRecord) -> Vec<Cost> {
    let cost = |line: &Line| {
        let against = lines(entry.row, &metric.key, plain(&line.name)?);
        let median = |name: &str| {
            against.iter().find(|line| line.name == name)?.summary.as_ref().map(|summary| summary.median)
        };
        Some(Cost {
            id: entry.row.id.clone(),
            unit: metric.unit.clone(),
            name: line.name.clone(),
            plain: median(plain(&line.name)?)?,
            with_it: median(&line.name)?,
            ratio: against.iter().find(|other| other.name == line.name)?.summary.as_ref()?.ratio?,
        })
    };
    lines(entry.row, &metric.key, "").iter().filter_map(cost).collect()
}

/// Appends a table of all of them.
pub fn options(text: &mut String, entries: &[Entry<'_>]) -> Result {
    let of_row = |entry: &Entry<'_>| -> Vec<Cost> {
        entry.row.metrics.iter().flat_map(|metric| costs(entry, metric)).collect()
    };
    let all: Vec<Cost> = entries.iter().flat_map(of_row).collect();
    if all.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n## Options\n\nThe pools with an option beside the same pool without it:\n")?;
    writeln!(text, "| row | figure | pool | without | with | ratio |\n|---|---|---|---:|---:|---:|")?;
    for cost in all {
        let (without, with_it) = (figure(cost.plain), figure(cost.with_it));
        writeln!(
            text,
            "| `{}` | {} | {} | {without} | {with_it} | {} |",
            cost.id,
            cost.unit,
            cost.name,
            cost.ratio.cell()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_belong_to_a_pool() {
        assert_eq!(plain("push-elastic"), Some("push"));
        assert_eq!(plain("pull-sampled"), Some("pull"));
        assert_eq!(plain("push"), None);
        assert_eq!(plain("channel-bounded"), None);
    }
}
