//! The seedable generators behind every random choice: victims, placement, keys.
//!
//! Each generator belongs to one thread (a worker, or a thread-local of a producer). Guarded by the unit
//! tests here.

use std::cell::{Cell, RefCell};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A small, fast generator for one thread. Not for cryptography.
#[derive(Debug)]
pub struct Rng(RefCell<SmallRng>);

impl Rng {
    /// Generator number `stream` of the family `seed`. Equal arguments give equal sequences.
    pub fn new(seed: u64, stream: u64) -> Self {
        // An odd multiplier keeps the streams of neighbouring seeds apart.
        let mixed = seed ^ stream.wrapping_add(1).wrapping_mul(GOLDEN);
        Rng(RefCell::new(SmallRng::seed_from_u64(mixed)))
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&self, bound: usize) -> usize {
        self.0.borrow_mut().random_range(0..bound)
    }
}

/// The golden ratio in 64 bits: odd, and without a pattern.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Mixes the bits of `number` (the last steps of SplitMix64): neighbouring inputs give unrelated outputs.
#[inline]
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// The smallest generator (SplitMix64): one word, for a thread-local. Not for cryptography.
#[derive(Debug)]
pub struct Draws(Cell<u64>);

impl Draws {
    /// A generator without a seed.
    pub const fn new() -> Self {
        Draws(Cell::new(0))
    }

    /// Turns into generator number `stream` of the family `seed`.
    pub fn seed(&self, seed: u64, stream: u64) {
        self.0.set(mix(seed ^ stream.wrapping_add(1).wrapping_mul(GOLDEN)));
    }

    /// The next 64 bits.
    #[inline]
    pub fn bits(&self) -> u64 {
        let next = self.0.get().wrapping_add(GOLDEN);
        self.0.set(next);
        mix(next)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    #[inline]
    pub fn below(&self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_choose_alike_and_streams_differ() {
        let draw = |seed, stream| {
            let rng = Rng::new(seed, stream);
            (0..32).map(|_| rng.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn draws_are_repeatable_spread_and_below_the_bound() {
        let (draws, same) = (Draws::new(), Draws::new());
        draws.seed(3, 4);
        same.seed(3, 4);
        let mut hits = [0; 7];
        for _ in 0..7_000 {
            let number = draws.below(7);
            assert_eq!(number, same.below(7));
            hits[number] += 1;
        }
        assert!(hits.iter().all(|&n| (800..1_200).contains(&n)), "{hits:?}");
        assert_eq!((draws.below(1), draws.below(0)), (0, 0));
    }

    #[test]
    fn numbers_stay_below_the_bound() {
        let rng = Rng::new(1, 1);
        assert!((1..100).all(|bound| rng.below(bound) < bound));
    }
}
