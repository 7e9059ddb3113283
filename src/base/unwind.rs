//! The panic guard. User code (closures, their drops, results, hooks, wakers) runs only inside [`catch`], so that
//! nothing it does can unwind through a worker.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};

/// What a panic carries.
pub type Payload = Box<dyn Any + Send + 'static>;

/// Runs `f` and returns what it returned or what it panicked with.
///
/// Unwind safety is asserted: whoever can look at state that a panicking task left half-changed shares that state
/// through its own lock or atomics, exactly as with `std::thread::spawn`.
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

/// Drops `value` where nobody is left to hear of a panic in its `Drop`.
///
/// If dropping the payload of that panic panics again, the second payload is leaked: its `Drop` has shown that it
/// cannot be trusted, and a leak is better than taking the process down.
pub fn drop_silently<T>(value: T) {
    if let Err(payload) = drop_guarded(value)
        && let Err(second) = drop_guarded(payload)
    {
        std::mem::forget(second);
    }
}

/// Ends the process when it is dropped by a panic: held where unwinding would leave others with a pointer into a frame
/// that is gone. Forgotten when the danger is over.
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
    fn a_payload_whose_drop_panics_is_leaked_not_fatal() {
        struct Nested;
        impl Drop for Nested {
            fn drop(&mut self) {
                panic::resume_unwind(Box::new(Bomb));
            }
        }
        drop_silently(Nested);
    }
}
