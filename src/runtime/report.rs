//! Statistics as text: a table, and its output to standard error at the end of a pool if the environment asks
//! for it. Called by the thread that ends the pool, and by users. Guarded by the test below,
//! `tests/it/behaviour/histograms.rs` (the table) and `tests/process_end.rs` (the output).

use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::time::Duration;

use crate::base::histogram::Histogram;
use crate::runtime::metrics::{PoolStats, WorkerStats};

/// If this environment variable is `1`, every pool prints its statistics when it is shut down.
const VARIABLE: &str = "LONGSHORE_STATS";

/// Whether a pool prints its statistics at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtEnd {
    /// It does not.
    Silent,
    /// To standard error.
    Print,
}

impl AtEnd {
    /// Reads the environment: any other value than `1` means no.
    pub fn from_environment() -> Self {
        match env::var_os(VARIABLE) {
            Some(value) if value == "1" => AtEnd::Print,
            _ => AtEnd::Silent,
        }
    }
}

/// Prints `stats` to standard error, in one piece. Does nothing if standard error is closed.
pub fn print(stats: &PoolStats) {
    let _ = io::stderr().lock().write_all(format!("{stats}").as_bytes());
}

/// A time with three digits and a unit.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        let (value, unit) = match nanos {
            n if n < 1e3 => (n, "ns"),
            n if n < 1e6 => (n / 1e3, "us"),
            n if n < 1e9 => (n / 1e6, "ms"),
            n => (n / 1e9, "s"),
        };
        let digits =
            if value < 10.0 && nanos >= 1e3 { 2 } else { usize::from(value < 100.0 && nanos >= 1e3) };
        f.pad(&format!("{value:.digits$}{unit}"))
    }
}

fn write_times(f: &mut fmt::Formatter<'_>, name: &str, times: &Histogram) -> fmt::Result {
    if times.is_empty() {
        return Ok(());
    }
    write!(f, "  {name:<9} of {} measured:", times.count())?;
    for percent in [50.0, 90.0, 99.0, 99.9] {
        write!(f, " p{percent} {}", Short(times.percentile(percent).unwrap_or_default()))?;
    }
    writeln!(f, " max {}", Short(times.max()))
}

/// A table with a line for each worker, for people to read. Its form may change.
impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stand_ins = self.stand_ins;
        let size =
            if self.min == self.max { self.max.to_string() } else { format!("{} to {}", self.min, self.max) };
        write!(f, "pool {}, {size} workers", self.name)?;
        match stand_ins {
            0 => writeln!(f)?,
            times => writeln!(f, ", stand-ins joined {times} times")?,
        }
        f.write_str(" ")?;
        for (name, count) in self.counts() {
            if count > 0 || matches!(name, "submitted" | "completed") {
                write!(f, " {name} {count}")?;
            }
        }
        f.write_char('\n')?;
        if self.loops > 0 {
            writeln!(f, "  loops {} of {} items", self.loops, self.loop_items)?;
        }
        write_times(f, "waits", &self.waits())?;
        write_times(f, "runs", &self.runs())?;
        write_times(f, "latencies", &self.latencies())?;
        let head = ["worker", "executed", "stolen", "forks", "parked", "queued", "busy", "search", "sleep"];
        for (column, name) in head.iter().enumerate() {
            write!(f, "{name:>width$}", width = if column == 0 { 8 } else { 10 })?;
        }
        f.write_str("  pin\n")?;
        self.workers.iter().try_for_each(|worker| write_worker(f, worker))
    }
}

fn write_worker(f: &mut fmt::Formatter<'_>, worker: &WorkerStats) -> fmt::Result {
    let counts =
        [worker.executed, worker.stolen, worker.stolen_forks, worker.parked, worker.queue_depth as u64];
    write!(f, "{:>8}", worker.index)?;
    counts.iter().try_for_each(|count| write!(f, "{count:>10}"))?;
    let times = [worker.time_busy, worker.time_searching, worker.time_parked];
    times.iter().try_for_each(|time| write!(f, "{:>10}", Short(*time)))?;
    writeln!(f, "  {}", worker.pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let short = |nanos| Short(Duration::from_nanos(nanos)).to_string();
        let shown = [0, 999, 1_234, 56_789, 567_890, 12_345_678, 99_000_000_000].map(short);
        assert_eq!(shown, ["0ns", "999ns", "1.23us", "56.8us", "568us", "12.3ms", "99.0s"]);
    }
}
