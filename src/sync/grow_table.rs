//! A table indexed by number. Entries are made when they are first needed and never move.
//!
//! A pool owns a few of them, with one entry for each worker number. The first entries are made with the
//! table and are adjacent in memory, so a pool of fixed size pays nothing for the rest. Later entries are in
//! segments that are allocated one by one, so a table for thousands of numbers of which few are used takes a
//! few kilobytes. Any thread may read and make entries. Guarded by the unit tests here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Entries allocated together. A small number, because an elastic pool that grows by one worker pays for a
/// segment; not too small, so that the table of segments stays short.
const SEGMENT: usize = 16;

type Segment<T> = Box<[OnceLock<T>]>;

/// A table whose entries are made on demand; see the module's text.
#[derive(Debug)]
pub struct GrowTable<T> {
    first: Box<[T]>,
    /// Segment `s` holds the numbers from `first.len() + s * SEGMENT` on.
    segments: Box<[OnceLock<Segment<T>>]>,
    /// The number of segments that may have entries, so that `iter` skips the unused ones.
    used: AtomicUsize,
}

impl<T> GrowTable<T> {
    /// A table with the entries `first`, for numbers below `capacity`.
    pub fn new(first: Box<[T]>, capacity: usize) -> Self {
        let segments = capacity.saturating_sub(first.len()).div_ceil(SEGMENT);
        let segments = (0..segments).map(|_| OnceLock::new()).collect();
        GrowTable { first, segments, used: AtomicUsize::new(0) }
    }

    /// The entry of `number`.
    ///
    /// # Panics
    /// If the entry was never made.
    #[inline]
    pub fn get(&self, number: usize) -> &T {
        self.find(number).expect("the entry is made when its number is first assigned")
    }

    /// The entry of `number`, if it was made.
    #[inline]
    pub fn find(&self, number: usize) -> Option<&T> {
        self.first.get(number).or_else(|| self.find_later(number))
    }

    #[inline(never)]
    fn find_later(&self, number: usize) -> Option<&T> {
        let later = number - self.first.len();
        self.segments.get(later / SEGMENT)?.get()?[later % SEGMENT].get()
    }

    /// The entry of `number`, which is below the capacity. `make` makes it if it does not exist.
    pub fn get_or_make(&self, number: usize, make: impl FnOnce() -> T) -> &T {
        if let Some(entry) = self.first.get(number) {
            return entry;
        }
        let later = number - self.first.len();
        let new_segment = || (0..SEGMENT).map(|_| OnceLock::new()).collect();
        let segment = self.segments[later / SEGMENT].get_or_init(new_segment);
        // Release pairs with the Acquire in `iter`: a thread that reads the new count finds the segment. It
        // is stored before the entry is made, so a thread that knows of the entry by other means also reads
        // the new count.
        self.used.fetch_max(later / SEGMENT + 1, Ordering::Release);
        segment[later % SEGMENT].get_or_init(make)
    }

    /// All entries that exist, with their numbers, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let used = self.used.load(Ordering::Acquire); // pairs with the Release in `get_or_make`
        let later = self.segments[..used].iter().enumerate().flat_map(move |(s, segment)| {
            let entries = segment.get().into_iter().flatten().enumerate();
            entries.filter_map(move |(i, entry)| Some((self.first.len() + s * SEGMENT + i, entry.get()?)))
        });
        self.first.iter().enumerate().chain(later)
    }

    /// All entries that exist, in ascending order of their numbers.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, entry)| entry)
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn entries_are_made_once_and_found_in_order() {
        let table = GrowTable::new(Box::new([10, 11]), 1000);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(0, &10), (1, &11)]);
        assert_eq!(*table.get_or_make(1, || unreachable!("it exists")), 11);
        assert_eq!(*table.get_or_make(999, || 7), 7);
        assert_eq!(*table.get_or_make(20, || 5), 5);
        assert_eq!(*table.get_or_make(20, || unreachable!("it exists")), 5);
        assert_eq!(*table.get(999), 7);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(0, &10), (1, &11), (20, &5), (999, &7)]);
    }

    #[test]
    fn entries_never_move() {
        let table = GrowTable::new(Box::new([0usize; 1]), 64);
        let addresses: Vec<*const usize> = (0..64).map(|n| &raw const *table.get_or_make(n, || n)).collect();
        assert!((0..64).all(|n| std::ptr::eq(table.get(n), addresses[n])));
    }

    #[test]
    #[should_panic(expected = "made when its number")]
    fn an_entry_that_was_never_made_is_not_found() {
        GrowTable::new(Box::<[u8]>::default(), 4).get(3);
    }
}
