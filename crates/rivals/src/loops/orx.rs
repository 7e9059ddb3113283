//! orx-parallel's iterators with their own runner and threads. It has no loop over two slices of which one is
//! changed, and no fold with a state for each thread that is merged.

use orx_parallel::*;

use super::data::{FACTOR, hash, item, larger, of_u64, square};
use super::{Data, Kernel, Looping};

pub struct Orx {
    pub workers: usize,
}

impl Looping for Orx {
    fn run(&mut self, kernel: Kernel, data: &mut Data) -> Option<f64> {
        let threads = self.workers;
        let Data { n, u32s, u64s, f64s: [x, y], f32s, output, lengths, .. } = data;
        let (x, y) = (&*x, &*y);
        Some(match kernel {
            Kernel::SumU32 => {
                let sum = u32s.par().num_threads(threads).map(|n| *n).reduce(u32::wrapping_add);
                f64::from(sum.unwrap_or(0))
            }
            Kernel::SumF64 => x.par().num_threads(threads).map(|x| *x).sum(),
            Kernel::MaxF32 => {
                f32s.par().num_threads(threads).map(|x| *x).reduce(larger).unwrap_or(0.0).into()
            }
            Kernel::Dot => (0..*n).par().num_threads(threads).map(|i| x[i] * y[i]).sum(),
            Kernel::Scale => {
                output.par_mut().num_threads(threads).for_each(|y| *y *= FACTOR);
                0.0
            }
            Kernel::Map => {
                let mapped: Vec<f32> = f32s.par().num_threads(threads).map(|x| 2.0 * x + 1.0).collect();
                f64::from(mapped[*n - 1])
            }
            Kernel::Count => u32s.par().num_threads(threads).filter(|n| **n % 3 == 0).count() as f64,
            Kernel::Squares => {
                let sum =
                    (0..*n).par().num_threads(threads).map(|n| square(n as u64)).reduce(u64::wrapping_add);
                of_u64(sum.unwrap_or(0))
            }
            Kernel::Hash => {
                let all = u64s.par().num_threads(threads).map(|n| hash(*n)).reduce(|a, b| a ^ b);
                of_u64(all.unwrap_or(0))
            }
            Kernel::Triangle | Kernel::Pareto | Kernel::OneLong => {
                let all = lengths.par().num_threads(threads).map(item).reduce(|a, b| a ^ b);
                of_u64(all.unwrap_or(0))
            }
            Kernel::Saxpy | Kernel::Stencil | Kernel::Histogram => return None,
        })
    }
}
