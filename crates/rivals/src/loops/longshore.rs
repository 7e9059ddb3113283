//! Longshore's loops, called by an external thread. Sums of floating-point numbers by `map_reduce_unordered`.

use longshore::{Pool, windows, zip};

use super::data::{FACTOR, digest, hash, item, larger, mean, of_u64, square};
use super::{Data, Kernel, Looping};

pub struct Push(Pool);

impl Push {
    pub fn new(workers: usize) -> Self {
        Self(Pool::builder().workers(workers).build().expect("a pool"))
    }
}

impl Looping for Push {
    fn run(&mut self, kernel: Kernel, data: &mut Data) -> Option<f64> {
        let Self(pool) = self;
        let Data { n, u32s, u64s, bytes, f64s: [x, y], f32s, output, lengths } = data;
        Some(match kernel {
            Kernel::SumU32 => f64::from(pool.map_reduce(&*u32s, || 0u32, |n| *n, u32::wrapping_add)),
            Kernel::SumF64 => pool.map_reduce_unordered(&*x, || 0.0, |x| *x, |a, b| a + b),
            Kernel::MaxF32 => pool.map_reduce_unordered(&*f32s, || 0.0, |x| *x, larger).into(),
            Kernel::Dot => pool.map_reduce_unordered(zip(&*x, &*y), || 0.0, |(x, y)| *x * *y, |a, b| a + b),
            Kernel::Saxpy => {
                pool.for_each(zip(output, &*f32s), |(y, x)| *y += FACTOR * *x);
                0.0
            }
            Kernel::Scale => {
                pool.for_each(output, |y| *y *= FACTOR);
                0.0
            }
            Kernel::Map => {
                let mapped = pool.map(&*f32s, |x| 2.0 * x + 1.0);
                f64::from(mapped[*n - 1])
            }
            Kernel::Count => pool.map_reduce(&*u32s, || 0, |n| usize::from(*n % 3 == 0), |a, b| a + b) as f64,
            Kernel::Stencil => {
                let last = output.len() - 1;
                pool.for_each(zip(&mut output[1..last], windows(f32s)), |(y, [a, b, c])| {
                    *y = mean(*a, *b, *c)
                });
                0.0
            }
            Kernel::Histogram => {
                let counts = pool.fold(
                    &*bytes,
                    || [0u32; 256],
                    |counts, byte| counts[usize::from(*byte)] += 1,
                    |mut left, right| {
                        left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
                        left
                    },
                );
                digest(&counts)
            }
            Kernel::Squares => of_u64(pool.map_reduce(0..*n as u64, || 0, square, u64::wrapping_add)),
            Kernel::Hash => of_u64(pool.map_reduce(&*u64s, || 0, |n| hash(*n), |a, b| a ^ b)),
            Kernel::Triangle | Kernel::Pareto | Kernel::OneLong => {
                of_u64(pool.map_reduce(&*lengths, || 0, item, |a, b| a ^ b))
            }
        })
    }
}
