//! One façade between the standard library and the model checker.
//!
//! Everything that takes part in a modelled protocol (inbox, parking, slot, worker set) takes its atomics, cells,
//! locks and threads from here, so that `--cfg longshore_loom` runs the very same code under loom. It is also the
//! only place that decides between the two.

use std::mem::MaybeUninit;

#[cfg(not(longshore_loom))]
mod imp {
    pub use std::hint::spin_loop;
    pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
    pub use std::sync::{Mutex, MutexGuard};
    pub use std::thread;
}

#[cfg(longshore_loom)]
mod imp {
    pub use loom::hint::spin_loop;
    pub use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
    pub use loom::sync::{Mutex, MutexGuard};

    /// loom's own `unpark` also wakes a thread that waits for a lock, and its token is lost when the thread passes
    /// through one; both would be reported as faults of ours. So the token is kept here, and loom's is used only on
    /// a thread that sleeps.
    pub mod thread {
        pub use loom::thread::yield_now;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool as Hidden, Ordering};

        #[derive(Debug)]
        struct Parker {
            thread: loom::thread::Thread,
            token: super::AtomicBool,
            /// Not loom's: between an operation on the token and one on this loom switches to no other thread.
            asleep: Hidden,
        }

        /// A thread that can be unparked.
        #[derive(Clone, Debug)]
        pub struct Thread(Arc<Parker>);

        loom::thread_local! {
            static CURRENT: Thread = Thread(Arc::new(Parker {
                thread: loom::thread::current(),
                token: super::AtomicBool::new(false),
                asleep: Hidden::new(false),
            }));
        }

        /// The calling thread.
        pub fn current() -> Thread {
            CURRENT.with(Clone::clone)
        }

        /// Sleeps until there is a token, and takes it.
        #[track_caller]
        pub fn park() {
            let parker = current().0;
            while !parker.token.swap(false, Ordering::Acquire) {
                parker.asleep.store(true, Ordering::Relaxed);
                loom::thread::park();
                parker.asleep.store(false, Ordering::Relaxed);
            }
        }

        /// As [`park`]: loom knows no time, so a model must not count on its passing.
        #[track_caller]
        pub fn park_timeout(_: std::time::Duration) {
            park();
        }

        impl Thread {
            /// Leaves a token.
            #[track_caller]
            pub fn unpark(&self) {
                self.0.token.swap(true, Ordering::Release);
                if self.0.asleep.load(Ordering::Relaxed) {
                    self.0.thread.unpark();
                }
            }
        }
    }
}

pub use imp::*;

/// Permits for one `T` that threads hand to each other under a protocol of their own. Nothing is dropped with it. Under
/// loom every access is checked for races.
pub struct UninitCell<T> {
    #[cfg(not(longshore_loom))]
    cell: std::cell::UnsafeCell<MaybeUninit<T>>,
    #[cfg(longshore_loom)]
    cell: loom::cell::UnsafeCell<MaybeUninit<T>>,
}

impl<T> UninitCell<T> {
    /// Holds nothing yet.
    pub fn empty() -> Self {
        Self::around(MaybeUninit::uninit())
    }

    /// Holds `value`.
    pub fn holding(value: T) -> Self {
        Self::around(MaybeUninit::new(value))
    }

    fn around(content: MaybeUninit<T>) -> Self {
        #[cfg(not(longshore_loom))]
        let cell = std::cell::UnsafeCell::new(content);
        #[cfg(longshore_loom)]
        let cell = loom::cell::UnsafeCell::new(content);
        UninitCell { cell }
    }

    /// Puts `value` in; what was there is forgotten.
    ///
    /// # Safety
    /// Nobody else accesses the place meanwhile.
    #[inline(always)]
    pub unsafe fn write(&self, value: T) {
        // SAFETY: the caller's promise.
        unsafe {
            self.write_with(|place| {
                place.write(value);
            });
        }
    }

    /// Has `write` put a value together in the place.
    ///
    /// # Safety
    /// As for [`UninitCell::write`].
    #[inline(always)]
    pub unsafe fn write_with(&self, write: impl FnOnce(&mut MaybeUninit<T>)) {
        #[cfg(not(longshore_loom))]
        let place = self.cell.get();
        #[cfg(not(longshore_loom))]
        // SAFETY: it is inside `self`, and the caller has it alone.
        write(unsafe { &mut *place });
        #[cfg(longshore_loom)]
        self.cell.with_mut(|place| {
            // SAFETY: as above.
            write(unsafe { &mut *place })
        });
    }

    /// Takes the value out.
    ///
    /// # Safety
    /// The place holds a value, which is not used again through it, and nobody writes meanwhile.
    #[inline(always)]
    pub unsafe fn read(&self) -> T {
        #[cfg(not(longshore_loom))]
        let place = self.cell.get().cast::<T>();
        #[cfg(not(longshore_loom))]
        // SAFETY: the caller says that it is initialised and not written to.
        return unsafe { place.read() };
        #[cfg(longshore_loom)]
        return self.cell.with_mut(|place| {
            // SAFETY: as above. `with_mut`, because a value can be taken only once.
            unsafe { place.cast::<T>().read() }
        });
    }

    /// Drops the value where it is.
    ///
    /// # Safety
    /// As for [`UninitCell::read`].
    pub unsafe fn drop_in_place(&self) {
        #[cfg(not(longshore_loom))]
        let place = self.cell.get().cast::<T>();
        #[cfg(not(longshore_loom))]
        // SAFETY: the caller says that it is initialised, his alone, and not used again.
        unsafe {
            place.drop_in_place();
        }
        #[cfg(longshore_loom)]
        self.cell.with_mut(|place| {
            // SAFETY: as above.
            unsafe { place.cast::<T>().drop_in_place() }
        });
    }
}

impl<T> std::fmt::Debug for UninitCell<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// loom does not see memory being freed. A protocol that ends in a deallocation keeps one of these in the memory:
/// under loom the deallocation is replaced by [`Tomb::bury`], and any access that is not ordered before it is reported,
/// as is a second burial, or none by the end. In a normal build it is nothing.
#[derive(Debug)]
pub struct Tomb {
    #[cfg(longshore_loom)]
    alive: loom::cell::UnsafeCell<Option<loom::alloc::Track<()>>>,
}

impl Tomb {
    /// For memory that is alive.
    pub fn new() -> Self {
        Tomb {
            #[cfg(longshore_loom)]
            alive: loom::cell::UnsafeCell::new(Some(loom::alloc::Track::new(()))),
        }
    }

    /// Stands beside each access to the memory.
    #[inline(always)]
    pub fn touch(&self) {
        #[cfg(longshore_loom)]
        self.alive.with(|alive| {
            // SAFETY: the pointer is valid, and loom has just checked that nobody writes.
            assert!(unsafe { &*alive }.is_some(), "freed memory is touched");
        });
    }

    /// Stands for the deallocation.
    #[cfg(longshore_loom)]
    pub fn bury(&self) {
        self.alive.with_mut(|alive| {
            // SAFETY: the pointer is valid, and loom has just checked that nobody else accesses it.
            assert!(unsafe { &mut *alive }.take().is_some(), "memory is freed twice");
        });
    }
}

/// Locks `mutex`, also after another thread panicked while it held it: the data behind our locks is consistent
/// between any two statements, so poison says nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
