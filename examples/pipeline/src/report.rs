//! What is printed.

use std::io::{self, Write};

use longshore_cli::{limits, print};

use crate::pipeline::{End, Outcome};

/// Writes the report to standard output.
pub fn print(outcome: &Outcome) -> io::Result<()> {
    print::report(|out| write(out, outcome))
}

fn write(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    let sums = &outcome.sums;
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let seconds = outcome.elapsed.as_secs_f64();
    writeln!(out, "{} of {} files stored, {} failed", sums.stored, outcome.files, sums.failed)?;
    writeln!(out, "{:.1} MB, {:.1} MB compressed, {seconds:.2} s", mb(sums.size), mb(sums.compressed))?;
    writeln!(out, "{} contents were known", sums.known)?;
    if let Some(peak) = limits::peak_memory() {
        writeln!(out, "{:.1} MB of memory at most", mb(peak))?;
    }
    if sums.damaged > 0 {
        writeln!(out, "{} objects were damaged, and made anew", sums.damaged)?;
    }
    let index = match (outcome.is_indexed, outcome.end) {
        (true, _) => "the index is written",
        (false, End::Interrupted) => "interrupted: no index is written",
        (false, _) => "no index is written",
    };
    writeln!(out, "{index}\n")?;
    let (stage, workers, queue, done) = ("stage", "workers", "queue", "done");
    writeln!(out, "{stage:<10}{workers:>8}{queue:>7}{done:>9}{:>12}", "found full")?;
    for stage in &outcome.stages {
        let (name, workers, queue, done, waits) =
            (stage.name, stage.workers, stage.queue, stage.done, stage.waits);
        writeln!(out, "{name:<10}{workers:>8}{queue:>7}{done:>9}{waits:>12}")?;
    }
    Ok(())
}

/// Writes one line to standard error.
pub fn complain(message: &str) {
    print::complain("stages", message);
}
