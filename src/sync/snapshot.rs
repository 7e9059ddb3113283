//! The worker set: a list that everyone reads without a lock while it is replaced as a whole.
//!
//! Readers (dispatchers, thieves) look at a snapshot; a change publishes a new one and leaves the old one to
//! `crossbeam-epoch`, which drops it when the last reader that could see it has gone. A reader may therefore act on a
//! snapshot that has just been replaced: a worker that left refuses pushes (its inbox is closed before it leaves the
//! set), and one that joined is found at the next look.

use std::fmt;

#[cfg(not(longshore_loom))]
mod imp {
    use crossbeam_epoch::{self as epoch, Atomic, Owned};
    use std::sync::atomic::Ordering;

    /// Storage behind [`super::Snapshot`]: an epoch-protected pointer.
    pub struct Cell<T>(Atomic<T>);

    impl<T: Send + Sync + 'static> Cell<T> {
        pub fn new(value: T) -> Self {
            Cell(Atomic::new(value))
        }

        #[inline]
        pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
            let guard = epoch::pin();
            // Acquire pairs with the Release half of the swap: the snapshot's content is visible.
            let shared = self.0.load(Ordering::Acquire, &guard);
            // SAFETY: never null (only `drop` takes it out), and the guard keeps a replaced snapshot alive.
            f(unsafe { shared.deref() })
        }

        pub fn replace(&self, value: T) {
            let guard = epoch::pin();
            let old = self.0.swap(Owned::new(value), Ordering::AcqRel, &guard);
            // SAFETY: no new reader can reach it, and it is deferred once.
            unsafe { guard.defer_destroy(old) };
        }
    }

    impl<T> Drop for Cell<T> {
        fn drop(&mut self) {
            // SAFETY: exclusive access: no reader is left.
            let value = unsafe { std::mem::take(&mut self.0).try_into_owned() };
            drop(value);
        }
    }
}

#[cfg(longshore_loom)]
mod imp {
    // crossbeam-epoch is checked under loom by its own authors, with a loom of another type. What is checked here is
    // our protocol around it, which only needs "a reader sees one whole snapshot, old or new".
    use loom::sync::{Arc, Mutex};

    pub struct Cell<T>(Mutex<Arc<T>>);

    impl<T> Cell<T> {
        pub fn new(value: T) -> Self {
            Cell(Mutex::new(Arc::new(value)))
        }
        pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
            let snapshot = crate::base::facade::lock(&self.0).clone();
            f(&snapshot)
        }
        pub fn replace(&self, value: T) {
            *crate::base::facade::lock(&self.0) = Arc::new(value);
        }
    }
}

/// See the module's text.
pub struct Snapshot<T: 'static> {
    current: imp::Cell<Box<[T]>>,
}

impl<T: Send + Sync + 'static> Snapshot<T> {
    /// A set with these members.
    pub fn new(members: Box<[T]>) -> Self {
        Snapshot { current: imp::Cell::new(members) }
    }

    /// Looks at the present snapshot. `f` should be short: it holds reclamation back.
    #[inline]
    pub fn read<R>(&self, f: impl FnOnce(&[T]) -> R) -> R {
        self.current.read(|members| f(members))
    }

    /// Publishes another snapshot. Concurrent replacements are the caller's to order.
    pub fn replace(&self, members: Box<[T]>) {
        self.current.replace(members);
    }
}

impl<T> fmt::Debug for Snapshot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;

    struct Tracked(Arc<AtomicUsize>, u64);
    impl Drop for Tracked {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn readers_see_whole_snapshots_and_old_ones_are_reclaimed() {
        let live = Arc::new(AtomicUsize::new(0));
        let snapshot = |generation: u64| {
            let tracked = |_| {
                live.fetch_add(1, Ordering::Relaxed);
                Tracked(live.clone(), generation)
            };
            (0..4).map(tracked).collect::<Box<[_]>>()
        };
        let members = Snapshot::new(snapshot(0));
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    let mut last = 0;
                    while last < 2000 {
                        last = members.read(|all| {
                            assert!(all.iter().all(|m| m.1 == all[0].1) && all[0].1 >= last);
                            all[0].1
                        });
                    }
                });
            }
            (1..=2000).for_each(|generation| members.replace(snapshot(generation)));
        });
        drop(members);
        // The epoch advances when nobody is pinned in an old one, and other tests of this process pin as well.
        let deadline = Instant::now() + Duration::from_secs(60);
        while live.load(Ordering::Relaxed) > 0 {
            assert!(Instant::now() < deadline, "some members are never reclaimed");
            crossbeam_epoch::pin().flush();
            std::thread::yield_now();
        }
    }
}
