//! Loops over data, called from outside of the pool: what a loop costs beside the loop without a pool, from a
//! thousand items to sixteen millions. `loops` measures the same kernels in one process, in turns.

use std::time::Instant;

use super::{Metric, ROW, Row, Setup, lower};
use crate::loops::{Data, Kernel, LOOPING, looping};
use crate::outcome::{Failure, Ready, figures, warmed};

const METRICS: &[Metric] = &[lower("us", "us per loop")];

const LOOP: Row = Row {
    metrics: METRICS,
    not_shown: "One loop after another by one thread, so workers that spin have not fallen asleep. fork_union's threads spin \
                for ever. Sums of `f64` and the maximum are `map_reduce_unordered` in longshore; rayon's `sum` adds in order \
                inside of a part.",
    only: Some(LOOPING),
    ..ROW
};

/// The numbers of items.
pub const SIZES: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 16_000_000];

/// The kernels that are measured at each of [`SIZES`], by the names of their rows.
pub const KERNELS: &[(&str, Kernel)] = &[
    ("loop-sum-u32", Kernel::SumU32),
    ("loop-sum-f64", Kernel::SumF64),
    ("loop-max-f32", Kernel::MaxF32),
    ("loop-dot", Kernel::Dot),
    ("loop-saxpy", Kernel::Saxpy),
    ("loop-scale", Kernel::Scale),
    ("loop-map", Kernel::Map),
    ("loop-count", Kernel::Count),
    ("loop-stencil", Kernel::Stencil),
    ("loop-histogram", Kernel::Histogram),
    ("loop-squares", Kernel::Squares),
    ("loop-hash", Kernel::Hash),
    ("loop-triangle", Kernel::Triangle),
    ("loop-pareto", Kernel::Pareto),
];

/// The row of a kernel and a number of items.
macro_rules! row {
    ($id:literal, $title:literal, $kernel:ident, $n:literal) => {
        Row {
            id: $id,
            title: $title,
            prepare: |setup, name| prepare(setup, name, Kernel::$kernel, $n),
            ..LOOP
        }
    };
}

/// The rows of this file.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row!("loop-sum-u32-1k", "Sum of 1,000 `u32`", SumU32, 1_000),
    row!("loop-sum-u32-10k", "Sum of 10,000 `u32`", SumU32, 10_000),
    row!("loop-sum-u32-100k", "Sum of 100,000 `u32`", SumU32, 100_000),
    row!("loop-sum-u32-1m", "Sum of 1,000,000 `u32`", SumU32, 1_000_000),
    row!("loop-sum-u32-16m", "Sum of 16,000,000 `u32`", SumU32, 16_000_000),
    row!("loop-sum-f64-1k", "Sum of 1,000 `f64`, in any order", SumF64, 1_000),
    row!("loop-sum-f64-10k", "Sum of 10,000 `f64`, in any order", SumF64, 10_000),
    row!("loop-sum-f64-100k", "Sum of 100,000 `f64`, in any order", SumF64, 100_000),
    row!("loop-sum-f64-1m", "Sum of 1,000,000 `f64`, in any order", SumF64, 1_000_000),
    row!("loop-sum-f64-16m", "Sum of 16,000,000 `f64`, in any order", SumF64, 16_000_000),
    row!("loop-max-f32-1k", "Maximum of 1,000 `f32`", MaxF32, 1_000),
    row!("loop-max-f32-10k", "Maximum of 10,000 `f32`", MaxF32, 10_000),
    row!("loop-max-f32-100k", "Maximum of 100,000 `f32`", MaxF32, 100_000),
    row!("loop-max-f32-1m", "Maximum of 1,000,000 `f32`", MaxF32, 1_000_000),
    row!("loop-max-f32-16m", "Maximum of 16,000,000 `f32`", MaxF32, 16_000_000),
    row!("loop-dot-1k", "Dot product of two slices of 1,000 `f64`, in any order", Dot, 1_000),
    row!("loop-dot-10k", "Dot product of two slices of 10,000 `f64`, in any order", Dot, 10_000),
    row!("loop-dot-100k", "Dot product of two slices of 100,000 `f64`, in any order", Dot, 100_000),
    row!("loop-dot-1m", "Dot product of two slices of 1,000,000 `f64`, in any order", Dot, 1_000_000),
    row!("loop-dot-16m", "Dot product of two slices of 16,000,000 `f64`, in any order", Dot, 16_000_000),
    row!("loop-saxpy-1k", "`y += a x` over two slices of 1,000 `f32`", Saxpy, 1_000),
    row!("loop-saxpy-10k", "`y += a x` over two slices of 10,000 `f32`", Saxpy, 10_000),
    row!("loop-saxpy-100k", "`y += a x` over two slices of 100,000 `f32`", Saxpy, 100_000),
    row!("loop-saxpy-1m", "`y += a x` over two slices of 1,000,000 `f32`", Saxpy, 1_000_000),
    row!("loop-saxpy-16m", "`y += a x` over two slices of 16,000,000 `f32`", Saxpy, 16_000_000),
    row!("loop-scale-1k", "1,000 `f32` times a number, in place", Scale, 1_000),
    row!("loop-scale-10k", "10,000 `f32` times a number, in place", Scale, 10_000),
    row!("loop-scale-100k", "100,000 `f32` times a number, in place", Scale, 100_000),
    row!("loop-scale-1m", "1,000,000 `f32` times a number, in place", Scale, 1_000_000),
    row!("loop-scale-16m", "16,000,000 `f32` times a number, in place", Scale, 16_000_000),
    row!("loop-map-1k", "`2 x + 1` of 1,000 `f32` into a new vector", Map, 1_000),
    row!("loop-map-10k", "`2 x + 1` of 10,000 `f32` into a new vector", Map, 10_000),
    row!("loop-map-100k", "`2 x + 1` of 100,000 `f32` into a new vector", Map, 100_000),
    row!("loop-map-1m", "`2 x + 1` of 1,000,000 `f32` into a new vector", Map, 1_000_000),
    row!("loop-map-16m", "`2 x + 1` of 16,000,000 `f32` into a new vector", Map, 16_000_000),
    row!("loop-count-1k", "Count of the multiples of 3 among 1,000 `u32`", Count, 1_000),
    row!("loop-count-10k", "Count of the multiples of 3 among 10,000 `u32`", Count, 10_000),
    row!("loop-count-100k", "Count of the multiples of 3 among 100,000 `u32`", Count, 100_000),
    row!("loop-count-1m", "Count of the multiples of 3 among 1,000,000 `u32`", Count, 1_000_000),
    row!("loop-count-16m", "Count of the multiples of 3 among 16,000,000 `u32`", Count, 16_000_000),
    row!("loop-stencil-1k", "Mean of three neighbours over 1,000 `f32`", Stencil, 1_000),
    row!("loop-stencil-10k", "Mean of three neighbours over 10,000 `f32`", Stencil, 10_000),
    row!("loop-stencil-100k", "Mean of three neighbours over 100,000 `f32`", Stencil, 100_000),
    row!("loop-stencil-1m", "Mean of three neighbours over 1,000,000 `f32`", Stencil, 1_000_000),
    row!("loop-stencil-16m", "Mean of three neighbours over 16,000,000 `f32`", Stencil, 16_000_000),
    row!("loop-histogram-1k", "Histogram of 1,000 bytes", Histogram, 1_000),
    row!("loop-histogram-10k", "Histogram of 10,000 bytes", Histogram, 10_000),
    row!("loop-histogram-100k", "Histogram of 100,000 bytes", Histogram, 100_000),
    row!("loop-histogram-1m", "Histogram of 1,000,000 bytes", Histogram, 1_000_000),
    row!("loop-histogram-16m", "Histogram of 16,000,000 bytes", Histogram, 16_000_000),
    row!("loop-squares-1k", "Sum of the squares of the first 1,000 numbers", Squares, 1_000),
    row!("loop-squares-10k", "Sum of the squares of the first 10,000 numbers", Squares, 10_000),
    row!("loop-squares-100k", "Sum of the squares of the first 100,000 numbers", Squares, 100_000),
    row!("loop-squares-1m", "Sum of the squares of the first 1,000,000 numbers", Squares, 1_000_000),
    row!("loop-squares-16m", "Sum of the squares of the first 16,000,000 numbers", Squares, 16_000_000),
    row!("loop-hash-1k", "A hash of 24 rounds of 1,000 `u64`", Hash, 1_000),
    row!("loop-hash-10k", "A hash of 24 rounds of 10,000 `u64`", Hash, 10_000),
    row!("loop-hash-100k", "A hash of 24 rounds of 100,000 `u64`", Hash, 100_000),
    row!("loop-hash-1m", "A hash of 24 rounds of 1,000,000 `u64`", Hash, 1_000_000),
    row!("loop-hash-16m", "A hash of 24 rounds of 16,000,000 `u64`", Hash, 16_000_000),
    row!("loop-triangle-1k", "1,000 items of which item i takes time in proportion to i", Triangle, 1_000),
    row!("loop-triangle-10k", "10,000 items of which item i takes time in proportion to i", Triangle, 10_000),
    row!("loop-triangle-100k", "100,000 items of which item i takes time in proportion to i", Triangle, 100_000),
    row!("loop-triangle-1m", "1,000,000 items of which item i takes time in proportion to i", Triangle, 1_000_000),
    row!("loop-triangle-16m", "16,000,000 items of which item i takes time in proportion to i", Triangle, 16_000_000),
    row!("loop-pareto-1k", "1,000 items of Pareto length, shuffled", Pareto, 1_000),
    row!("loop-pareto-10k", "10,000 items of Pareto length, shuffled", Pareto, 10_000),
    row!("loop-pareto-100k", "100,000 items of Pareto length, shuffled", Pareto, 100_000),
    row!("loop-pareto-1m", "1,000,000 items of Pareto length, shuffled", Pareto, 1_000_000),
    row!("loop-pareto-16m", "16,000,000 items of Pareto length, shuffled", Pareto, 16_000_000),
    row!("loop-one-long", "One item of 10 ms among 10,000 of 1 us", OneLong, 10_000),
];

/// How long a pass should take, in items that a loop visits; small loops are repeated.
const ITEMS_PER_PASS: usize = 4_000_000;

fn prepare(setup: Setup, name: &str, kernel: Kernel, n: usize) -> Ready {
    let n = setup.scale.of(n as u64) as usize;
    let most = if kernel == Kernel::OneLong { 3 } else { 2000 };
    let calls = (setup.scale.of(ITEMS_PER_PASS as u64) as usize / n).clamp(1, most) as u64;
    let mut rival = looping(name, setup.workers).ok_or(Failure::NotOffered)?;
    let mut data = Data::new(kernel, n);
    let mut expected = data.clone();
    let right = looping("none", 1).and_then(|mut serial| serial.run(kernel, &mut expected));
    let right = right.ok_or(Failure::NotOffered)?;
    let result = rival.run(kernel, &mut data).ok_or(Failure::NotOffered)?;
    check(kernel, result, right)?;
    if !data.output().iter().zip(expected.output()).all(|(a, b)| is_near((*a).into(), (*b).into())) {
        return Err(Failure::Wrong(format!("{kernel:?} has made something else")));
    }
    warmed(calls, move || {
        let mut last = right;
        let start = Instant::now();
        for _ in 0..calls {
            last = rival.run(kernel, std::hint::black_box(&mut data)).unwrap_or(f64::NAN);
        }
        let elapsed = start.elapsed();
        check(kernel, last, right)?;
        figures(elapsed, [("us", elapsed.as_secs_f64() * 1e6 / calls as f64)])
    })
}

fn check(kernel: Kernel, result: f64, right: f64) -> Result<(), Failure> {
    if is_near(result, right) {
        Ok(())
    } else {
        Err(Failure::Wrong(format!("{kernel:?}: {result} instead of {right}")))
    }
}

/// Equal but for the order of additions.
fn is_near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * b.abs()
}
