//! What is printed.

use std::io::{self, Write};
use std::time::Duration;

use longshore_cli::print;

use crate::bench::Row;
use crate::load::Run;

/// Writes the table of the bench.
pub fn print_bench(rows: &[Row]) -> io::Result<()> {
    print::report(|out| write_bench(out, rows))
}

fn write_bench(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    writeln!(
        out,
        "{:<19}{:>9}{:>8}{:>8}{:>8}{:>7}{:>8}{:>8}{:>8}{:>8}{:>8}{:>7}",
        "mode",
        "accepted",
        "refused",
        "failed",
        "stored",
        "wrong",
        "req/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "threads",
        "MB"
    )?;
    for Row { mode, run, stored, wrong } in rows {
        let (threads, memory) = match run.peak {
            Some(peak) => (peak.threads.to_string(), format!("{:.1}", peak.memory as f64 / 1e3)),
            None => ("-".into(), "-".into()),
        };
        writeln!(
            out,
            "{:<19}{:>9}{:>8}{:>8}{stored:>8}{wrong:>7}{:>8.0}{:>8}{:>8}{:>8}{threads:>8}{memory:>7}",
            mode.name(),
            run.accepted.len(),
            run.refused,
            run.failed,
            rate(run),
            percentile(run, 50),
            percentile(run, 99),
            percentile(run, 100),
        )?;
    }
    Ok(())
}

/// Writes what a load came to.
pub fn print_load(run: &Run) -> io::Result<()> {
    let Run { accepted, refused, failed, .. } = run;
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(run, percent));
    print::report(|out| {
        let rate = rate(run);
        writeln!(out, "{} accepted, {refused} refused, {failed} failed, {rate:.0} req/s", accepted.len())?;
        writeln!(out, "latency in ms: p50 {p50}, p99 {p99}, max {max}")
    })
}

/// Accepted uploads a second.
fn rate(run: &Run) -> f64 {
    run.accepted.len() as f64 / run.elapsed.max(Duration::from_nanos(1)).as_secs_f64()
}

/// The latency that so many percent of the accepted uploads do not exceed, in milliseconds.
fn percentile(run: &Run, percent: usize) -> String {
    let last = (run.latencies.len() * percent).div_ceil(100).saturating_sub(1);
    run.latencies.get(last).map_or("-".into(), |latency| format!("{:.2}", latency.as_secs_f64() * 1e3))
}

/// Writes one line to standard output.
pub fn say(message: &str) {
    print::say(message);
}

/// Writes one line to standard error.
pub fn complain(message: &str) {
    print::complain("server", message);
}
