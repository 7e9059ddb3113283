//! The result, as text or as JSON.

use std::io::{self, Write};

use longshore::{PinStatus, PoolStats};
use longshore_cli::print;
use serde::Serialize;

use crate::desk::Outcome;

#[derive(Serialize)]
struct Summary {
    paths: u64,
    prices: Vec<Price>,
    unpriced: usize,
    elapsed_seconds: f64,
    workers: Vec<Worker>,
}

#[derive(Serialize)]
struct Price {
    contract: &'static str,
    price: f64,
    /// All digits, to compare runs bit by bit.
    bits: String,
    standard_error: f64,
    exact: Option<f64>,
    deviation: Option<f64>,
}

#[derive(Serialize)]
struct Worker {
    index: usize,
    core: Option<usize>,
}

/// Writes the report to standard output.
pub fn print(outcome: &Outcome, stats: &PoolStats, json: bool) -> io::Result<()> {
    if json {
        print::json(&summary(outcome, stats))
    } else {
        print::report(|out| write_text(out, outcome, stats))
    }
}

fn workers(stats: &PoolStats) -> Vec<Worker> {
    let core = |pin: &PinStatus| match pin {
        PinStatus::Pinned(core) => Some(*core),
        _ => None,
    };
    stats.workers.iter().map(|worker| Worker { index: worker.index, core: core(&worker.pin) }).collect()
}

fn summary(outcome: &Outcome, stats: &PoolStats) -> Summary {
    let price = |priced: &crate::desk::Priced| Price {
        contract: priced.name,
        price: priced.estimate.price,
        bits: format!("{:016x}", priced.estimate.price.to_bits()),
        standard_error: priced.estimate.standard_error,
        exact: priced.exact,
        deviation: priced.deviation(),
    };
    Summary {
        paths: outcome.paths,
        prices: outcome.priced.iter().map(price).collect(),
        unpriced: outcome.unpriced,
        elapsed_seconds: outcome.elapsed.as_secs_f64(),
        workers: workers(stats),
    }
}

fn write_text(out: &mut dyn Write, outcome: &Outcome, stats: &PoolStats) -> io::Result<()> {
    let title = "contract";
    writeln!(out, "{title:<24} {:>10} {:>9} {:>10} {:>9}", "price", "+-", "exact", "off by")?;
    for priced in &outcome.priced {
        let exact = priced.exact.map_or("-".into(), |exact| format!("{exact:.5}"));
        let off = priced.deviation().map_or("-".into(), |deviation| format!("{deviation:+.1} se"));
        let (name, estimate) = (priced.name, priced.estimate);
        let (price, error) = (estimate.price, estimate.standard_error);
        writeln!(out, "{name:<24} {price:>10.5} {error:>9.5} {exact:>10} {off:>9}")?;
    }
    if outcome.unpriced > 0 {
        writeln!(out, "stopped; {} contracts are without a price", outcome.unpriced)?;
    }
    let seconds = outcome.elapsed.as_secs_f64();
    let paths = outcome.paths as f64 * outcome.priced.len() as f64;
    let rate = if seconds > 0.0 { paths / seconds / 1e6 } else { 0.0 };
    writeln!(out, "\n{} paths a contract, {seconds:.2} s, {rate:.1} million paths/s", outcome.paths)?;
    let name = |worker: Worker| match worker.core {
        Some(core) => format!("{} on core {core}", worker.index),
        None => format!("{} on any core", worker.index),
    };
    let names: Vec<_> = workers(stats).into_iter().map(name).collect();
    writeln!(out, "workers: {}", names.join(", "))
}
