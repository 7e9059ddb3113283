//! BENCHMARKS.md: one run in short, with its most telling tables and plots, what they do not show, and how to
//! make them.

use std::fmt::{Result, Write};

use super::plots::Drawn;
use super::text::paragraph;
use super::{Entry, PLOTS, TABLES, missing, summary};
use crate::calm::{BUSY, FOREIGN, LOAD_PER_CORE, percent};
use crate::ratio::{LEAST_ROUNDS, confidence};
use crate::record::Record;

const HOW: [&str; 4] = [
    "Every measurement runs in a process of its own. In each round all competitors take their turn at a row, in an \
     order that changes. Every task is accounted for: a competitor that loses, doubles or falsifies one gets no \
     figure.",
    "A figure is the median of the rounds. A *ratio* is the median of the quotients of the same round, because a \
     machine drifts, and drift cancels within a round only; its *interval* holds the true median of the quotients with \
     the confidence given below, whatever their distribution (the interval of the sign test). One side is better \
     or worse only if the ratio differs from 1 by more than the margin, the interval excludes 1, and the medians \
     point the same way; the module `crates/paired/src/ratio.rs` has the definition and the reasons.",
    "`none` is the same work done by the caller, without any pool; `side-by-side` are threads without a pool that \
     do all of it each. `push` and `pull` are Longshore's pools, `push-..` and `pull-..` the same with an option that \
     the row is about; `channel-*` are pools of a channel and some threads, written here; `std-thread` starts a \
     thread for each task.",
    "What no table shows: more cores than the machine below has, other processors, and the neighbours that a virtual \
     machine has on its host.",
];

const COMMANDS: &str = "\
```text
paired='cargo run --release --ignore-rust-version -p longshore-paired --features forte --'
$paired run --sitting --rounds 5 --json target/run.json
$paired count --json target/count.json
$paired report target/run.json target/count.json
```
";

/// The page.
pub fn page(
    records: &[Record],
    entries: &[Entry<'_>],
    drawn: &[Drawn],
    is_draft: bool,
) -> std::result::Result<String, std::fmt::Error> {
    let mut text = "# Benchmarks\n\n".to_owned();
    let what = format!(
        "Generated from one run of all rows on one commit; no figure is typed by hand. [{TABLES}]({TABLES}) has the \
         tables of all rows."
    );
    paragraph(&mut text, "", &what)?;
    if is_draft {
        draft(&mut text, records)?;
    }
    writeln!(text, "\n## How the figures are made")?;
    for how in HOW {
        writeln!(text)?;
        paragraph(&mut text, "", how)?;
    }
    writeln!(text, "\n## The run\n")?;
    runs(&mut text, records)?;
    missing::rows(&mut text, entries)?;

    let standings = summary::standings(entries);
    writeln!(text, "\n## In short\n\nPush, over all figures that it has:\n")?;
    summary::account(&mut text, &standings)?;
    writeln!(text)?;
    summary::headlines(&mut text, &standings)?;
    writeln!(text)?;
    paragraph(&mut text, "", &summary::legend())?;
    writeln!(text, "\n### What this table does not show\n")?;
    not_shown(&mut text, entries)?;

    writeln!(
        text,
        "\n## Plots\n\nThe median, as a dot; in plots of one row the line is the range of the rounds."
    )?;
    for plot in drawn {
        writeln!(text, "\n![{}]({PLOTS}/{}.svg)\n", plot.title, plot.name)?;
        paragraph(&mut text, "", &format!("Not shown: {}", plot.not_shown))?;
    }
    writeln!(text, "\n## Making the figures anew\n\n{COMMANDS}")?;
    for words in anew() {
        paragraph(&mut text, "", &words)?;
        writeln!(text)?;
    }
    Ok(text.trim_end().to_owned() + "\n")
}

/// Says that the page is none to be quoted, and why.
pub fn draft(text: &mut String, records: &[Record]) -> Result {
    let mut reasons: Vec<&str> = Vec::new();
    for objection in records.iter().flat_map(|record| &record.objections) {
        if !reasons.contains(&objection.as_str()) {
            reasons.push(objection);
        }
    }
    let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
    writeln!(text)?;
    paragraph(text, "", &format!("**A draft, not to be quoted**{reasons}."))
}

/// How to make the page, what the commands refuse, and what else they can do.
fn anew() -> [String; 3] {
    [
        format!(
            "`run --json` wants a work tree without changes and a calm machine: when it begins at most a load of \
             {LOAD_PER_CORE} for each core, before each row at most {} of the processors busy, during it at most {} used by \
             other programs. It waits for that, at most `--patience` seconds, and takes disturbed rounds anew. It can be \
             interrupted at any time, and the same command goes on with the same commit on the same machine.",
            percent(BUSY),
            percent(FOREIGN)
        ),
        format!(
            "Five rounds take about an hour on two cores; {LEAST_ROUNDS} are the least that a record may have. Forte asks \
             for Rust 1.96; the flag lets 1.95 build it, and without the feature it is left out. Counting needs valgrind and \
             objdump. `--no-record` measures on any machine; `report` then makes a draft only, in another folder."
        ),
        "`compare OLD NEW` measures two commits of this repository against each other; docs/TESTING.md has an example."
            .to_owned(),
    ]
}

/// The tables of the runs: one if all was measured and counted at a time.
fn runs(text: &mut String, records: &[Record]) -> Result {
    let Some(first) = records.first() else { return Ok(()) };
    let build = &first.build;
    writeln!(text, "| | |\n|---|---|")?;
    writeln!(text, "| machine | {} |", first.machine)?;
    writeln!(text, "| commit | {} |", build.commit)?;
    writeln!(text, "| compiler | {}, profile {} |", build.rustc, build.profile)?;
    writeln!(text, "| competitors | {} |", build.versions)?;
    for record in records {
        let sure = format!("intervals of {:.0} %", confidence(record.rounds) * 100.0);
        let rounds = if record.rounds == 1 { "1 round" } else { &format!("{} rounds", record.rounds) };
        writeln!(text, "| {} | `{}`: {rounds}, {sure} |", record.date, record.command)?;
        if record.rows.iter().any(|row| row.seconds.iter().any(|&seconds| seconds > 0.0)) {
            writeln!(text, "| how calm it was | {} |", record.seen)?;
        }
    }
    Ok(())
}

/// What the headlines do not show; rows with the same words share a line.
fn not_shown(text: &mut String, entries: &[Entry<'_>]) -> Result {
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in entries.iter().filter(|entry| summary::HEADLINES.contains(&entry.row.id.as_str())) {
        let words = entry.row.not_shown.as_str();
        match lines.iter_mut().find(|line| line.0 == words) {
            Some(line) => line.1.push(&entry.row.id),
            None => lines.push((words, vec![&entry.row.id])),
        }
    }
    for (words, ids) in lines {
        paragraph(text, "- ", &format!("`{}`: {words}", ids.join("`, `")))?;
    }
    Ok(())
}
