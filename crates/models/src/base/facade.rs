//! The library's façade with atomics that ask before each operation whether it is broken in this process.
//!
//! No state; any thread. The atomics have only the operations that the library uses. Guarded by the models on
//! the second build without a mutation (`tests/mutants.rs`).

use loom::sync::atomic;

pub use super::real::*;
use crate::mutation::{Damage, damage};

/// A fence, unless the mutation removes it.
#[track_caller]
pub fn fence(ordering: Ordering) {
    match damage("fence") {
        Damage::None | Damage::Torn => atomic::fence(ordering),
        Damage::Removed => {}
        Damage::Relaxed => panic!("a fence cannot be relaxed: remove it"),
    }
}

macro_rules! operations {
    ($name:ident $(<$of:ident>)?: $value:ty;) => {
        impl $(<$of>)? $name $(<$of>)? {
            /// An atomic with the value `value`.
            #[track_caller]
            pub fn new(value: $value) -> Self {
                $name(atomic::$name::new(value))
            }

            /// See the standard library.
            #[track_caller]
            pub fn load(&self, ordering: Ordering) -> $value {
                match damage("load") {
                    Damage::None => self.0.load(ordering),
                    Damage::Relaxed | Damage::Removed | Damage::Torn => self.0.load(Ordering::Relaxed),
                }
            }

            /// See the standard library.
            #[track_caller]
            pub fn store(&self, value: $value, ordering: Ordering) {
                match damage("store") {
                    Damage::None | Damage::Torn => self.0.store(value, ordering),
                    Damage::Relaxed => self.0.store(value, Ordering::Relaxed),
                    Damage::Removed => {}
                }
            }

            /// See the standard library.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                match damage("compare_exchange") {
                    Damage::None => self.0.compare_exchange(current, new, success, failure),
                    Damage::Relaxed => {
                        self.0.compare_exchange(current, new, Ordering::Relaxed, Ordering::Relaxed)
                    }
                    Damage::Removed => Ok(current),
                    Damage::Torn => match self.0.load(Ordering::Acquire) {
                        found if found == current => {
                            self.0.store(new, Ordering::Release);
                            Ok(current)
                        }
                        found => Err(found),
                    },
                }
            }

            /// See the standard library. (loom knows no spurious failures.)
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
        }
    };
}

macro_rules! atomics {
    ($($name:ident: $value:ty;)*) => {$(
        /// The atomic of the library, unless the mutation breaks an operation.
        #[derive(Debug)]
        pub struct $name(atomic::$name);

        operations! { $name: $value; }
    )*};
}

atomics! {
    AtomicBool: bool;
    AtomicU32: u32;
    AtomicU64: u64;
}

/// The atomic of the library, unless the mutation breaks an operation.
#[derive(Debug)]
pub struct AtomicPtr<T>(atomic::AtomicPtr<T>);

operations! { AtomicPtr<T>: *mut T; }

macro_rules! arithmetic {
    ($($name:ident: $value:ty { $($operation:ident = $torn:expr;)* })*) => {$(
        impl $name {$(
            /// See the standard library.
            #[track_caller]
            pub fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                match damage(stringify!($operation)) {
                    Damage::None => self.0.$operation(value, ordering),
                    Damage::Relaxed => self.0.$operation(value, Ordering::Relaxed),
                    Damage::Removed => self.0.load(Ordering::Relaxed),
                    Damage::Torn => {
                        let before = self.0.load(Ordering::Acquire);
                        let change: fn($value, $value) -> $value = $torn;
                        self.0.store(change(before, value), Ordering::Release);
                        before
                    }
                }
            }
        )*}
    )*};
}

arithmetic! {
    AtomicU32: u32 {
        fetch_add = |a, b| a.wrapping_add(b);
        fetch_and = |a, b| a & b;
        fetch_max = |a, b| a.max(b);
    }
    AtomicU64: u64 {
        fetch_add = |a, b| a.wrapping_add(b);
        fetch_sub = |a, b| a.wrapping_sub(b);
        fetch_and = |a, b| a & b;
        fetch_or = |a, b| a | b;
        swap = |_, b| b;
    }
}
