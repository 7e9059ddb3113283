//! Fork-join: algorithms that divide their work by joins or loops, entered from a thread outside of the pool.

use std::time::{Duration, Instant};

use super::{Metric, ROW, Row, Scale, Setup, higher, lower};
use crate::fork::{ForkJoin, forking, leak, serial::Serial};
use crate::kernels::{fib, mandelbrot, matrix, nested, queens, quicksort, sum, uts};
use crate::outcome::{Failure, Ready, figures, per_task, warmed};

const US: &[Metric] = &[lower("us", "us per call")];
const MS: &[Metric] = &[lower("ms", "ms")];

const PARTY: &str =
    "In longshore, chili and forte the calling thread does a worker's work, in the others it waits.";

const FIB: Row = Row {
    id: "fib",
    title: "Fibonacci 32 by joins, without a cut-off",
    metrics: &[lower("ns", "ns per join")],
    not_shown: "Nothing but joins: there is no work to hide them behind. In longshore, chili and forte the calling \
                thread does a worker's work, in the others it waits.",
    prepare: |setup, name| forking!(name, F => fib::<F>(setup)),
    ..ROW
};

const SUM: Row = Row {
    id: "sum-1k",
    title: "Sum of 1,000 numbers, entered from outside (no join: the cut-off is at 1,024)",
    metrics: US,
    not_shown: "One call after another by one thread, so the workers have not fallen asleep where they spin. In longshore, \
                chili and forte the calling thread does a worker's work.",
    prepare: |setup, name| forking!(name, F => sum::<F>(setup, 1000, 5000)),
    ..ROW
};

const UTS: Row = Row {
    id: "uts-t1",
    title: "Unbalanced tree search by joins, tree T1 (geometric, 4,130,071 nodes)",
    metrics: &[higher("nodes", "million nodes per s")],
    not_shown: "A node costs a SHA-1, some 100 ns: joins are a part of the time only.",
    prepare: |setup, name| forking!(name, F => uts::<F>(setup, uts::T1, uts::T1_SIZE)),
    ..ROW
};

const QUEENS: Row = Row {
    id: "queens",
    title: "12 queens, a join for each choice, without a cut-off",
    metrics: MS,
    not_shown: PARTY,
    prepare: |setup, name| forking!(name, F => queens::<F>(setup)),
    ..ROW
};

const LOOPS: Row = Row {
    id: "loops",
    title: "A loop of 100 around loops of 1,000 tiny bodies, by the loops that the competitor offers",
    metrics: US,
    not_shown: "Where there are no loops (chili, forte, parkring), joins down to one index, as in the next table.",
    prepare: |setup, name| forking!(name, F => nested::<F>(setup, nested::Cells::loops::<F>)),
    ..ROW
};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    FIB,
    Row {
        id: "fib-w1",
        title: "Fibonacci 32 by joins, without a cut-off, 1 worker",
        workers: Some(1),
        ..FIB
    },
    SUM,
    Row {
        id: "sum-10k",
        title: "Sum of 10,000 numbers by joins, entered from outside",
        prepare: |setup, name| forking!(name, F => sum::<F>(setup, 10_000, 2000)),
        ..SUM
    },
    Row {
        id: "sum-100k",
        title: "Sum of 100,000 numbers by joins, entered from outside",
        prepare: |setup, name| forking!(name, F => sum::<F>(setup, 100_000, 400)),
        ..SUM
    },
    Row {
        id: "sum-10m",
        title: "Sum of 10,000,000 numbers by joins, entered from outside",
        prepare: |setup, name| forking!(name, F => sum::<F>(setup, 10_000_000, 10)),
        ..SUM
    },
    UTS,
    Row {
        id: "uts-t3",
        title: "Unbalanced tree search by joins, tree T3 (binomial, 4,112,897 nodes), stacks of 256 MiB",
        // Waits take further work on top of the stack, which overflows 2 MiB in most pools.
        stack: Some(256 << 20),
        not_shown: "A node costs a SHA-1, some 100 ns. How much stack a pool needs: with the usual 2 MiB, rayon, forte \
                    and parkring overflow on this tree.",
        prepare: |setup, name| forking!(name, F => uts::<F>(setup, uts::T3, uts::T3_SIZE)),
        ..UTS
    },
    QUEENS,
    Row {
        id: "quicksort",
        title: "Quicksort of 10,000,000 numbers of 64 bits",
        not_shown: "The first partitions are the work of one thread, which limits what any pool can reach.",
        prepare: |setup, name| forking!(name, F => quicksort::<F>(setup)),
        ..QUEENS
    },
    Row {
        id: "matrix",
        title: "Product of two matrices of 512 x 512 by recursive blocks",
        prepare: |setup, name| forking!(name, F => matrix::<F>(setup)),
        ..QUEENS
    },
    Row {
        id: "mandelbrot",
        title: "Mandelbrot set of 1200 x 800 points, a loop over the rows",
        not_shown: "800 rows of work by the loop that the competitor offers, or by joins: balance, not overhead.",
        prepare: |setup, name| forking!(name, F => mandelbrot::<F>(setup)),
        ..QUEENS
    },
    LOOPS,
    Row {
        id: "loops-joins",
        title: "A loop of 100 around loops of 1,000 tiny bodies, by joins down to one index",
        not_shown: "No cut-off: a join for each body.",
        prepare: |setup, name| forking!(name, F => nested::<F>(setup, nested::Cells::joins::<F>)),
        ..LOOPS
    },
];

fn check(right: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if right { Ok(()) } else { Err(Failure::Wrong(what())) }
}

fn ms(elapsed: Duration) -> Result<crate::outcome::Pass, Failure> {
    figures(elapsed, [("ms", elapsed.as_secs_f64() * 1e3)])
}

fn us(elapsed: Duration, calls: u64) -> Result<crate::outcome::Pass, Failure> {
    figures(elapsed, [("us", elapsed.as_secs_f64() * 1e6 / calls as f64)])
}

fn fib<F: ForkJoin>(setup: Setup) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let place = if setup.scale == Scale::Full { 32 } else { 22 };
    let joins = fib::joins(place);
    warmed(joins, move || {
        let start = Instant::now();
        let number = pool.enter(move |context| fib::fib::<F>(context, std::hint::black_box(place)));
        let elapsed = start.elapsed();
        check(number == fib::counted(place), || format!("fib({place}) is not {number}"))?;
        per_task(elapsed, joins)
    })
}

fn sum<F: ForkJoin>(setup: Setup, length: usize, calls: u64) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let numbers = sum::numbers(length);
    let right: f64 = numbers.iter().sum();
    let calls = setup.scale.of(calls);
    warmed(calls, move || {
        let mut wrong = 0;
        let start = Instant::now();
        for _ in 0..calls {
            let numbers = std::hint::black_box(numbers.as_slice());
            let sum = pool.enter(|context| sum::sum::<F>(context, numbers));
            wrong += u64::from(sum != right);
        }
        let elapsed = start.elapsed();
        check(wrong == 0, || format!("{wrong} of {calls} sums are wrong"))?;
        us(elapsed, calls)
    })
}

fn uts<F: ForkJoin>(setup: Setup, tree: uts::Tree, size: uts::Size) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let (tree, right) = match setup.scale {
        Scale::Full => (tree, size),
        Scale::Quick => (uts::SMALL, uts::search::<Serial>((), uts::SMALL)),
    };
    warmed(right.nodes, move || {
        let start = Instant::now();
        let size = pool.enter(move |context| uts::search::<F>(context, tree));
        let elapsed = start.elapsed();
        check(size == right, || format!("{size:?} instead of {right:?}"))?;
        figures(elapsed, [("nodes", size.nodes as f64 / 1e6 / elapsed.as_secs_f64())])
    })
}

fn queens<F: ForkJoin>(setup: Setup) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let size = if setup.scale == Scale::Full { 12 } else { 8 };
    warmed(1, move || {
        let start = Instant::now();
        let solutions = pool.enter(move |context| queens::queens::<F>(context, std::hint::black_box(size)));
        let elapsed = start.elapsed();
        check(solutions == queens::solutions(size), || format!("{solutions} solutions"))?;
        ms(elapsed)
    })
}

fn quicksort<F: ForkJoin>(setup: Setup) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let numbers = quicksort::numbers(setup.scale.of(10_000_000) as usize);
    let mut right = numbers.clone();
    right.sort_unstable();
    let mut sorted = numbers.clone();
    warmed(1, move || {
        sorted.copy_from_slice(&numbers);
        let place = sorted.as_mut_slice();
        let start = Instant::now();
        pool.enter(|context| quicksort::quicksort::<F>(context, place));
        let elapsed = start.elapsed();
        check(sorted == right, || "the numbers are not in order".to_owned())?;
        ms(elapsed)
    })
}

fn matrix<F: ForkJoin>(setup: Setup) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let side = if setup.scale == Scale::Full { 512 } else { 128 };
    let a = matrix::Matrix::new(side, |row, column| ((7 * row + 3 * column) % 11) as f64);
    let b = matrix::Matrix::new(side, |row, column| ((5 * row + 2 * column) % 13) as f64);
    let mut c = matrix::Matrix::new(side, |_, _| 0.0);
    // (a b) x = a (b x), in whole numbers, so exactly.
    let column: Vec<f64> = (0..side).map(|index| (index % 17) as f64).collect();
    let right = a.times(&b.times(&column));
    warmed(1, move || {
        c.clear();
        let start = Instant::now();
        pool.enter(|context| c.add_product::<F>(context, &a, &b));
        let elapsed = start.elapsed();
        check(c.times(&column) == right, || "the product is wrong".to_owned())?;
        ms(elapsed)
    })
}

fn mandelbrot<F: ForkJoin>(setup: Setup) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let image = match setup.scale {
        Scale::Full => mandelbrot::Image::new(1200, 800),
        Scale::Quick => mandelbrot::Image::new(120, 80),
    };
    image.compute::<Serial>(());
    let right = image.take();
    warmed(1, move || {
        let start = Instant::now();
        pool.enter(|context| image.compute::<F>(context));
        let elapsed = start.elapsed();
        check(image.take() == right, || "rows are wrong".to_owned())?;
        ms(elapsed)
    })
}

fn nested<F: ForkJoin>(setup: Setup, run: fn(&nested::Cells, F::Context<'_>)) -> Ready {
    let pool = leak::<F>(setup.workers)?;
    let cells = nested::Cells::new(100, 1000);
    let calls = setup.scale.of(100);
    warmed(calls, move || {
        let (mut elapsed, mut wrong) = (Duration::ZERO, 0);
        for _ in 0..calls {
            let start = Instant::now();
            pool.enter(|context| run(&cells, context));
            elapsed += start.elapsed();
            wrong += u64::from(!cells.take());
        }
        check(wrong == 0, || format!("{wrong} of {calls} loops are wrong"))?;
        us(elapsed, calls)
    })
}
