//! One façade between the standard library and the model checker.
//!
//! Everything that takes part in a modelled protocol (inbox, parking, slot, worker set) takes its atomics, cells,
//! locks and threads from here, so that `--cfg longshore_loom` runs the very same code under loom. It is also the
//! only place that decides between the two.

#[cfg(not(longshore_loom))]
mod imp {
    pub use std::hint::spin_loop;
    pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub use std::sync::{Mutex, MutexGuard};
    pub use std::thread;
}

#[cfg(longshore_loom)]
mod imp {
    pub use loom::hint::spin_loop;
    pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    pub use loom::sync::{Mutex, MutexGuard};
    pub use loom::thread;
}

pub use imp::*;

/// A cell whose accesses loom checks for races; in a normal build it compiles to nothing but the pointer.
#[derive(Debug)]
pub struct UnsafeCell<T> {
    #[cfg(not(longshore_loom))]
    inner: std::cell::UnsafeCell<T>,
    #[cfg(longshore_loom)]
    inner: loom::cell::UnsafeCell<T>,
}

impl<T> UnsafeCell<T> {
    /// Wraps `value`.
    pub fn new(value: T) -> Self {
        #[cfg(not(longshore_loom))]
        let inner = std::cell::UnsafeCell::new(value);
        #[cfg(longshore_loom)]
        let inner = loom::cell::UnsafeCell::new(value);
        UnsafeCell { inner }
    }

    /// Runs `f` with a pointer meant for reading; under loom a concurrent write is an error.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        #[cfg(not(longshore_loom))]
        return f(self.inner.get());
        #[cfg(longshore_loom)]
        return self.inner.with(f);
    }

    /// Runs `f` with a pointer meant for writing; under loom any concurrent access is an error.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        #[cfg(not(longshore_loom))]
        return f(self.inner.get());
        #[cfg(longshore_loom)]
        return self.inner.with_mut(f);
    }
}

/// Locks `mutex`, also after another thread panicked while it held it: the data behind our locks is consistent
/// between any two statements, so poison says nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
