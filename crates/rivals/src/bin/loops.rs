//! Measures the kernels of the rows about loops in one process, the competitors in turns, and prints medians
//! and ratios.
//!
//! Arguments: words that the names of the rows must contain (one of them); `--rounds N` (11), `--workers
//! N` (2), `--without NAME`. The last columns are ours to serial, to the best other competitor, and to
//! the better of serial and rayon, of which the last line gives the geometric mean.

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use longshore_rivals::loops::{Data, Kernel, LOOPING, Looping, looping};
use longshore_rivals::rows::loops::{KERNELS, SIZES};

/// How long the loops of one competitor are repeated in a round.
const TURN: Duration = Duration::from_micros(1500);

/// At most so many repetitions in a turn.
const MOST: u32 = 2000;

fn main() {
    let mut filters = Vec::new();
    let (mut rounds, mut workers, mut without) = (11, 2, Vec::new());
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|n| n.parse().ok()).expect("a number");
        match argument.as_str() {
            "--rounds" => rounds = number(),
            "--workers" => workers = number(),
            "--without" => without.extend(arguments.next()),
            _ => filters.push(argument),
        }
    }
    let names: Vec<_> =
        LOOPING.iter().copied().filter(|name| !without.iter().any(|other| other == name)).collect();
    println!(
        "{:<26}{}  /serial  /rivals  /better",
        "us per loop",
        names.iter().map(|n| format!("{n:>13}")).collect::<String>()
    );
    let sized = KERNELS.iter().flat_map(|(name, kernel)| SIZES.map(|n| (format!("{name}-{n}"), *kernel, n)));
    let mut ratios = Vec::new();
    for (row, kernel, n) in sized.chain([("loop-one-long-10000".to_owned(), Kernel::OneLong, 10_000)]) {
        if filters.is_empty() || filters.iter().any(|filter| row.contains(filter.as_str())) {
            ratios.extend(measure(&row, kernel, n, rounds, workers, &names));
        }
    }
    let mean = (ratios.iter().map(|ratio: &f64| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    println!("geometric mean of {} rows to the better of serial and rayon: {mean:.3}", ratios.len());
}

/// Measures a row, prints it, and returns the ratio of ours to the better of serial and rayon.
fn measure(
    row: &str,
    kernel: Kernel,
    n: usize,
    rounds: usize,
    workers: usize,
    names: &[&str],
) -> Option<f64> {
    let mut data = Data::new(kernel, n);
    // fork_union's threads spin between two loops, so its pool is there during its turns only.
    let keeps = |name: &str| name != "fork_union";
    let mut pools: Vec<_> =
        names.iter().map(|name| keeps(name).then(|| looping(name, workers)).flatten()).collect();
    let mut times = vec![Vec::new(); names.len()];
    for _ in 0..rounds {
        for (index, name) in names.iter().enumerate() {
            let mut fresh = (!keeps(name)).then(|| looping(name, workers)).flatten();
            let Some(pool) = pools[index].as_mut().or(fresh.as_mut()) else { continue };
            times[index].extend(turn(&mut **pool, kernel, &mut data));
        }
    }
    let medians: Vec<Option<f64>> = times.iter_mut().map(|times| median(times)).collect();
    let of = |wanted: &str| names.iter().position(|name| *name == wanted).and_then(|index| medians[index]);
    let ours = of("push");
    let ratio = |other: Option<f64>| ours.zip(other).map(|(ours, other)| ours / other);
    let others = names.iter().zip(&medians).filter(|(name, _)| !matches!(**name, "push" | "none"));
    let best = others.filter_map(|(_, median)| *median).reduce(f64::min);
    let better = ratio([of("none"), of("rayon")].into_iter().flatten().reduce(f64::min));
    let cell = |value: Option<f64>, width: usize| {
        value.map_or(format!("{:>width$}", "-"), |v| format!("{v:>width$.2}"))
    };
    let cells: String = medians.iter().map(|median| cell(*median, 13)).collect();
    println!("{row:<26}{cells}{}{}{}", cell(ratio(of("none")), 9), cell(ratio(best), 9), cell(better, 9));
    better
}

/// Repeats the loop for a while and returns the time of one in microseconds.
fn turn(pool: &mut dyn Looping, kernel: Kernel, data: &mut Data) -> Option<f64> {
    pool.run(kernel, data)?;
    let start = Instant::now();
    let mut calls = 0;
    while calls == 0 || (start.elapsed() < TURN && calls < MOST) {
        // A look at the clock costs as much as a short loop.
        for _ in 0..16_000usize.div_ceil(data.n) {
            black_box(pool.run(kernel, black_box(data)));
            calls += 1;
        }
    }
    Some(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

fn median(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}
