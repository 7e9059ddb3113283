//! The tables, for the terminal and for BENCHMARKS.md.

use std::fmt::Write;

use longshore_rivals::rows::Better;

use crate::record::{MetricRecord, Record, RowRecord};
use crate::stats::{Line, cells, lines};

/// What BENCHMARKS.md begins with.
const HEAD: &str = "\
# Benchmarks

Generated from the records of `crates/paired`; no figure is typed by hand. The commands, with the files that are
in the repository:

```text
cargo run --release -p longshore-paired -- run --json FILE
cargo run --release -p longshore-paired -- report FILE... > BENCHMARKS.md
```

Every measurement runs in a process of its own. Within a round, all competitors take their turn at a row, in an
order that changes; a table gives the median, the least and the most of the rounds. *Ratio* is to the base, the
median of the ratios within each round. Every task is accounted for: a competitor that loses, doubles or falsifies
one gets no figure. `none` is the same work done by the caller, without any pool; `-` is what a competitor does not
offer. `push` is Longshore's pool; `channel-*` are pools of a channel and some threads, written here.
";

/// The tables of a run for a terminal.
pub fn plain(record: &Record) -> String {
    let mut text = String::new();
    for row in &record.rows {
        for metric in &row.metrics {
            plain_table(&mut text, record, row, metric).expect("a string takes everything");
        }
    }
    text
}

fn plain_table(
    text: &mut String,
    record: &Record,
    row: &RowRecord,
    metric: &MetricRecord,
) -> std::fmt::Result {
    writeln!(text, "\n{}: {} ({} workers)", row.id, row.title, row.workers)?;
    writeln!(
        text,
        "  {:<18}{:>10}{:>10}{:>10}{:>10}  {}, {}",
        "",
        "median",
        "min",
        "max",
        format!("/{}", record.base),
        metric.unit,
        direction(metric.better)
    )?;
    for line in lines(row, &metric.key, &record.base) {
        let [median, min, max, ratio] = cells(&line);
        writeln!(text, "  {:<18}{median:>10}{min:>10}{max:>10}{ratio:>10}  {}", line.name, trouble(&line))?;
    }
    Ok(())
}

/// BENCHMARKS.md of these runs.
pub fn markdown(records: &[Record]) -> String {
    let mut text = HEAD.to_owned();
    for record in records {
        run(&mut text, record).expect("a string takes everything");
    }
    text
}

fn run(text: &mut String, record: &Record) -> std::fmt::Result {
    let build = &record.build;
    let dirty = if build.dirty { ", with changes" } else { "" };
    writeln!(text, "\n## Run of {}\n", record.date)?;
    if record.quick {
        writeln!(text, "**A reduced run: it shows that everything works; its figures mean nothing.**\n")?;
    }
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(
        text,
        "| machine | {}, {} cores, {} |",
        record.machine.cpu, record.machine.cores, record.machine.kernel
    )?;
    writeln!(text, "| load when it began | {} |", record.machine.load)?;
    writeln!(text, "| commit | {}{dirty} |", build.commit)?;
    writeln!(text, "| compiler | {}, profile {} |", build.rustc, build.profile)?;
    writeln!(text, "| competitors | {} |", build.versions)?;
    writeln!(text, "| rounds | {} |", record.rounds)?;
    writeln!(text, "| command | `{}` |", record.command)?;
    for row in &record.rows {
        writeln!(text, "\n### {}\n", row.title)?;
        writeln!(text, "`{}`, {} workers.", row.id, row.workers)?;
        for metric in &row.metrics {
            markdown_table(text, record, row, metric)?;
        }
        writeln!(text, "\nNot shown: {}", row.not_shown)?;
    }
    Ok(())
}

fn markdown_table(
    text: &mut String,
    record: &Record,
    row: &RowRecord,
    metric: &MetricRecord,
) -> std::fmt::Result {
    writeln!(
        text,
        "\n| {}, {} | median | min | max | ratio to {} |",
        metric.unit,
        direction(metric.better),
        record.base
    )?;
    writeln!(text, "|---|---:|---:|---:|---:|")?;
    for line in lines(row, &metric.key, &record.base) {
        let note = trouble(&line);
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        writeln!(text, "| {}{note} | {} |", line.name, cells(&line).join(" | "))?;
    }
    Ok(())
}

fn direction(better: Better) -> &'static str {
    match better {
        Better::Lower => "less is better",
        Better::Higher => "more is better",
    }
}

/// What went wrong, in words; nothing where the competitor does not offer the thing, which its cells say.
fn trouble(line: &Line) -> &str {
    if line.trouble == "-" { "" } else { &line.trouble }
}
