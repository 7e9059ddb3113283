//! A batch of values on their way between queues, in one recycled memory block.
//!
//! Batches are filled on one thread and emptied on another, at a rate at which the lock of a general
//! allocator is the bottleneck. So `task/recycle.rs` allocates their memory. A batch belongs to one thread
//! at a time. Guarded by the unit tests here and by AddressSanitizer runs of the stress tests.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::base::debug::impl_debug;
use crate::task::recycle;

/// The most values in a batch: 32 tasks of 32 bytes fill a recycled block of the largest class. How many
/// tasks are moved at a time is decided by constants where they are moved; each of them is at most this.
pub const BATCH_CAPACITY: usize = 32;

type Cells<T> = [MaybeUninit<T>; BATCH_CAPACITY];

/// Up to [`BATCH_CAPACITY`] values, the oldest first.
pub struct Batch<T> {
    cells: NonNull<Cells<T>>,
    /// The first `len` cells hold a value.
    len: usize,
}

// SAFETY: the batch owns its values and its memory, like a `Vec`; no other pointer to them exists.
unsafe impl<T: Send> Send for Batch<T> {}

impl<T> Batch<T> {
    /// An empty batch.
    pub fn new() -> Self {
        Batch { cells: recycle::alloc(), len: 0 }
    }

    /// The number of values.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the batch has no values.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn cells(&mut self) -> &mut Cells<T> {
        // SAFETY: the block was allocated for this type, so it is aligned and large enough. It belongs to
        // this batch, which is borrowed mutably. `MaybeUninit` needs no initialised content.
        unsafe { self.cells.as_mut() }
    }

    /// Adds the newest value.
    ///
    /// # Panics
    /// If the batch is full.
    #[inline]
    pub fn push(&mut self, value: T) {
        let len = self.len;
        self.cells()[len].write(value);
        self.len = len + 1;
    }

    /// Takes the newest value.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        // SAFETY: the index was below `len`, so the cell holds a value. It is moved out once, because `len`
        // no longer covers the cell.
        Some(unsafe { self.cells()[last].assume_init_read() })
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
        // SAFETY: the block was allocated for this type. No value is left in it, and it is not used again.
        unsafe { recycle::free(self.cells) };
    }
}

impl_debug! { Batch<T> { len } }

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn values_come_back_newest_first_and_the_rest_is_dropped() {
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
    fn a_full_batch_refuses_a_value() {
        Batch::new().extend(0..=BATCH_CAPACITY);
    }
}
