//! Programs over rayon's iterators and joins, each timed at several sizes. One build runs on rayon-core, another on
//! the drop-in; `dropin/speed/compare` runs them in turn.
//!
//! `speed [FILTER]` prints a line for each row whose name contains the filter: name, size, nanoseconds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rayon::prelude::*;

/// How long a row is repeated.
const BUDGET: Duration = Duration::from_millis(60);

/// The sizes of the rows, in items.
const SIZES: [usize; 4] = [100, 1_000, 10_000, 1_000_000];

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let wants = |name: &str| name.contains(&filter);
    let pool = rayon::ThreadPoolBuilder::new().build().expect("starts");
    for size in SIZES {
        for (name, make) in ROWS {
            if wants(name) {
                let run = make(size);
                show(name, size, &*run);
            }
            let inside = format!("in-pool {name}");
            if wants(&inside) {
                let run = make(size);
                let time = pool.install(|| time(&*run));
                print(&inside, size, time);
            }
        }
    }
    for n in [15, 25] {
        if wants("fib") {
            show("fib", n, &|| _ = black_box(fib(black_box(n as u32))));
        }
        if wants("in-pool fib") {
            let time = pool.install(|| time(&|| _ = black_box(fib(black_box(n as u32)))));
            print("in-pool fib", n, time);
        }
        if wants("install fib") {
            show("install fib", n, &|| _ = black_box(pool.install(|| fib(black_box(n as u32)))));
        }
    }
}

fn show(name: &str, size: usize, run: &(dyn Fn() + Sync)) {
    print(name, size, time(run));
}

fn print(name: &str, size: usize, nanos: f64) {
    println!("{name}\t{size}\t{nanos:.1}");
}

/// Nanoseconds of one call: the least of the means of eight portions.
fn time(run: &(dyn Fn() + Sync)) -> f64 {
    run();
    let begun = Instant::now();
    run();
    let once = begun.elapsed().max(Duration::from_nanos(50));
    let repeats = (BUDGET.as_nanos() / 8 / once.as_nanos()).clamp(1, 1_000_000) as u32;
    let portion = || {
        let begun = Instant::now();
        (0..repeats).for_each(|_| run());
        begun.elapsed().as_nanos() as f64 / f64::from(repeats)
    };
    (0..8).map(|_| portion()).fold(f64::INFINITY, f64::min)
}

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
    a + b
}

type Run = Box<dyn Fn() + Sync>;

const ROWS: [(&str, fn(usize) -> Run); 11] = [
    ("map-sum", map_sum),
    ("filter-collect", filter_collect),
    ("sort", sort),
    ("chunks", chunks),
    ("nested", nested),
    ("bridge", bridge),
    ("n-body", n_body),
    ("sieve", sieve),
    ("life", life),
    ("matrix", matrix),
    ("parse", parse),
];

fn numbers(size: usize) -> Vec<u64> {
    (0..size as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect()
}

fn map_sum(size: usize) -> Run {
    let numbers = numbers(size);
    Box::new(move || _ = black_box(numbers.par_iter().map(|n| n ^ (n >> 7)).fold(|| 0u64, u64::wrapping_add).reduce(|| 0, u64::wrapping_add)))
}

fn filter_collect(size: usize) -> Run {
    let numbers = numbers(size);
    Box::new(move || _ = black_box(numbers.par_iter().copied().filter(|n| n % 3 == 0).collect::<Vec<_>>()))
}

fn sort(size: usize) -> Run {
    let numbers = numbers(size);
    Box::new(move || {
        let mut sorted = numbers.clone();
        sorted.par_sort_unstable();
        black_box(sorted);
    })
}

fn chunks(size: usize) -> Run {
    let numbers = numbers(size);
    Box::new(move || _ = black_box(numbers.par_chunks(64).map(|chunk| chunk.iter().fold(0u64, |a, b| a ^ b)).max()))
}

fn nested(size: usize) -> Run {
    let side = size.isqrt();
    Box::new(move || {
        let row = |i: usize| (0..side).into_par_iter().map(|j| (i * j) as u64 % 7).sum::<u64>();
        black_box((0..side).into_par_iter().map(row).sum::<u64>());
    })
}

fn bridge(size: usize) -> Run {
    let size = size.min(10_000) as u64;
    Box::new(move || _ = black_box((0..size).par_bridge().map(|n| n % 7).sum::<u64>()))
}

fn n_body(size: usize) -> Run {
    let bodies: Vec<[f64; 3]> =
        numbers(size.isqrt()).iter().map(|n| [n % 97, n % 89, n % 83].map(|x| x as f64)).collect();
    Box::new(move || {
        let force = |a: &[f64; 3]| {
            bodies.iter().fold([0.0; 3], |mut force, b| {
                let distance = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>() + 0.1;
                (0..3).for_each(|k| force[k] += (b[k] - a[k]) / (distance * distance.sqrt()));
                force
            })
        };
        black_box(bodies.par_iter().map(force).collect::<Vec<_>>());
    })
}

fn sieve(size: usize) -> Run {
    let root = size.isqrt() + 1;
    let small: Vec<usize> = (2..=root).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
    Box::new(move || {
        let count = |(index, flags): (usize, &mut [bool])| {
            let start = index * 4096;
            for &prime in &small {
                let first = (start.div_ceil(prime).max(2) * prime) - start;
                flags.iter_mut().skip(first).step_by(prime).for_each(|flag| *flag = true);
            }
            flags.iter().filter(|flag| !**flag).count()
        };
        let mut flags = vec![false; size];
        black_box(flags.par_chunks_mut(4096).enumerate().map(count).sum::<usize>());
    })
}

fn life(size: usize) -> Run {
    let side = size.isqrt();
    let cells: Vec<bool> = numbers(side * side).iter().map(|n| n >> 40 & 3 == 0).collect();
    Box::new(move || {
        let next = |index: usize| {
            let (row, column) = (index / side, index % side);
            let around = [side - 1, 0, 1];
            let count = around.iter().flat_map(|dy| around.iter().map(move |dx| (dy, dx)));
            let count = count.filter(|(dy, dx)| **dy != 0 || **dx != 0);
            let count = count.filter(|(dy, dx)| cells[(row + *dy) % side * side + (column + *dx) % side]).count();
            count == 3 || count == 2 && cells[index]
        };
        black_box((0..side * side).into_par_iter().map(next).collect::<Vec<bool>>());
    })
}

fn matrix(size: usize) -> Run {
    let side = size.isqrt().min(300);
    let values: Vec<f64> = numbers(side * side).iter().map(|n| (n % 101) as f64).collect();
    Box::new(move || {
        let row = |(i, row): (usize, &mut [f64])| {
            for k in 0..side {
                let a = values[i * side + k];
                row.iter_mut().zip(&values[k * side..]).for_each(|(c, b)| *c += a * b);
            }
        };
        let mut product = vec![0.0; side * side];
        product.par_chunks_mut(side).enumerate().for_each(row);
        black_box(product);
    })
}

fn parse(size: usize) -> Run {
    let text = numbers(size).iter().map(|n| (n % 100_000).to_string()).collect::<Vec<_>>().join("\n");
    Box::new(move || _ = black_box(text.par_lines().map(|line| line.parse::<u64>().expect("a number")).sum::<u64>()))
}
