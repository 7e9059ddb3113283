//! One façade between the standard library and the model checker.
//!
//! Every file of a modelled protocol (inbox, parking, result slot, worker set, ...) takes its atomics, cells,
//! locks and threads from here. With `--cfg longshore_loom` the same code then runs under loom. Other files
//! have a `cfg` only where a model needs another body. No state; any thread. `docs/MODELS.md` says how the
//! models use it.

#[cfg(longshore_loom)]
use loom::cell::UnsafeCell;
#[cfg(not(longshore_loom))]
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

#[cfg(not(longshore_loom))]
mod imp {
    pub use crate::base::counter::AtomicU64;
    pub use std::hint::spin_loop;
    pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering, fence};
    pub use std::sync::{Mutex, MutexGuard};
    pub use std::thread;
}

#[cfg(longshore_loom)]
mod imp {
    pub use loom::hint::spin_loop;
    pub use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
    pub use loom::sync::{Mutex, MutexGuard};

    /// loom's own `unpark` also wakes a thread that waits for a lock, and a thread that takes a lock loses
    /// its token. loom would report both as faults of this library. So the token is an atomic here, and
    /// loom's `unpark` is called only for a thread that is parked.
    pub mod thread {
        pub use loom::thread::yield_now;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool as Hidden, Ordering};

        #[derive(Debug)]
        struct Parker {
            thread: loom::thread::Thread,
            token: super::AtomicBool,
            /// Not an atomic of loom: loom switches threads only at its own operations, so none between the
            /// operation on the token and this.
            parked: Hidden,
        }

        /// A thread that can be unparked.
        #[derive(Clone, Debug)]
        pub struct Thread(Arc<Parker>);

        loom::thread_local! {
            static CURRENT: Thread = Thread(Arc::new(Parker {
                thread: loom::thread::current(),
                token: super::AtomicBool::new(false),
                parked: Hidden::new(false),
            }));
        }

        /// The calling thread.
        pub fn current() -> Thread {
            CURRENT.with(Clone::clone)
        }

        /// Blocks until there is a token, and takes it.
        #[track_caller]
        pub fn park() {
            let parker = current().0;
            while !parker.token.swap(false, Ordering::Acquire) {
                parker.parked.store(true, Ordering::Relaxed);
                loom::thread::park();
                parker.parked.store(false, Ordering::Relaxed);
            }
        }

        /// Like [`park`]: loom has no clock, so no timeout ends in a model.
        #[track_caller]
        pub fn park_timeout(_: std::time::Duration) {
            park();
        }

        impl Thread {
            /// Stores a token and wakes the thread if it is parked.
            #[track_caller]
            pub fn unpark(&self) {
                self.0.token.swap(true, Ordering::Release);
                if self.0.parked.load(Ordering::Relaxed) {
                    self.0.thread.unpark();
                }
            }
        }
    }
}

pub use imp::*;

/// Space for one `T`, which threads hand to each other under a protocol of their own. Dropping the cell drops
/// no value. Under loom every access is checked for races.
pub struct UninitCell<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> UninitCell<T> {
    /// Holds nothing yet.
    pub fn empty() -> Self {
        UninitCell(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Holds `value`.
    pub fn holding(value: T) -> Self {
        UninitCell(UnsafeCell::new(MaybeUninit::new(value)))
    }

    /// Calls `f` with the address of the content. loom counts this as an exclusive access.
    #[inline(always)]
    fn with_mut<R>(&self, f: impl FnOnce(*mut MaybeUninit<T>) -> R) -> R {
        #[cfg(not(longshore_loom))]
        return f(self.0.get());
        #[cfg(longshore_loom)]
        return self.0.with_mut(f);
    }

    /// Stores `value`. A value that was stored before is forgotten, not dropped.
    ///
    /// # Safety
    /// No other thread accesses the cell during the call.
    #[inline(always)]
    pub unsafe fn write(&self, value: T) {
        // SAFETY: no other thread accesses the cell, by the contract of this function.
        unsafe {
            self.write_with(|cell| {
                cell.write(value);
            });
        }
    }

    /// Lets `write` build a value in the cell.
    ///
    /// # Safety
    /// No other thread accesses the cell during the call.
    #[inline(always)]
    pub unsafe fn write_with(&self, write: impl FnOnce(&mut MaybeUninit<T>)) {
        // SAFETY: the pointer is valid and aligned, because it points into `self`. The reference is the only
        // one, because no other thread accesses the cell. `MaybeUninit` needs no initialised content.
        self.with_mut(|cell| write(unsafe { &mut *cell }));
    }

    /// Moves the value out.
    ///
    /// # Safety
    /// The cell holds a value, which the caller does not use again through the cell. No other thread accesses
    /// the cell during the call.
    #[inline(always)]
    pub unsafe fn read(&self) -> T {
        // SAFETY: the pointer is valid and aligned, because it points into `self`. The value is initialised,
        // no other thread writes to it, and it is moved out once, by the contract of this function.
        self.with_mut(|cell| unsafe { cell.cast::<T>().read() })
    }

    /// Drops the value in place.
    ///
    /// # Safety
    /// The cell holds a value, which the caller does not use again through the cell. No other thread accesses
    /// the cell during the call.
    pub unsafe fn drop_in_place(&self) {
        // SAFETY: the pointer is valid and aligned, because it points into `self`. The value is initialised,
        // no other thread accesses it, and it is not used again, by the contract of this function.
        self.with_mut(|cell| unsafe { cell.cast::<T>().drop_in_place() });
    }
}

super::debug::impl_debug! { UninitCell<T> {} }

/// Detects accesses to freed memory under loom, which does not see deallocations.
///
/// A protocol that ends in a deallocation keeps a `Tomb` in the memory. Under loom [`Tomb::bury`] replaces
/// the deallocation. loom then reports an access that is not ordered before it, a second call, and a missing
/// call at the end of an execution. In a normal build the type is empty.
#[derive(Debug)]
pub struct Tomb {
    #[cfg(longshore_loom)]
    alive: loom::cell::UnsafeCell<Option<loom::alloc::Track<()>>>,
}

impl Tomb {
    /// For memory that is allocated.
    pub fn new() -> Self {
        Tomb {
            #[cfg(longshore_loom)]
            alive: loom::cell::UnsafeCell::new(Some(loom::alloc::Track::new(()))),
        }
    }

    /// Called with each access to the memory.
    #[inline(always)]
    pub fn touch(&self) {
        #[cfg(longshore_loom)]
        self.alive.with(|alive| {
            // SAFETY: the pointer is valid for this call, and loom has checked that no other thread writes.
            assert!(unsafe { &*alive }.is_some(), "access to freed memory");
        });
    }

    /// Called instead of the deallocation.
    #[cfg(longshore_loom)]
    pub fn bury(&self) {
        self.alive.with_mut(|alive| {
            // SAFETY: the pointer is valid for this call, and loom has checked that no other thread accesses
            // it.
            assert!(unsafe { &mut *alive }.take().is_some(), "memory is freed twice");
        });
    }
}

/// Locks `mutex`, also if a thread has panicked while it held the lock. Poison carries no information here,
/// because the data behind the locks of this crate is consistent between any two statements.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
