//! What is made of records: tables for the terminal; BENCHMARKS.md with its summary and its plots.

mod missing;
mod options;
pub mod plain;
mod plots;
mod readme;
mod summary;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use longshore_rivals::rows::Better;

use crate::record::{MetricRecord, Record, RowRecord};
use crate::stats::{Line, cells, lines};

/// Where the plots are, seen from BENCHMARKS.md.
const PLOTS: &str = "docs/plots";

/// What BENCHMARKS.md begins with.
const HEAD: &str = "\
# Benchmarks

Generated from the records of `crates/paired`; no figure is typed by hand. The commands (forte asks for Rust 1.96; the
flag lets 1.95 build it; without the feature it is left out):

```text
cargo run --release --ignore-rust-version -p longshore-paired --features forte -- run --json target/run.json
cargo run --release --ignore-rust-version -p longshore-paired --features forte -- count --json target/count.json
cargo run --release -p longshore-paired -- report target/run.json target/count.json
```

Where several records hold the same row, the last one counts: a row can be measured anew by `run --rows`.

Every measurement runs in a process of its own. Within a round, all competitors take their turn at a row, in an
order that changes; a table gives the median, the least and the most of the rounds. *Ratio* is to the base, the
median of the ratios within each round. Every task is accounted for: a competitor that loses, doubles or falsifies
one gets no figure. `none` is the same work done by the caller, without any pool; `side-by-side` are threads without a pool
that do all of it each. `push` and `pull` are Longshore's pools, `push-..` and `pull-..` the same with an option that the
row is about; `channel-*` are pools of a channel and some threads, written here; `std-thread` starts a thread for each
task. Plots show the median as a dot and the range as a line.
";

/// A row, with the run that it is from.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    run: usize,
    record: &'a Record,
    row: &'a RowRecord,
}

/// The rows of all records in the order of the program, each from the last record that holds it.
fn merged(records: &[Record]) -> Vec<Entry<'_>> {
    let known = missing::known();
    let mut latest: BTreeMap<(usize, &str), Entry<'_>> = BTreeMap::new();
    for (run, record) in records.iter().enumerate() {
        // A row in which nobody was measured says nothing.
        for row in record.rows.iter().filter(|row| row.competitors.iter().any(|c| !c.samples.is_empty())) {
            let place = known.iter().position(|known| known.id == row.id).unwrap_or(known.len());
            latest.insert((place, &row.id), Entry { run, record, row });
        }
    }
    latest.into_values().collect()
}

/// Writes BENCHMARKS.md and its plots into a folder.
pub fn write(records: &[Record], folder: &Path) -> Result<()> {
    let entries = merged(records);
    let plots = folder.join(PLOTS);
    if plots.exists() {
        // Plots of rows that are gone must not stay.
        fs::remove_dir_all(&plots).with_context(|| format!("cannot empty {}", plots.display()))?;
    }
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    let drawn = plots::draw(&entries, &plots)?;
    let text = markdown(records, &entries, &drawn)?;
    let path = folder.join("BENCHMARKS.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    readme::update(&entries, folder)
}

/// The text of BENCHMARKS.md; `drawn` are the plots that follow each row.
fn markdown(
    records: &[Record],
    entries: &[Entry<'_>],
    drawn: &BTreeMap<String, Vec<String>>,
) -> Result<String> {
    let mut text = HEAD.to_owned();
    summary::summary(&mut text, entries)?;
    options::options(&mut text, entries)?;
    missing::rows(&mut text, entries)?;
    writeln!(text, "\n## Runs")?;
    for (run, record) in records.iter().enumerate() {
        if entries.iter().any(|entry| entry.run == run) {
            run_table(&mut text, run, record)?;
        }
    }
    writeln!(text, "\n## Rows")?;
    for entry in entries {
        row(&mut text, entry)?;
        for plot in drawn.get(&entry.row.id).into_iter().flatten() {
            writeln!(text, "\n![{plot}]({PLOTS}/{plot}.svg)")?;
        }
    }
    Ok(text)
}

fn run_table(text: &mut String, run: usize, record: &Record) -> std::fmt::Result {
    let (build, machine) = (&record.build, &record.machine);
    writeln!(text, "\n### Run {} of {}\n", run + 1, record.date)?;
    if record.quick {
        writeln!(text, "**A reduced run: it shows that everything works; its figures mean nothing.**\n")?;
    }
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(text, "| machine | {machine} |")?;
    writeln!(text, "| load when it began | {} |", record.seen.load_before)?;
    writeln!(text, "| commit | {} |", build.commit)?;
    writeln!(text, "| compiler | {}, profile {} |", build.rustc, build.profile)?;
    writeln!(text, "| competitors | {} |", build.versions)?;
    writeln!(text, "| rounds | {} |", record.rounds)?;
    writeln!(text, "| command | `{}` |", record.command)
}

fn row(text: &mut String, entry: &Entry<'_>) -> std::fmt::Result {
    let Entry { run, record, row } = entry;
    writeln!(text, "\n### {}\n", row.title)?;
    let quick = if record.quick { ", **reduced**" } else { "" };
    writeln!(text, "`{}`, {} workers, run {}{quick}.", row.id, row.workers, run + 1)?;
    for metric in &row.metrics {
        table(text, record, row, metric)?;
    }
    missing::competitors(text, entry)?;
    writeln!(text, "\nNot shown: {}", row.not_shown)
}

fn table(text: &mut String, record: &Record, row: &RowRecord, metric: &MetricRecord) -> std::fmt::Result {
    let base = row.base_or(&record.base);
    writeln!(
        text,
        "\n| {}, {} | median | min | max | ratio to {base} |",
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

fn direction(better: Better) -> &'static str {
    match better {
        Better::Lower => "less is better",
        Better::Higher => "more is better",
    }
}

/// What went wrong, in words; nothing where the competitor does not offer the thing.
fn trouble(line: &Line) -> &str {
    if line.is_offered() { &line.trouble } else { "" }
}
