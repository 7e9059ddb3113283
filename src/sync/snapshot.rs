//! A list that any thread reads without a lock and that is replaced as a whole: the set of workers.
//!
//! Readers (dispatchers, thieves) see one snapshot. A change publishes a new snapshot and leaves the old one
//! to `crossbeam-epoch`, which drops it when no reader can see it any more. A reader may therefore act on a
//! snapshot that was just replaced. That is harmless: a worker that has left refuses pushes, because its
//! inbox is closed before it leaves the set, and a worker that has joined is found at the next read.
//!
//! The shared half of a push pool owns one (`push/shared.rs`). Guarded by the models `members` and `leaving`,
//! and by the test here.

use crate::base::debug::impl_debug;

#[cfg(not(longshore_loom))]
mod imp {
    use crossbeam_epoch::{self as epoch, Atomic, Owned};
    use std::sync::atomic::Ordering;

    /// An epoch-protected pointer.
    pub struct Cell<T>(Atomic<T>);

    impl<T: Send + Sync + 'static> Cell<T> {
        pub fn new(value: T) -> Self {
            Cell(Atomic::new(value))
        }

        #[inline]
        pub fn read<R>(&self, f: impl FnOnce(&T) -> R) -> R {
            let guard = epoch::pin();
            // Acquire pairs with the Release half of the swap: the content of the snapshot is visible.
            let shared = self.0.load(Ordering::Acquire, &guard);
            // SAFETY: the pointer is not null, because only `drop` takes it out. It is valid, because the
            // guard keeps a replaced snapshot alive. No thread writes to a published snapshot.
            f(unsafe { shared.deref() })
        }

        pub fn replace(&self, value: T) {
            let guard = epoch::pin();
            let old = self.0.swap(Owned::new(value), Ordering::AcqRel, &guard);
            // SAFETY: `old` is unlinked, so no new reader can reach it, and it is deferred once, because the
            // swap returns each pointer once.
            unsafe { guard.defer_destroy(old) };
        }
    }

    impl<T> Drop for Cell<T> {
        fn drop(&mut self) {
            // SAFETY: `&mut self` excludes readers, and no other owner of the pointer exists.
            let value = unsafe { std::mem::take(&mut self.0).try_into_owned() };
            drop(value);
        }
    }
}

#[cfg(longshore_loom)]
mod imp {
    // The authors of crossbeam-epoch check it under loom, with a loom of another type. The models here check
    // the protocol around it, which needs one property: a reader sees one whole snapshot, old or new.
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

/// A list that is replaced as a whole; see the module's text.
pub struct Snapshot<T: 'static> {
    current: imp::Cell<Box<[T]>>,
}

impl<T: Send + Sync + 'static> Snapshot<T> {
    /// A list of these members.
    pub fn new(members: Box<[T]>) -> Self {
        Snapshot { current: imp::Cell::new(members) }
    }

    /// Calls `f` with the current list. `f` should be short, because it delays the reclamation of old lists.
    #[inline]
    pub fn read<R>(&self, f: impl FnOnce(&[T]) -> R) -> R {
        self.current.read(|members| f(members))
    }

    /// Publishes another list. The caller orders concurrent replacements.
    pub fn replace(&self, members: Box<[T]>) {
        self.current.replace(members);
    }
}

impl_debug! { Snapshot<T> {} }

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
        // The epoch advances when no thread is pinned in an old one; other tests of this process pin as well.
        let deadline = Instant::now() + Duration::from_secs(60);
        while live.load(Ordering::Relaxed) > 0 {
            assert!(Instant::now() < deadline, "some members are never reclaimed");
            crossbeam_epoch::pin().flush();
            std::thread::yield_now();
        }
    }
}
