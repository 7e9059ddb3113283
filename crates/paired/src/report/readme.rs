//! The table of figures in README.md: between two marks, from the records, so that they are not typed.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Entry;
use super::standing::{best, middle};
use crate::record::MetricRecord;
use crate::stats::figure;

const BEGIN: &str = "<!-- figures: written by `longshore-paired report` -->\n";
const END: &str = "<!-- end of the figures -->\n";

/// What the table shows: words, row, and which of its figures. `{none}` is what the work takes without a
/// pool.
const FIGURES: [(&str, &str, &str); 6] = [
    ("dispatch of a tiny task by one producer, ns", "dispatch-16", "ns"),
    ("by eight producers, ns", "producers-8", "ns"),
    ("a result through a handle, ns", "results", "ns"),
    ("photographs resized, a second", "images", "rate"),
    ("Fibonacci by joins, ns a join, 2 workers", "fib", "ns"),
    ("sum of 10,000 numbers ({none} us on one core), us", "sum-10k", "us"),
];

/// Renews the table, if the folder has a README.md.
pub fn update(entries: &[Entry<'_>], folder: &Path) -> Result<()> {
    let path = folder.join("README.md");
    if !path.exists() {
        return Ok(());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    fs::write(&path, renewed(&text, entries)?).with_context(|| format!("cannot write {}", path.display()))
}

fn renewed(text: &str, entries: &[Entry<'_>]) -> Result<String> {
    let Some((before, (_, after))) =
        text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)))
    else {
        bail!("README.md has no place for the figures: {BEGIN}");
    };
    Ok(format!("{before}{BEGIN}{}{END}{after}", table(entries)?))
}

/// The table, or nothing if no run at full scale has any of it.
fn table(entries: &[Entry<'_>]) -> Result<String> {
    let find = |id: &str| entries.iter().find(|entry| entry.row.id == id && !entry.record.quick);
    let Some(machine) =
        FIGURES.iter().rev().find_map(|(_, id, _)| find(id)).map(|entry| &entry.record.machine)
    else {
        return Ok(String::new());
    };
    let mut text = format!("On {} cores ({}), medians:\n\n", machine.cores, machine.cpu);
    writeln!(text, "| | push | pull | rayon | best other peer |\n|---|---:|---:|---:|---:|")?;
    for (words, id, key) in FIGURES {
        let metric =
            |entry: &'_ Entry<'_>| entry.row.metrics.iter().find(|metric| metric.key == key).cloned();
        match find(id).and_then(|entry| Some((entry, metric(entry)?))) {
            Some((entry, metric)) => figures(&mut text, words, entry, &metric)?,
            None => {
                writeln!(text, "| {} | not measured | | | |", words.replace(" ({none} us on one core)", ""))?
            }
        }
    }
    Ok(text)
}

fn figures(text: &mut String, words: &str, entry: &Entry<'_>, metric: &MetricRecord) -> Result<()> {
    let of = |name: &str| middle(entry.row, metric, name);
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
    let best = best(entry.row, metric, |name| name != "rayon");
    let best = best.map_or_else(|| "-".to_owned(), |best| format!("{} ({})", figure(best.median), best.name));
    let words = match of("none") {
        Some(none) => words.replace("{none}", &figure(none)),
        None => words.replace(" ({none} us on one core)", ""),
    };
    let (push, pull, rayon) = (cell(of("push")), cell(of("pull")), cell(of("rayon")));
    writeln!(text, "| {words} | {push} | {pull} | {rayon} | {best} |")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use longshore_rivals::rows;

    #[test]
    fn what_the_table_shows_is_there_to_be_measured() {
        let rows = rows::all();
        for (words, id, key) in FIGURES {
            let row = rows.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id}: {words}"));
            assert!(row.metrics.iter().any(|metric| metric.key == key), "{id} has no {key}");
        }
    }

    #[test]
    fn the_rest_of_the_text_stays() {
        let text = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(renewed(&text, &[]).expect("marks"), format!("before\n{BEGIN}{END}after\n"));
        assert!(renewed("without marks", &[]).is_err());
    }
}
