//! No pool: the iterators of the standard library.

use super::data::{FACTOR, digest, hash, item, larger, mean, of_u64, square};
use super::{Data, Kernel, Looping};

pub struct Serial;

impl Looping for Serial {
    fn run(&mut self, kernel: Kernel, data: &mut Data) -> Option<f64> {
        let Data { n, u32s, u64s, bytes, f64s: [x, y], f32s, output, lengths } = data;
        Some(match kernel {
            Kernel::SumU32 => f64::from(u32s.iter().fold(0u32, |a, b| a.wrapping_add(*b))),
            Kernel::SumF64 => x.iter().sum(),
            Kernel::MaxF32 => f32s.iter().copied().fold(0.0, larger).into(),
            Kernel::Dot => x.iter().zip(y).map(|(x, y)| *x * *y).sum(),
            Kernel::Saxpy => {
                output.iter_mut().zip(f32s).for_each(|(y, x)| *y += FACTOR * *x);
                0.0
            }
            Kernel::Scale => {
                output.iter_mut().for_each(|y| *y *= FACTOR);
                0.0
            }
            Kernel::Map => {
                let mapped: Vec<f32> = f32s.iter().map(|x| 2.0 * x + 1.0).collect();
                f64::from(mapped[*n - 1])
            }
            Kernel::Count => u32s.iter().filter(|n| **n % 3 == 0).count() as f64,
            Kernel::Stencil => {
                let last = output.len() - 1;
                let windows = f32s.array_windows();
                output[1..last].iter_mut().zip(windows).for_each(|(y, [a, b, c])| *y = mean(*a, *b, *c));
                0.0
            }
            Kernel::Histogram => {
                let mut counts = [0u32; 256];
                bytes.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
                digest(&counts)
            }
            Kernel::Squares => of_u64((0..*n as u64).map(square).fold(0, u64::wrapping_add)),
            Kernel::Hash => of_u64(u64s.iter().map(|n| hash(*n)).fold(0, |a, b| a ^ b)),
            Kernel::Triangle | Kernel::Pareto | Kernel::OneLong => {
                of_u64(lengths.iter().map(item).fold(0, |a, b| a ^ b))
            }
        })
    }
}
