//! A page about a run: a lane for each thread of each worker, a bar for each job.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use longshore_cli::output::{Durability, Staged};

use crate::batch::{Batch, BatchError};
use crate::engine::Table;
use crate::message::{Job, Record, State};

/// Jobs that the page shows as bars; more of them would be too narrow to be seen, and too many for a browser.
const MOST_BARS: usize = 50_000;

/// What everything on the page looks like.
const STYLE: &str = "body{font:14px sans-serif;margin:2em;color:#222}svg{width:100%;background:#f6f6f6}
text{font:11px sans-serif}.done{fill:#4a8}.dead{fill:#c33}td,th{padding:.2em 1em .2em 0;text-align:left}";

/// A job on the page: when it began and ended, in seconds since the first began.
struct Bar {
    start: f64,
    end: f64,
    state: State,
    /// How often it was begun, as far as its workers have noted it.
    attempts: u32,
    id: String,
}

type Lanes = BTreeMap<(String, usize), Vec<Bar>>;

/// Writes the page.
pub(super) fn write<J: Job>(path: &Path, batch: &Batch<J>) -> anyhow::Result<()> {
    let mut lanes = Lanes::new();
    let mut letters = Vec::new();
    let (mut first, mut last, mut count) = (f64::MAX, 0.0_f64, 0);
    let mut add = |record: Record, time: Duration| {
        count += 1;
        // The broker's clock says when the end was told; the job ended a moment before.
        let end = time.as_secs_f64();
        let start = end - record.seconds;
        (first, last) = (first.min(start), last.max(end));
        if count <= MOST_BARS {
            let bar =
                Bar { start, end, state: record.state, attempts: record.attempts, id: record.id.clone() };
            lanes.entry((record.worker.clone(), record.thread)).or_default().push(bar);
        }
        if record.state == State::Dead && letters.len() < 1_000 {
            letters.push(record);
        }
        true
    };
    for table in [Table::Done, Table::Dead] {
        batch.records(table, &mut add)?;
    }
    let mut out = BufWriter::new(Staged::begin(path)?);
    let span = (first, (last - first).max(0.001));
    let status = batch.status().map_err(|error: BatchError| anyhow::anyhow!(error))?;
    page(&mut out, &status.to_string(), &lanes, span, &letters, count)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.commit(Durability::Later)?;
    Ok(())
}

fn page(
    out: &mut impl Write,
    status: &str,
    lanes: &Lanes,
    (first, span): (f64, f64),
    letters: &[Record],
    count: usize,
) -> io::Result<()> {
    const WIDTH: f64 = 1_000.0;
    const HEIGHT: usize = 18;
    writeln!(out, "<!doctype html><meta charset=utf-8><title>A batch</title><style>{STYLE}</style>")?;
    writeln!(out, "<h1>A batch</h1><pre>{}</pre>", escaped(status))?;
    if count > MOST_BARS {
        writeln!(out, "<p>The first {MOST_BARS} of {count} jobs are shown.</p>")?;
    }
    let height = (lanes.len() + 1) * HEIGHT;
    writeln!(out, "<svg viewBox='0 0 1200 {height}' height='{height}' preserveAspectRatio='none'>")?;
    for (row, ((worker, thread), bars)) in lanes.iter().enumerate() {
        let y = row * HEIGHT;
        writeln!(out, "<text x='4' y='{}'>{} {thread}</text>", y + 13, escaped(worker))?;
        for bar in bars {
            let class = if bar.state == State::Done { "done" } else { "dead" };
            let x = 195.0 + (bar.start - first) / span * WIDTH;
            let width = ((bar.end - bar.start) / span * WIDTH).max(0.5);
            let (id, seconds) = (escaped(&bar.id), bar.end - bar.start);
            write!(out, "<rect class={class} x='{x:.1}' y='{}' width='{width:.1}' height='14'>", y + 2)?;
            let attempts = bar.attempts;
            writeln!(out, "<title>{id}: {seconds:.3} s, attempt {attempts}</title></rect>")?;
        }
    }
    writeln!(out, "<text x='195' y='{}'>0 s</text>", height - 4)?;
    writeln!(out, "<text x='1150' y='{}'>{span:.1} s</text></svg>", height - 4)?;
    if !letters.is_empty() {
        writeln!(out, "<h2>Dead letters</h2><table><tr><th>job<th>worker<th>attempts<th>reason</tr>")?;
    }
    for Record { id, worker, attempts, error, .. } in letters {
        let error = escaped(error.as_deref().unwrap_or_default());
        writeln!(out, "<tr><td>{}<td>{}<td>{attempts}<td>{error}</tr>", escaped(id), escaped(worker))?;
    }
    writeln!(out, "{}", if letters.is_empty() { "" } else { "</table>" })
}

/// Text that cannot become a tag: names and errors come from other machines.
fn escaped(text: &str) -> String {
    let replace = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '\'' => "&#39;".to_owned(),
        '"' => "&quot;".to_owned(),
        other => other.to_string(),
    };
    text.chars().map(replace).collect()
}
