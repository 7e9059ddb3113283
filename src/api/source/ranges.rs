//! Ranges of integers as sources: `a..b` and `a..=b`. Guarded by `source/tests.rs`.

use std::ops::{Range, RangeInclusive};

use crate::api::source::Source;

/// Says why a range is no source.
const TOO_LONG: &str = "a range of no more items than memory has bytes";

macro_rules! ranges {
    ($($integer:ty, $unsigned:ty;)*) => {$(
        impl Source for Range<$integer> {
            type Item = $integer;
            type Block = Self;

            #[inline]
            fn remaining(&self) -> usize {
                if self.start >= self.end {
                    return 0;
                }
                // The difference of two numbers, taken modulo two to the power of their bits, is the length.
                usize::try_from(self.end.wrapping_sub(self.start) as $unsigned).expect(TOO_LONG)
            }

            #[inline]
            fn split_off(&mut self, at: usize) -> Self {
                // `at` is at most the length, so the middle is between start and end.
                let middle = self.start.wrapping_add(at as $integer);
                let rest = middle..self.end;
                self.end = middle;
                rest
            }

            #[inline]
            fn into_block(self) -> Self {
                self
            }
        }

        impl Source for RangeInclusive<$integer> {
            type Item = $integer;
            type Block = Self;

            #[inline]
            fn remaining(&self) -> usize {
                if self.is_empty() {
                    return 0;
                }
                let steps = self.end().wrapping_sub(*self.start()) as $unsigned;
                usize::try_from(steps).ok().and_then(|steps| steps.checked_add(1)).expect(TOO_LONG)
            }

            #[inline]
            fn split_off(&mut self, at: usize) -> Self {
                let empty = || RangeInclusive::new(1, 0);
                if at == 0 {
                    return std::mem::replace(self, empty());
                }
                if at == Source::remaining(self) {
                    return empty();
                }
                // `at` is at least 1 and less than the length, so the middle is between start and end.
                let middle = self.start().wrapping_add(at as $integer);
                let rest = middle..=*self.end();
                *self = *self.start()..=middle.wrapping_sub(1);
                rest
            }

            #[inline]
            fn into_block(self) -> Self {
                self
            }
        }
    )*};
}

ranges! {
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
