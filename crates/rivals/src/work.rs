//! Work of a given length: a chain of multiplications that no compiler shortens and no cache disturbs,
//! counted in iterations, so that a task that is interrupted still does its whole work.

use std::hint::black_box;
use std::time::Instant;

/// Does so many iterations; returns what they came to.
#[inline(never)]
pub fn spin(iterations: u64) -> u64 {
    (0..iterations).fold(black_box(1), |x: u64, i| black_box(x.wrapping_mul(6_364_136_223_846_793_005) ^ i))
}

/// Iterations in a microsecond on this machine, now: the best of several tries, undisturbed by others.
pub fn iterations_per_us() -> f64 {
    const ITERATIONS: u64 = 1_000_000;
    let rate = |_| {
        let start = Instant::now();
        black_box(spin(ITERATIONS));
        ITERATIONS as f64 / (start.elapsed().as_nanos() as f64 / 1000.0)
    };
    (0..10).map(rate).fold(0.0, f64::max)
}

/// splitmix64: numbers that look random and are the same in each child.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// The next fraction, above 0 and up to 1.
    pub fn fraction(&mut self) -> f64 {
        ((self.number() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Puts the items into another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.number() % (last as u64 + 1)) as usize);
        }
    }
}
