//! Ranges of integers as sources: `a..b` and `a..=b`. Guarded by `source/tests.rs`.
//!
//! There is one implementation for all integers, so the type of a literal range follows from the body of the
//! loop, as it does for an iterator.

use std::ops::{Range, RangeInclusive};

use crate::api::source::Source;

/// Says why a range is no source.
const TOO_LONG: &str = "a range of no more items than memory has bytes";

/// An integer of the standard library. No other type implements it.
pub trait Integer: Copy + Ord + Send {
    /// The number zero, and the number one.
    const ZERO_AND_ONE: [Self; 2];

    /// How many steps it is from this number to `end`, which is not smaller. `None` if there are more than
    /// memory has bytes.
    fn steps_to(self, end: Self) -> Option<usize>;

    /// The number that is `steps` further. The caller makes sure that there is one.
    fn forward(self, steps: usize) -> Self;
}

macro_rules! integers {
    ($($integer:ty, $unsigned:ty;)*) => {$(
        impl Integer for $integer {
            const ZERO_AND_ONE: [Self; 2] = [0, 1];

            #[inline]
            fn steps_to(self, end: Self) -> Option<usize> {
                // The difference of two numbers, taken modulo two to the power of their bits, is the length.
                usize::try_from(end.wrapping_sub(self) as $unsigned).ok()
            }

            #[inline]
            fn forward(self, steps: usize) -> Self {
                self.wrapping_add(steps as $integer)
            }
        }
    )*};
}

integers! {
    u8, u8;
    u16, u16;
    u32, u32;
    u64, u64;
    u128, u128;
    usize, usize;
    i8, u8;
    i16, u16;
    i32, u32;
    i64, u64;
    i128, u128;
    isize, usize;
}

#[diagnostic::do_not_recommend]
impl<T: Integer> Source for Range<T>
where
    Range<T>: Iterator<Item = T>,
{
    type Item = T;
    type Block = Self;

    #[inline]
    fn remaining(&self) -> usize {
        if self.start >= self.end {
            return 0;
        }
        self.start.steps_to(self.end).expect(TOO_LONG)
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        // `at` is at most the length, so the middle is between start and end.
        let middle = self.start.forward(at);
        let rest = middle..self.end;
        self.end = middle;
        rest
    }

    #[inline]
    fn into_block(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Integer> Source for RangeInclusive<T>
where
    RangeInclusive<T>: Iterator<Item = T>,
{
    type Item = T;
    type Block = Self;

    #[inline]
    fn remaining(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let steps = self.start().steps_to(*self.end());
        steps.and_then(|steps| steps.checked_add(1)).expect(TOO_LONG)
    }

    #[inline]
    fn split_off(&mut self, at: usize) -> Self {
        let [zero, one] = T::ZERO_AND_ONE;
        let empty = || RangeInclusive::new(one, zero);
        if at == 0 {
            return std::mem::replace(self, empty());
        }
        if at == Source::remaining(self) {
            return empty();
        }
        // `at` is at least 1 and less than the length, so the middle is between start and end.
        let (last, middle) = (self.start().forward(at - 1), self.start().forward(at));
        let rest = middle..=*self.end();
        *self = *self.start()..=last;
        rest
    }

    #[inline]
    fn into_block(self) -> Self {
        self
    }
}
