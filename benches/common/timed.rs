//! Rows under criterion: a group for each, in it a bench for each competitor, and every pass checked.
//!
//! With `--test`, or with `LONGSHORE_BENCH_QUICK` set, a fiftieth of the work. The time of an iteration is
//! that of a whole pass. All competitors run in one process here, and their pools stay; for a comparison in
//! processes of their own, in turn, there is the paired runner (BENCHMARKS.md).

use std::time::Duration;
use std::{env, thread};

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, measurement::WallTime};
use longshore_rivals::outcome::{Failure, Prepared};
use longshore_rivals::pools::NAMES;
use longshore_rivals::rows::{self, Row, Scale, Setup};

/// Benches the rows of these names.
pub fn rows(names: &[&str]) {
    let mut criterion = Criterion::default().configure_from_args();
    for row in names.iter().map(|name| row(name)) {
        let mut group = criterion.benchmark_group(row.id);
        // A pass is long, and there are many competitors.
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for &competitor in row.only.unwrap_or(NAMES) {
            if is_chosen(row.id, competitor) {
                bench(&mut group, &row, competitor);
            }
        }
        group.finish();
    }
    criterion.final_summary();
}

fn row(name: &str) -> Row {
    rows::all().into_iter().find(|row| row.id == name).expect("a row of this name")
}

/// Whether the command line, by its first word that is not an option, asks for it. Criterion filters as well,
/// but a pool that is not wanted had better not be made.
fn is_chosen(row: &str, competitor: &str) -> bool {
    let filter = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    filter.is_none_or(|filter| format!("{row}/{competitor}").contains(&filter))
}

fn scale() -> Scale {
    let is_quick =
        env::var_os("LONGSHORE_BENCH_QUICK").is_some() || env::args().any(|argument| argument == "--test");
    if is_quick { Scale::Quick } else { Scale::Full }
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, row: &Row, competitor: &str) {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let setup = Setup { workers: row.workers.unwrap_or(cores), scale: scale() };
    let Some(Prepared { tasks, mut pass }) = offered(row, competitor, (row.prepare)(setup, competitor))
    else {
        return;
    };
    group.throughput(Throughput::Elements(tasks));
    group.bench_function(competitor, |bencher| {
        bencher.iter_custom(|passes| {
            let one = |_| offered(row, competitor, pass()).expect("offered before").elapsed;
            (0..passes).map(one).sum()
        });
    });
}

/// The result, or nothing if the competitor does not offer the thing. A wrong result ends the bench.
fn offered<T>(row: &Row, competitor: &str, result: Result<T, Failure>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Failure::NotOffered) => None,
        Err(Failure::Wrong(message)) => panic!("{}, {competitor}: {message}", row.id),
    }
}
