//! The seedable generator behind every random choice: victims, placement.

use std::cell::RefCell;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A small fast generator that belongs to one thread. Not for cryptography.
#[derive(Debug)]
pub struct Rng(RefCell<SmallRng>);

impl Rng {
    /// The generator number `stream` of the family that `seed` names: equal arguments, equal choices.
    pub fn new(seed: u64, stream: u64) -> Self {
        // An odd multiplier (the golden ratio in 64 bits) keeps the streams of neighbouring seeds apart.
        let mixed = seed ^ stream.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Rng(RefCell::new(SmallRng::seed_from_u64(mixed)))
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&self, bound: usize) -> usize {
        self.0.borrow_mut().random_range(0..bound)
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
    fn numbers_stay_below_the_bound() {
        let rng = Rng::new(1, 1);
        assert!((1..100).all(|bound| rng.below(bound) < bound));
    }
}
