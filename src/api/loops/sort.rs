//! Sorts: halves on joins, each sorted by the standard library, and merged by both workers.
//!
//! A part is split only while another worker could take half of it, so a sort that no worker joins is the
//! standard library's. Two sorted halves are merged into a buffer of the same length, and copied back. While
//! a comparison may panic, all elements are in the slice; the buffer holds copies that are never dropped.
//! Guarded by `tests/loops` and AddressSanitizer.

use std::cmp::Ordering;
use std::mem::MaybeUninit;
use std::ptr;

use crate::api::join::Context;
use crate::api::pool::Pool;

/// Fewer elements are sorted by one worker: with cheap comparisons they take less time than it costs to wake
/// another worker.
const LEAST_SORTED: usize = 4096;

/// Fewer elements are merged or copied by one worker.
const LEAST_MERGED: usize = 4096;

/// The parts for each worker into which a sort is split at most. More parts balance better, and each halving
/// costs a merge.
const PARTS_PER_WORKER: usize = 4;

/// How a sort compares elements, and sorts a part that is not split.
struct Sorter<L, F> {
    is_less: L,
    sort_part: F,
    /// A part of fewer elements is not split.
    least: usize,
}

/// Neighbouring elements of a slice, which a thread may read while it merges.
struct SortedRun<T> {
    first: *const T,
    len: usize,
}

impl<T> Clone for SortedRun<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SortedRun<T> {}

// SAFETY: a merge hands each element to one thread, which alone uses it until the merge ends. So the elements
// move between threads, which `Send` allows.
unsafe impl<T: Send> Send for SortedRun<T> {}

impl<T> SortedRun<T> {
    fn of(elements: &[T]) -> Self {
        SortedRun { first: elements.as_ptr(), len: elements.len() }
    }

    /// # Safety
    /// The elements are alive and not changed for `'a`, and no other thread uses them.
    unsafe fn as_slice<'a>(self) -> &'a [T] {
        // SAFETY: `of` was given a slice of this address and length; the caller promises the rest.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        assert!(at <= self.len, "a split beyond the last element");
        let rest = SortedRun { first: self.first.wrapping_add(at), len: self.len - at };
        (SortedRun { len: at, ..self }, rest)
    }
}

impl<L, F> Sorter<L, F> {
    /// Sorts `elements`. `buffer` has as many places.
    fn sort<T>(&self, cx: Context<'_>, elements: &mut [T], buffer: &mut [MaybeUninit<T>])
    where
        T: Send,
        L: Fn(&T, &T) -> bool + Sync,
        F: Fn(&mut [T]) + Sync,
    {
        if elements.len() < self.least || !cx.is_wanted() {
            (self.sort_part)(elements);
            return;
        }
        let middle = elements.len() / 2;
        let (left, right) = elements.split_at_mut(middle);
        let (left_buffer, right_buffer) = buffer.split_at_mut(middle);
        cx.join(|cx| self.sort(cx, left, left_buffer), |cx| self.sort(cx, right, right_buffer));
        let in_order = match (left.last(), right.first()) {
            (Some(last), Some(first)) => !(self.is_less)(first, last),
            _ => true,
        };
        if !in_order {
            // SAFETY: both runs are borrowed by this frame for the time of the call, and used by nothing
            // else.
            unsafe { self.merge(cx, SortedRun::of(left), SortedRun::of(right), buffer) };
            copy_back(cx, elements, buffer);
        }
    }

    /// Copies the elements of two sorted runs into `output`, in order. Equal elements of `left` come first.
    ///
    /// # Safety
    /// The elements are alive and not changed during the call, and no other thread uses them.
    unsafe fn merge<T>(
        &self,
        cx: Context<'_>,
        left: SortedRun<T>,
        right: SortedRun<T>,
        output: &mut [MaybeUninit<T>],
    ) where
        T: Send,
        L: Fn(&T, &T) -> bool + Sync,
        F: Sync,
    {
        // SAFETY: promised by the caller.
        let left_elements = unsafe { left.as_slice() };
        // SAFETY: promised by the caller.
        let right_elements = unsafe { right.as_slice() };
        if output.len() < LEAST_MERGED || !cx.is_wanted() {
            merge_serially(left_elements, right_elements, output, &self.is_less);
            return;
        }
        // The middle of the longer run, and the place in the other run to which it belongs.
        let (of_left, of_right) = if left.len >= right.len {
            let middle = left.len / 2;
            let pivot = &left_elements[middle];
            (middle, right_elements.partition_point(|element| (self.is_less)(element, pivot)))
        } else {
            let middle = right.len / 2;
            let pivot = &right_elements[middle];
            (left_elements.partition_point(|element| !(self.is_less)(pivot, element)), middle)
        };
        let ((left, left_rest), (right, right_rest)) = (left.split_at(of_left), right.split_at(of_right));
        let (output, output_rest) = output.split_at_mut(of_left + of_right);
        cx.join(
            // SAFETY: each half has elements of its own; the caller promises the rest.
            move |cx| unsafe { self.merge(cx, left, right, output) },
            // SAFETY: each half has elements of its own; the caller promises the rest.
            move |cx| unsafe { self.merge(cx, left_rest, right_rest, output_rest) },
        );
    }
}

/// Copies the elements of two sorted slices into `output`, which has as many places.
fn merge_serially<T>(
    left: &[T],
    right: &[T],
    output: &mut [MaybeUninit<T>],
    is_less: &impl Fn(&T, &T) -> bool,
) {
    assert_eq!(left.len() + right.len(), output.len());
    let (left_end, right_end) = (left.as_ptr_range().end, right.as_ptr_range().end);
    let (mut l, mut r) = (left.as_ptr(), right.as_ptr());
    let mut place = output.as_mut_ptr().cast::<T>();
    if size_of::<T>() == 0 {
        return; // the pointers below do not move, and there is nothing to copy
    }
    while l < left_end && r < right_end {
        // SAFETY: `l` is before the end of `left`.
        let left_element = unsafe { &*l };
        // SAFETY: `r` is before the end of `right`.
        let right_element = unsafe { &*r };
        // Without branches, which the processor would guess wrong half of the time.
        let takes_right = is_less(right_element, left_element);
        let from = if takes_right { r } else { l };
        // SAFETY: `from` is a valid element, and `place` is in `output`, because as many places were filled
        // as elements were taken.
        unsafe { ptr::copy_nonoverlapping(from, place, 1) };
        l = l.wrapping_add(usize::from(!takes_right));
        r = r.wrapping_add(usize::from(takes_right));
        place = place.wrapping_add(1);
    }
    let left_rest = (left_end as usize - l as usize) / size_of::<T>();
    // SAFETY: the rest of `left` ends with `left`, and as many places and those for the rest of `right` are
    // left in `output`.
    unsafe { ptr::copy_nonoverlapping(l, place, left_rest) };
    let right_rest = (right_end as usize - r as usize) / size_of::<T>();
    // SAFETY: the rest of `right` ends with `right`, and the places after the rest of `left` are left.
    unsafe { ptr::copy_nonoverlapping(r, place.wrapping_add(left_rest), right_rest) };
}

/// Copies the merged elements from `buffer` to where they belong.
fn copy_back<T: Send>(cx: Context<'_>, elements: &mut [T], buffer: &[MaybeUninit<T>]) {
    // As bytes that may be uninitialised: the buffer holds copies of the elements, in another order.
    let places = ptr::from_mut(elements) as *mut [MaybeUninit<T>];
    // SAFETY: the memory is that of `elements`, which is borrowed for the time of the call. What is written
    // is a permutation of the elements, so each place holds an element again when this returns, and nothing
    // that may panic runs in between.
    copy_part(cx, unsafe { &mut *places }, MergedRun(buffer));
}

/// What a merge has written.
struct MergedRun<'a, T>(&'a [MaybeUninit<T>]);

// SAFETY: the copies are moved out of the buffer, each by one thread. That moves elements between threads,
// which `Send` allows. No thread makes a reference to an element in it.
unsafe impl<T: Send> Send for MergedRun<'_, T> {}

fn copy_part<T: Send>(cx: Context<'_>, places: &mut [MaybeUninit<T>], from: MergedRun<'_, T>) {
    let len = places.len();
    if len < LEAST_MERGED || !cx.is_wanted() {
        // SAFETY: both slices have `len` places, as `split_at` and the caller see to, and do not overlap.
        unsafe { ptr::copy_nonoverlapping(from.0.as_ptr(), places.as_mut_ptr(), len) };
        return;
    }
    let (places, rest) = places.split_at_mut(len / 2);
    let (first, second) = from.0.split_at(len / 2);
    let (first, second) = (MergedRun(first), MergedRun(second));
    cx.join(move |cx| copy_part(cx, places, first), move |cx| copy_part(cx, rest, second));
}

/// Sorts `elements` by `is_less`; `sort_part` sorts a part that is not split.
fn sort_by_less<T, L, F>(cx: Context<'_>, elements: &mut [T], is_less: L, sort_part: F)
where
    T: Send,
    L: Fn(&T, &T) -> bool + Sync,
    F: Fn(&mut [T]) + Sync,
{
    let parts = PARTS_PER_WORKER * cx.worker.shared().roster.live();
    let least = LEAST_SORTED.max(elements.len() / parts);
    if elements.len() < LEAST_SORTED || !cx.is_wanted() {
        sort_part(elements);
        return;
    }
    let mut buffer = Vec::with_capacity(elements.len());
    let places = &mut buffer.spare_capacity_mut()[..elements.len()];
    Sorter { is_less, sort_part, least }.sort(cx, elements, places);
}

/// Sorts.
impl Context<'_> {
    /// Sorts the slice, and keeps the order of equal elements.
    ///
    /// Parts are sorted by [`slice::sort`]. If another worker could take a part, the sort allocates memory
    /// for as many elements and merges the parts. A slice of fewer than 4,096 elements is sorted by the
    /// calling worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.enter(|cx| cx.sort(&mut words));
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of the comparison, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    pub fn sort<T>(self, items: &mut [T])
    where
        T: Ord + Send,
    {
        sort_by_less(self, items, T::lt, <[T]>::sort);
    }

    /// Sorts the slice, and keeps the order of equal elements, by a comparison.
    ///
    /// Parts are sorted by [`slice::sort_by`]. If another worker could take a part, the sort allocates
    /// memory for as many elements and merges the parts. A slice of fewer than 4,096 elements is sorted by
    /// the calling worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut lengths = [1.5, 0.5, 1.0];
    /// pool.enter(|cx| cx.sort_by(&mut lengths, f64::total_cmp));
    /// assert_eq!(lengths, [0.5, 1.0, 1.5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `compare`, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    pub fn sort_by<T, F>(self, items: &mut [T], compare: F)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        sort_by_less(
            self,
            items,
            |a, b| compare(a, b) == Ordering::Less,
            |part: &mut [T]| part.sort_by(&compare),
        );
    }

    /// Sorts the slice, and keeps the order of equal elements, by a key that is computed for each
    /// comparison.
    ///
    /// Parts are sorted by [`slice::sort_by_key`]. If another worker could take a part, the sort allocates
    /// memory for as many elements and merges the parts. A slice of fewer than 4,096 elements is sorted by
    /// the calling worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.enter(|cx| cx.sort_by_key(&mut words, |word| word.len()));
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `key`, after all parts have ended. The slice then holds all elements, in any order.
    /// May also panic if the order is not a total order.
    pub fn sort_by_key<T, K, F>(self, items: &mut [T], key: F)
    where
        T: Send,
        K: Ord,
        F: Fn(&T) -> K + Sync,
    {
        sort_by_less(self, items, |a, b| key(a) < key(b), |part: &mut [T]| part.sort_by_key(&key));
    }

    /// Sorts the slice, and may exchange equal elements.
    ///
    /// Parts are sorted by [`slice::sort_unstable`]. If another worker could take a part, the sort allocates
    /// memory for as many elements and merges the parts. A slice of fewer than 4,096 elements is sorted by
    /// the calling worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.enter(|cx| cx.sort_unstable(&mut words));
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of the comparison, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    pub fn sort_unstable<T>(self, items: &mut [T])
    where
        T: Ord + Send,
    {
        sort_by_less(self, items, T::lt, <[T]>::sort_unstable);
    }

    /// Sorts the slice, and may exchange equal elements, by a comparison.
    ///
    /// Parts are sorted by [`slice::sort_unstable_by`]. If another worker could take a part, the sort
    /// allocates memory for as many elements and merges the parts. A slice of fewer than 4,096 elements is
    /// sorted by the calling worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut lengths = [1.5, 0.5, 1.0];
    /// pool.enter(|cx| cx.sort_unstable_by(&mut lengths, f64::total_cmp));
    /// assert_eq!(lengths, [0.5, 1.0, 1.5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `compare`, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    pub fn sort_unstable_by<T, F>(self, items: &mut [T], compare: F)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync,
    {
        sort_by_less(
            self,
            items,
            |a, b| compare(a, b) == Ordering::Less,
            |part: &mut [T]| part.sort_unstable_by(&compare),
        );
    }

    /// Sorts the slice, and may exchange equal elements, by a key that is computed for each comparison.
    ///
    /// Parts are sorted by [`slice::sort_unstable_by_key`]. If another worker could take a part, the sort
    /// allocates memory for as many elements and merges the parts. A slice of fewer than 4,096 elements is
    /// sorted by the calling worker.
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.enter(|cx| cx.sort_unstable_by_key(&mut words, |word| word.len()));
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `key`, after all parts have ended. The slice then holds all elements, in any order.
    /// May also panic if the order is not a total order.
    pub fn sort_unstable_by_key<T, K, F>(self, items: &mut [T], key: F)
    where
        T: Send,
        K: Ord,
        F: Fn(&T) -> K + Sync,
    {
        sort_by_less(self, items, |a, b| key(a) < key(b), |part: &mut [T]| part.sort_unstable_by_key(&key));
    }
}

/// Sorts on this pool. Each method is the method of [`Context`] with the same name inside [`Pool::enter`].
impl Pool {
    /// Sorts the slice, and keeps the order of equal elements: [`Context::sort`] inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.sort(&mut words);
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of the comparison, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    #[doc(alias = "par_sort")]
    pub fn sort<T>(&self, items: &mut [T])
    where
        T: Ord + Send,
    {
        self.enter(|cx| cx.sort(items));
    }

    /// Sorts the slice, and keeps the order of equal elements, by a comparison: [`Context::sort_by`] inside
    /// [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut lengths = [1.5, 0.5, 1.0];
    /// pool.sort_by(&mut lengths, f64::total_cmp);
    /// assert_eq!(lengths, [0.5, 1.0, 1.5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `compare`, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    #[doc(alias = "par_sort_by")]
    pub fn sort_by<T, F>(&self, items: &mut [T], compare: F)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync + Send,
    {
        self.enter(|cx| cx.sort_by(items, compare));
    }

    /// Sorts the slice, and keeps the order of equal elements, by a key that is computed for each
    /// comparison: [`Context::sort_by_key`] inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.sort_by_key(&mut words, |word| word.len());
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `key`, after all parts have ended. The slice then holds all elements, in any order.
    /// May also panic if the order is not a total order.
    #[doc(alias = "par_sort_by_key")]
    pub fn sort_by_key<T, K, F>(&self, items: &mut [T], key: F)
    where
        T: Send,
        K: Ord,
        F: Fn(&T) -> K + Sync + Send,
    {
        self.enter(|cx| cx.sort_by_key(items, key));
    }

    /// Sorts the slice, and may exchange equal elements: [`Context::sort_unstable`] inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.sort_unstable(&mut words);
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of the comparison, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    #[doc(alias = "par_sort_unstable")]
    pub fn sort_unstable<T>(&self, items: &mut [T])
    where
        T: Ord + Send,
    {
        self.enter(|cx| cx.sort_unstable(items));
    }

    /// Sorts the slice, and may exchange equal elements, by a comparison: [`Context::sort_unstable_by`]
    /// inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut lengths = [1.5, 0.5, 1.0];
    /// pool.sort_unstable_by(&mut lengths, f64::total_cmp);
    /// assert_eq!(lengths, [0.5, 1.0, 1.5]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `compare`, after all parts have ended. The slice then holds all elements, in any
    /// order. May also panic if the order is not a total order.
    #[doc(alias = "par_sort_unstable_by")]
    pub fn sort_unstable_by<T, F>(&self, items: &mut [T], compare: F)
    where
        T: Send,
        F: Fn(&T, &T) -> Ordering + Sync + Send,
    {
        self.enter(|cx| cx.sort_unstable_by(items, compare));
    }

    /// Sorts the slice, and may exchange equal elements, by a key that is computed for each comparison:
    /// [`Context::sort_unstable_by_key`] inside [`Pool::enter`].
    ///
    /// ```
    /// let pool = longshore::Pool::new()?;
    /// let mut words = ["steal", "and", "push"];
    /// pool.sort_unstable_by_key(&mut words, |word| word.len());
    /// assert_eq!(words, ["and", "push", "steal"]);
    /// # Ok::<(), longshore::BuildError>(())
    /// ```
    ///
    /// # Panics
    /// With a panic of `key`, after all parts have ended. The slice then holds all elements, in any order.
    /// May also panic if the order is not a total order.
    #[doc(alias = "par_sort_unstable_by_key")]
    pub fn sort_unstable_by_key<T, K, F>(&self, items: &mut [T], key: F)
    where
        T: Send,
        K: Ord,
        F: Fn(&T) -> K + Sync + Send,
    {
        self.enter(|cx| cx.sort_unstable_by_key(items, key));
    }
}
