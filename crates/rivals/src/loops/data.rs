//! The kernels of the rows about loops, and the data that they work on.

use crate::work::{Random, iterations_per_us, spin};

/// What a loop computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The sum of `u32`, modulo two to the 32.
    SumU32,
    /// The sum of `f64`; the order of the additions is free.
    SumF64,
    /// The largest `f32`.
    MaxF32,
    /// The dot product of two slices of `f64`; the order of the additions is free.
    Dot,
    /// `y = a x + y` over two slices of `f32`.
    Saxpy,
    /// A slice of `f32` times a number, in place.
    Scale,
    /// `2 x + 1` of a slice of `f32` into a new vector.
    Map,
    /// How many `u32` are multiples of 3.
    Count,
    /// The mean of three neighbouring `f32` into another slice.
    Stencil,
    /// How often each byte occurs.
    Histogram,
    /// The sum of the squares of the numbers up to `n`.
    Squares,
    /// A hash of 24 rounds of each `u64`, all by exclusive or.
    Hash,
    /// Item `i` takes time in proportion to `i`.
    Triangle,
    /// Items of Pareto length, shuffled.
    Pareto,
    /// One item of 10 ms among items of 1 us.
    OneLong,
}

impl Kernel {
    /// Whether the items differ in length, so that the ideal is balance, not a loop without overhead.
    #[must_use]
    pub fn is_uneven(self) -> bool {
        matches!(self, Self::Triangle | Self::Pareto | Self::OneLong)
    }
}

/// What a kernel works on: only the fields that it needs are filled.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// Items.
    pub n: usize,
    pub(super) u32s: Vec<u32>,
    pub(super) u64s: Vec<u64>,
    pub(super) bytes: Vec<u8>,
    pub(super) f64s: [Vec<f64>; 2],
    pub(super) f32s: Vec<f32>,
    /// What is changed in place.
    pub(super) output: Vec<f32>,
    /// Iterations of each item.
    pub(super) lengths: Vec<u32>,
}

impl Data {
    /// The data of a kernel over `n` items, the same in each process but for the machine's speed.
    #[must_use]
    pub fn new(kernel: Kernel, n: usize) -> Self {
        let mut random = Random::new(n as u64);
        let mut data = Self { n, ..Self::default() };
        match kernel {
            Kernel::SumU32 | Kernel::Count => data.u32s = (0..n).map(|_| random.number() as u32).collect(),
            Kernel::SumF64 => data.f64s[0] = (0..n).map(|_| random.fraction()).collect(),
            Kernel::Dot => data.f64s = [(); 2].map(|()| (0..n).map(|_| random.fraction()).collect()),
            Kernel::MaxF32 | Kernel::Map => data.f32s = (0..n).map(|_| random.fraction() as f32).collect(),
            Kernel::Saxpy | Kernel::Stencil => {
                data.f32s = (0..n).map(|_| random.fraction() as f32).collect();
                data.output = vec![1.0; n];
            }
            Kernel::Scale => data.output = (0..n).map(|_| random.fraction() as f32).collect(),
            Kernel::Histogram => data.bytes = (0..n).map(|_| (random.number() >> 56) as u8).collect(),
            Kernel::Squares => {}
            Kernel::Hash => data.u64s = (0..n).map(|_| random.number()).collect(),
            Kernel::Triangle | Kernel::Pareto | Kernel::OneLong => {
                data.lengths = lengths(kernel, n, &mut random)
            }
        }
        data
    }

    /// What a kernel that works in place has made, to be compared.
    #[must_use]
    pub fn output(&self) -> &[f32] {
        &self.output
    }
}

/// The iterations of each item of an uneven kernel. On average a tenth of a microsecond, or less so that all
/// take 50 ms at most; 1 us in [`Kernel::OneLong`].
fn lengths(kernel: Kernel, n: usize, random: &mut Random) -> Vec<u32> {
    let per_us = iterations_per_us();
    let mean = per_us * f64::min(0.1, 50_000.0 / n as f64);
    match kernel {
        Kernel::Triangle => (0..n).map(|i| (2.0 * mean * i as f64 / n as f64) as u32).collect(),
        Kernel::Pareto => {
            // Shape 1.5, so the mean is three times the least; cut at a thousand times the mean.
            let pareto = |_| f64::min(mean / 3.0 * random.fraction().powf(-1.0 / 1.5), 1000.0 * mean) as u32;
            (0..n).map(pareto).collect()
        }
        _ => {
            let mut lengths = vec![per_us as u32; n];
            lengths[n / 3] = (10_000.0 * per_us) as u32;
            lengths
        }
    }
}

/// A hash of 24 rounds.
#[inline]
pub(super) fn hash(number: u64) -> u64 {
    (0..24).fold(number, |x, round| (x ^ (x >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(round))
}

/// Works as long as an item of an uneven kernel.
#[inline]
pub(super) fn item(length: &u32) -> u64 {
    spin(u64::from(*length))
}

/// The square of a number, so that the compiler cannot replace the loop by a formula.
#[inline]
pub(super) fn square(number: u64) -> u64 {
    number.wrapping_mul(number) ^ (number >> 3)
}

/// The mean of three.
#[inline]
pub(super) fn mean(a: f32, b: f32, c: f32) -> f32 {
    (a + b + c) * (1.0 / 3.0)
}

/// The larger of two, as the processor's instruction has it.
#[inline]
pub(super) fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// The factor of [`Kernel::Saxpy`] and [`Kernel::Scale`]: values stay in range over many calls.
pub(super) const FACTOR: f32 = 1.000_000_1;

/// A number that depends on a part of a histogram.
pub(super) fn digest(histogram: &[u32; 256]) -> f64 {
    histogram.iter().zip(1u32..).map(|(count, weight)| f64::from(*count) * f64::from(weight)).sum()
}

/// A result as a number that can be compared: a `u64` loses its last bits.
pub(super) fn of_u64(number: u64) -> f64 {
    (number >> 11) as f64
}
