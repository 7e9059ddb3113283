//! The panic guard. User code (closures, their drops, results, hooks, wakers) runs only inside [`catch`], so
//! that no panic of user code can unwind through a worker.
//!
//! No state; any thread. Guarded by the unit tests here, `tests/it/behaviour/panics.rs` and
//! `panicking_drops.rs`.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

/// What a panic carries.
pub type Payload = Box<dyn Any + Send + 'static>;

/// Runs `f` and returns its result or the payload of its panic.
///
/// Unwind safety is asserted: code that can see state which a panicking task left half-changed shares that
/// state through its own lock or atomics, as with `std::thread::spawn`.
#[inline]
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

/// Drops `value`; a panic in its `Drop` is returned instead of unwinding.
#[inline]
pub fn drop_guarded<T>(value: T) -> Result<(), Payload> {
    if !std::mem::needs_drop::<T>() {
        return Ok(());
    }
    catch(|| drop(value))
}

/// Drops `value`; a panic in its `Drop` is swallowed.
///
/// If the drop of that panic's payload panics again, the second payload is leaked: its `Drop` cannot be
/// trusted, and a leak is better than the end of the process.
pub fn drop_silently<T>(value: T) {
    if let Err(second) = drop_guarded(value).or_else(drop_guarded) {
        std::mem::forget(second);
    }
}

/// Ends the process if a panic drops it. A function holds it while unwinding would leave another thread with
/// a pointer into a dead frame, and forgets it afterwards.
#[derive(Debug)]
pub struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    #[cold]
    fn drop(&mut self) {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic::resume_unwind(Box::new("bomb"));
        }
    }

    #[test]
    fn a_panicking_drop_is_returned() {
        let payload = drop_guarded(Bomb).expect_err("the drop panics");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"bomb"));
    }

    #[test]
    fn a_payload_whose_drop_panics_is_leaked() {
        struct Nested;
        impl Drop for Nested {
            fn drop(&mut self) {
                panic::resume_unwind(Box::new(Bomb));
            }
        }
        drop_silently(Nested);
    }
}
