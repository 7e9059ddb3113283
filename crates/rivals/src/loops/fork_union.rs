//! fork_union (since its version 3 the crate `forkunion`): one contiguous slice for each thread, and
//! items one by one where they are uneven. Its threads spin between two loops, and the caller is one of
//! them.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use forkunion::{ThreadPool, Topology};

use super::data::{FACTOR, digest, hash, item, larger, mean, of_u64, square};
use super::{Data, Kernel, Looping};

pub struct ForkUnion(ThreadPool);

impl ForkUnion {
    pub fn new(workers: usize) -> Self {
        let topology = Topology::new().expect("the machine's topology");
        Self(ThreadPool::try_spawn(&topology, workers).expect("a pool"))
    }

    /// Folds the slice of each thread, and merges the results.
    fn reduce<T: Send + Clone>(
        &mut self,
        n: usize,
        identity: T,
        fold: impl Fn(Range<usize>) -> T + Sync,
        merge: impl Fn(T, T) -> T + Sync,
    ) -> T {
        // Each thread takes the lock once.
        let total = Mutex::new(identity);
        // Runs when it is dropped.
        drop(self.0.for_slices(n, |prong, count| {
            let part = fold(prong.task_index..prong.task_index + count);
            let mut total = total.lock().expect("no panic");
            *total = merge(total.clone(), part);
        }));
        total.into_inner().expect("no panic")
    }
}

impl Looping for ForkUnion {
    fn run(&mut self, kernel: Kernel, data: &mut Data) -> Option<f64> {
        self.reduction(kernel, data).or_else(|| {
            self.in_place(kernel, data);
            Some(0.0)
        })
    }
}

impl ForkUnion {
    /// The kernels that read only. `None`: it is none of them.
    fn reduction(&mut self, kernel: Kernel, data: &Data) -> Option<f64> {
        let Data { n, u32s, u64s, bytes, f64s: [x, y], f32s, lengths, .. } = data;
        let n = *n;
        Some(match kernel {
            Kernel::SumU32 => {
                let fold = |part: Range<usize>| u32s[part].iter().fold(0u32, |a, b| a.wrapping_add(*b));
                f64::from(self.reduce(n, 0, fold, u32::wrapping_add))
            }
            Kernel::SumF64 => self.reduce(n, 0.0, |part| x[part].iter().sum(), |a, b| a + b),
            Kernel::MaxF32 => {
                self.reduce(n, 0.0, |part| f32s[part].iter().copied().fold(0.0, larger), larger).into()
            }
            Kernel::Dot => {
                let fold = |part: Range<usize>| {
                    x[part.clone()].iter().zip(&y[part]).map(|(x, y)| *x * *y).sum::<f64>()
                };
                self.reduce(n, 0.0, fold, |a, b| a + b)
            }
            Kernel::Map => self.map(f32s),
            Kernel::Count => {
                let fold = |part: Range<usize>| u32s[part].iter().filter(|n| **n % 3 == 0).count();
                self.reduce(n, 0, fold, |a, b| a + b) as f64
            }
            Kernel::Histogram => self.histogram(bytes),
            Kernel::Squares => {
                let fold = |part: Range<usize>| {
                    (part.start as u64..part.end as u64).map(square).fold(0, u64::wrapping_add)
                };
                of_u64(self.reduce(n, 0, fold, u64::wrapping_add))
            }
            Kernel::Hash => {
                let fold = |part: Range<usize>| u64s[part].iter().map(|n| hash(*n)).fold(0, |a, b| a ^ b);
                of_u64(self.reduce(n, 0, fold, |a, b| a ^ b))
            }
            Kernel::Triangle | Kernel::Pareto | Kernel::OneLong => {
                let total = AtomicU64::new(0);
                drop(self.0.for_n_dynamic(n, |prong| {
                    total.fetch_xor(item(&lengths[prong.task_index]), Ordering::Relaxed);
                }));
                of_u64(total.into_inner())
            }
            Kernel::Saxpy | Kernel::Scale | Kernel::Stencil => return None,
        })
    }

    fn histogram(&mut self, bytes: &[u8]) -> f64 {
        let fold = |part: Range<usize>| {
            let mut counts = [0u32; 256];
            bytes[part].iter().for_each(|byte| counts[usize::from(*byte)] += 1);
            counts
        };
        let add = |mut left: [u32; 256], right: [u32; 256]| {
            left.iter_mut().zip(right).for_each(|(left, right)| *left += right);
            left
        };
        digest(&self.reduce(bytes.len(), [0; 256], fold, add))
    }

    fn map(&mut self, items: &[f32]) -> f64 {
        let n = items.len();
        let mut mapped: Vec<f32> = Vec::with_capacity(n);
        let places = &mut mapped.spare_capacity_mut()[..n];
        let base = places.as_ptr() as usize;
        self.0.for_slices_mut(places, |_, part| {
            let first = (part.as_ptr() as usize - base) / size_of::<f32>();
            part.iter_mut().zip(&items[first..]).for_each(|(place, x)| _ = place.write(2.0 * x + 1.0));
        });
        // SAFETY: each of the `n` places was written.
        unsafe { mapped.set_len(n) };
        f64::from(mapped[n - 1])
    }

    /// The kernels that change the output.
    fn in_place(&mut self, kernel: Kernel, data: &mut Data) {
        let Data { f32s, output, .. } = data;
        let f32s = &*f32s;
        // Where the slice of a thread begins says which part of the other slice belongs to it.
        let last = output.len() - 1;
        let output = if kernel == Kernel::Stencil { &mut output[1..last] } else { &mut output[..] };
        let base = output.as_ptr() as usize;
        let first = |part: &[f32]| (part.as_ptr() as usize - base) / size_of::<f32>();
        match kernel {
            Kernel::Saxpy => self.0.for_slices_mut(output, |_, part| {
                let x = &f32s[first(part)..];
                part.iter_mut().zip(x).for_each(|(y, x)| *y += FACTOR * *x);
            }),
            Kernel::Stencil => self.0.for_slices_mut(output, |_, part| {
                let windows = f32s[first(part)..].array_windows();
                part.iter_mut().zip(windows).for_each(|(y, [a, b, c])| *y = mean(*a, *b, *c));
            }),
            _ => self.0.for_slices_mut(output, |_, part| part.iter_mut().for_each(|y| *y *= FACTOR)),
        }
    }
}
