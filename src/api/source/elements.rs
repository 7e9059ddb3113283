//! [`Elements`]: the elements of a vector by value.
//!
//! The parts of a loop share the memory of the vector; each element belongs to one part. Guarded by
//! `source/tests.rs`, `tests/loops`, and AddressSanitizer.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::sync::Arc;

use crate::api::source::{IntoSource, Source};

/// The elements of a vector by value, a [`Source`]. Made of a `Vec` by [`IntoSource`]. Elements that no part
/// hands out are dropped.
pub struct Elements<T> {
    /// The indices of the elements that belong to this part.
    left: Range<usize>,
    /// The address of the element 0.
    first: *mut T,
    /// Shared by all parts. The last part frees it, and drops no element with it.
    memory: Arc<VecMemory<T>>,
}

/// The memory of a vector, without its elements.
struct VecMemory<T> {
    first: *mut T,
    capacity: usize,
}

impl<T> Drop for VecMemory<T> {
    fn drop(&mut self) {
        // SAFETY: pointer and capacity come from a vector that was forgotten, and this is the only drop. With
        // a length of 0 it claims no element.
        drop(unsafe { Vec::from_raw_parts(self.first, 0, self.capacity) });
    }
}

// SAFETY: each element belongs to one part, which hands it out by value or drops it. So sending a part sends
// elements, which are `Send`. The parts share the address and the capacity, which never change, and the last
// part frees the memory.
unsafe impl<T: Send> Send for Elements<T> {}

impl<T> Elements<T> {
    /// The address of an element. `index` is at most the length of the vector.
    #[inline]
    fn element(&self, index: usize) -> *mut T {
        self.first.wrapping_add(index)
    }
}

impl<T> Iterator for Elements<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let index = self.left.next()?;
        // SAFETY: indices in `left` are below the length of the vector, and belong to this part alone. This
        // one has just been removed, so the element is read once and not dropped in place.
        Some(unsafe { self.element(index).read() })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl<T> DoubleEndedIterator for Elements<T> {
    #[inline]
    fn next_back(&mut self) -> Option<T> {
        let index = self.left.next_back()?;
        // SAFETY: as in `next`.
        Some(unsafe { self.element(index).read() })
    }
}

impl<T> ExactSizeIterator for Elements<T> {}

impl<T: Send> Source for Elements<T> {
    type Item = T;
    type Block = Self;

    #[inline]
    fn remaining(&self) -> usize {
        self.left.len()
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        assert!(at <= self.left.len(), "a split beyond the last element");
        let middle = self.left.start + at;
        let rest = middle..self.left.end;
        self.left.end = middle;
        Elements { left: rest, first: self.first, memory: self.memory.clone() }
    }

    #[inline]
    fn into_block(self) -> Self {
        self
    }
}

impl<T> Drop for Elements<T> {
    #[inline]
    fn drop(&mut self) {
        if !mem::needs_drop::<T>() {
            return;
        }
        for index in mem::take(&mut self.left) {
            // SAFETY: indices in `left` are below the length of the vector and belong to this part alone, so
            // nothing else uses the element. Each is dropped once. If a drop panics, the elements after it
            // are leaked.
            unsafe { self.element(index).drop_in_place() };
        }
    }
}

impl<T> fmt::Debug for Elements<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("left", &self.left.len()).finish_non_exhaustive()
    }
}

impl<T: Send> IntoSource for Vec<T> {
    type Item = T;
    type Source = Elements<T>;

    fn into_source(self) -> Elements<T> {
        let mut vector = ManuallyDrop::new(self);
        let (first, capacity) = (vector.as_mut_ptr(), vector.capacity());
        let memory = Arc::new(VecMemory { first, capacity });
        Elements { left: 0..vector.len(), first, memory }
    }
}
