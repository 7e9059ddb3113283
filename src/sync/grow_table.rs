//! A table by number whose entries are made when they are first needed, and then stay where they are.
//!
//! It belongs to a pool: an entry a worker. The first entries are made with the table and lie side by side, so that a
//! pool of fixed size pays nothing for the others. Those lie in groups that are allocated one by one: a table for
//! thousands of numbers of which a few are used takes a few kilobytes. Any thread may read and make entries.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Entries allocated together: few enough that an elastic pool which grows by one does not pay for many, many enough
/// that the table of groups stays small.
const GROUP: usize = 16;

type Segment<T> = Box<[OnceLock<T>]>;

/// See the module's text.
#[derive(Debug)]
pub struct GrowTable<T> {
    first: Box<[T]>,
    /// Segment `g` holds the numbers from `first.len() + g * GROUP` on.
    groups: Box<[OnceLock<Segment<T>>]>,
    /// Groups that may have entries: spares a pool that has none the look at each.
    begun: AtomicUsize,
}

impl<T> GrowTable<T> {
    /// With the entries `first`, and room for numbers below `capacity`.
    pub fn new(first: Box<[T]>, capacity: usize) -> Self {
        let groups = capacity.saturating_sub(first.len()).div_ceil(GROUP);
        GrowTable {
            first,
            groups: (0..groups).map(|_| OnceLock::new()).collect(),
            begun: AtomicUsize::new(0),
        }
    }

    /// The entry of `number`.
    ///
    /// # Panics
    /// If it was never made.
    #[inline]
    pub fn get(&self, number: usize) -> &T {
        match self.first.get(number) {
            Some(entry) => entry,
            None => self.find_later(number).expect("made when its number was first given"),
        }
    }

    /// The entry of `number`, if it was made.
    pub fn find(&self, number: usize) -> Option<&T> {
        self.first.get(number).or_else(|| self.find_later(number))
    }

    #[inline(never)]
    fn find_later(&self, number: usize) -> Option<&T> {
        let later = number - self.first.len();
        self.groups.get(later / GROUP)?.get()?[later % GROUP].get()
    }

    /// The entry of `number`, which is below the capacity; made by `make` if there is none yet.
    pub fn get_or_make(&self, number: usize, make: impl FnOnce() -> T) -> &T {
        if let Some(entry) = self.first.get(number) {
            return entry;
        }
        let later = number - self.first.len();
        let group = self.groups[later / GROUP].get_or_init(|| (0..GROUP).map(|_| OnceLock::new()).collect());
        // Release pairs with the Acquire in `iter`: who hears of the group finds it. Before the entry is made, so that
        // whoever knows of the entry by other means knows of the group.
        self.begun.fetch_max(later / GROUP + 1, Ordering::Release);
        group[later % GROUP].get_or_init(make)
    }

    /// All entries that have been made, with their numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let begun = self.begun.load(Ordering::Acquire); // see `get_or_make`
        let later = self.groups[..begun].iter().enumerate().flat_map(move |(g, group)| {
            let entries = group.get().into_iter().flatten().enumerate();
            entries.filter_map(move |(i, entry)| Some((self.first.len() + g * GROUP + i, entry.get()?)))
        });
        self.first.iter().enumerate().chain(later)
    }

    /// As [`GrowTable::iter`], without the numbers.
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
        assert_eq!(*table.get_or_make(1, || unreachable!("it is there")), 11);
        assert_eq!(*table.get_or_make(999, || 7), 7);
        assert_eq!(*table.get_or_make(20, || 5), 5);
        assert_eq!(*table.get_or_make(20, || unreachable!("made before")), 5);
        assert_eq!(*table.get(999), 7);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(0, &10), (1, &11), (20, &5), (999, &7)]);
    }

    #[test]
    fn nothing_moves() {
        let table = GrowTable::new(Box::new([0usize; 1]), 64);
        let places: Vec<*const usize> = (0..64).map(|n| &raw const *table.get_or_make(n, || n)).collect();
        assert!((0..64).all(|n| std::ptr::eq(table.get(n), places[n])));
    }

    #[test]
    #[should_panic(expected = "made when its number")]
    fn what_was_never_made_is_not_found() {
        GrowTable::new(Box::<[u8]>::default(), 4).get(3);
    }
}
