//! How many items a loop runs before its worker looks whether another worker wants a part, and whether a
//! split would pay.
//!
//! A loop runs its items in blocks. A block is run without a look at anything, so that the compiler can
//! vectorise its body. Its length follows the time that the last block took: at first an item or a few,
//! then eight times as many, until a block takes about [`BLOCK`] microseconds. So a cheap body soon runs in
//! long blocks, and items of a millisecond run one by one. ("Nano loops" of Kvik and rayon-adaptive do the
//! same with lengths alone.)
//!
//! A plain value of each part of a loop. It reads no clock; its caller passes what the clock has shown.
//! Guarded by the unit tests here.

/// How long a block should take, in microseconds. A look at the clock, at the fork slot and at the source
/// costs about 20 ns, so blocks of this length lose less than 1 %. A worker that wants a part waits for half
/// of it on average.
pub const BLOCK: u64 = 4;

/// A block is at most so many times as long as the block before it, because the items so far may be short
/// by chance.
const GROWTH: usize = 8;

/// A block that took less than this part of [`BLOCK`] says little about the time of an item, because the
/// look at the clock takes time as well.
const SHORTEST: u64 = 8;

/// The length of the next block of a part, and what the last block has shown.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    next: usize,
    /// [`BLOCK`] in the unit of the clock.
    block: u64,
    last: LastBlock,
}

/// What is known about the time of an item.
#[derive(Debug, Clone, Copy)]
enum LastBlock {
    /// No item has run, and there are so few that each may take long.
    NoneOfFew,
    /// No item has run, and a first block of the many items costs little.
    NoneOfMany,
    /// A block of so many items has taken so many ticks.
    Ran { items: usize, ticks: u64 },
}

impl Pace {
    /// The pace of a loop over few items: it is split before the first item, because each may take a second.
    /// `ticks_per_us` is the unit of the clock.
    #[inline]
    pub fn of_few(ticks_per_us: u64) -> Self {
        Pace { next: 1, block: BLOCK * ticks_per_us, last: LastBlock::NoneOfFew }
    }

    /// The pace of a loop over items that are many for the workers of the pool: the first block tells whether
    /// a split pays. It is one item, because each may take a second, however many there are.
    #[inline]
    pub fn of_many(ticks_per_us: u64) -> Self {
        Pace { next: 1, block: BLOCK * ticks_per_us, last: LastBlock::NoneOfMany }
    }

    /// The number of items of the next block, at least 1.
    #[inline]
    pub fn next_block(&self) -> usize {
        self.next
    }

    /// A block of `items` has taken `ticks`.
    #[inline]
    pub fn record(&mut self, items: usize, ticks: u64) {
        self.last = LastBlock::Ran { items, ticks };
        let most = items.saturating_mul(GROWTH).max(1);
        // Without a division, which takes as long as the look at the clock, for the first blocks.
        self.next = if self.is_short(ticks) {
            most
        } else {
            let fitting = u128::from(self.block) * items as u128 / u128::from(ticks.max(1));
            usize::try_from(fitting).unwrap_or(usize::MAX).clamp(1, most)
        };
    }

    /// Whether `left` items will take at least `least` ticks, judged by the last block.
    #[inline]
    pub fn takes(&self, left: usize, least: u64) -> bool {
        match self.last {
            LastBlock::NoneOfFew => true,
            LastBlock::NoneOfMany => false,
            LastBlock::Ran { ticks, .. } if self.is_short(ticks) => false,
            LastBlock::Ran { items, ticks } => {
                u128::from(ticks) * left as u128 >= u128::from(least) * items as u128
            }
        }
    }

    fn is_short(&self, ticks: u64) -> bool {
        ticks < self.block / SHORTEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1000;

    /// Runs blocks over `items` of which item `i` takes `ticks(i)`. Returns the lengths of the blocks.
    fn blocks(items: usize, ticks: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut pace = Pace::of_many(US);
        let (mut at, mut lengths) = (0, Vec::new());
        while at < items {
            let len = pace.next_block().min(items - at);
            pace.record(len, (at..at + len).map(&ticks).sum());
            lengths.push(len);
            at += len;
        }
        lengths
    }

    #[test]
    fn items_that_take_no_time_soon_run_in_one_block() {
        assert_eq!(blocks(1000, |_| 0), [1, 8, 64, 512, 415]);
        assert!(blocks(16_000_000, |_| 0).len() < 10);
    }

    #[test]
    fn long_items_run_one_by_one() {
        for items in [1_000, 1_000_000] {
            assert!(blocks(items, |_| 1000 * US).iter().all(|&len| len == 1));
        }
    }

    #[test]
    fn blocks_take_about_the_wanted_time() {
        // Items of a tenth of a microsecond.
        let lengths = blocks(100_000, |_| US / 10);
        let wanted = 10 * BLOCK as usize;
        assert!(lengths[4..lengths.len() - 1].iter().all(|&len| len == wanted), "{lengths:?}");
        // Items that become longer: the blocks become shorter.
        let lengths = blocks(10_000, |i| i as u64);
        let longest = lengths.iter().max().expect("a block");
        assert!(lengths[lengths.len() - 2] < *longest, "{lengths:?}");
    }

    #[test]
    fn a_split_pays_if_much_is_left() {
        let few = Pace::of_few(US);
        assert!(few.takes(2, u64::MAX), "each of two items may take a second");
        let mut many = Pace::of_many(US);
        assert!(!many.takes(1000, 0), "nothing is known yet");
        many.record(1, 10);
        assert!(!many.takes(1000, 0), "too short to say anything");
        many.record(10, 2 * US);
        assert!(many.takes(100, 20 * US) && !many.takes(99, 20 * US));
        many.record(usize::MAX, u64::MAX);
        assert!(many.takes(usize::MAX, u64::MAX));
        many.record(0, 0);
        assert_eq!(many.next_block(), 1);
    }
}
