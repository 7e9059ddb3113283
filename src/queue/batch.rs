//! A batch of values on their way between queues, in one recycled memory block.
//!
//! Batches are filled on one thread and emptied on another, at a rate that makes a general allocator's lock the
//! bottleneck; `block` is made for that.

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::task::recycle;

/// The most values in a batch: with tasks of 32 bytes it fills a recycled block of the largest class. How many tasks are moved
/// at a time is decided where they are moved, by constants that are at most this.
pub const BATCH_CAPACITY: usize = 32;

type Places<T> = [MaybeUninit<T>; BATCH_CAPACITY];

/// Up to [`BATCH_CAPACITY`] values, the oldest first. Belongs to one thread at a time.
pub struct Batch<T> {
    places: NonNull<Places<T>>,
    /// The first so many places hold a value.
    len: usize,
}

// SAFETY: it owns its values like a `Vec`.
unsafe impl<T: Send> Send for Batch<T> {}

impl<T> Batch<T> {
    /// An empty batch.
    pub fn new() -> Self {
        Batch { places: recycle::alloc(), len: 0 }
    }

    /// How many values are inside.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn places(&mut self) -> &mut Places<T> {
        // SAFETY: the block is ours for as long as this value lives, and large enough.
        unsafe { self.places.as_mut() }
    }

    /// Adds the youngest value.
    ///
    /// # Panics
    /// If the batch is full.
    #[inline]
    pub fn push(&mut self, value: T) {
        let len = self.len;
        self.places()[len].write(value);
        self.len = len + 1;
    }

    /// Takes the youngest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        // SAFETY: it was below `len`, so it holds a value, and it is no longer.
        Some(unsafe { self.places()[last].assume_init_read() })
    }
}

impl<T> Extend<T> for Batch<T> {
    #[inline]
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        while let Some(value) = self.pop() {
            drop(value);
        }
        // SAFETY: taken for this type, nothing lives in it, used no more.
        unsafe { recycle::free(self.places) };
    }
}

impl<T> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn values_come_back_youngest_first_and_others_are_dropped() {
        let value = Rc::new(());
        let mut batch = Batch::new();
        batch.extend((0..BATCH_CAPACITY).map(|i| (i, value.clone())));
        assert_eq!(batch.len(), BATCH_CAPACITY);
        assert_eq!(batch.pop().map(|v| v.0), Some(BATCH_CAPACITY - 1));
        drop(batch);
        assert_eq!(Rc::strong_count(&value), 1);
        assert!(Batch::<u8>::new().pop().is_none());
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn a_full_batch_takes_no_more() {
        Batch::new().extend(0..=BATCH_CAPACITY);
    }
}
