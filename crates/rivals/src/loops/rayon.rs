//! rayon's parallel iterators, called inside of `install` as its documentation has it.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::data::{FACTOR, digest, hash, item, larger, mean, of_u64, square};
use super::{Data, Kernel, Looping};

pub struct Rayon(ThreadPool);

impl Rayon {
    pub fn new(workers: usize) -> Self {
        Self(ThreadPoolBuilder::new().num_threads(workers).build().expect("a pool"))
    }
}

impl Looping for Rayon {
    fn run(&mut self, kernel: Kernel, data: &mut Data) -> Option<f64> {
        self.0.install(|| Some(run(kernel, data)))
    }
}

fn run(kernel: Kernel, data: &mut Data) -> f64 {
    let Data { n, u32s, u64s, bytes, f64s: [x, y], f32s, output, lengths } = data;
    match kernel {
        Kernel::SumU32 => f64::from(u32s.par_iter().copied().reduce(|| 0, u32::wrapping_add)),
        Kernel::SumF64 => x.par_iter().sum(),
        Kernel::MaxF32 => f32s.par_iter().copied().reduce(|| 0.0, larger).into(),
        Kernel::Dot => x.par_iter().zip(y).map(|(x, y)| *x * *y).sum(),
        Kernel::Saxpy => {
            output.par_iter_mut().zip(f32s).for_each(|(y, x)| *y += FACTOR * *x);
            0.0
        }
        Kernel::Scale => {
            output.par_iter_mut().for_each(|y| *y *= FACTOR);
            0.0
        }
        Kernel::Map => {
            let mapped: Vec<f32> = f32s.par_iter().map(|x| 2.0 * x + 1.0).collect();
            f64::from(mapped[*n - 1])
        }
        Kernel::Count => u32s.par_iter().filter(|n| **n % 3 == 0).count() as f64,
        Kernel::Stencil => {
            let last = output.len() - 1;
            let windows = f32s.par_windows(3);
            output[1..last].par_iter_mut().zip(windows).for_each(|(y, w)| *y = mean(w[0], w[1], w[2]));
            0.0
        }
        Kernel::Histogram => {
            let count = |mut counts: [u32; 256], byte: &u8| {
                counts[usize::from(*byte)] += 1;
                counts
            };
            let add = |mut left: [u32; 256], right: [u32; 256]| {
                left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
                left
            };
            digest(&bytes.par_iter().fold(|| [0; 256], count).reduce(|| [0; 256], add))
        }
        Kernel::Squares => of_u64((0..*n as u64).into_par_iter().map(square).reduce(|| 0, u64::wrapping_add)),
        Kernel::Hash => of_u64(u64s.par_iter().map(|n| hash(*n)).reduce(|| 0, |a, b| a ^ b)),
        Kernel::Triangle | Kernel::Pareto | Kernel::OneLong => {
            of_u64(lengths.par_iter().map(item).reduce(|| 0, |a, b| a ^ b))
        }
    }
}
