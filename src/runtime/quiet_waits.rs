//! The threads and futures that wait until a pool is quiet. `quiet.rs` has the protocol.
//!
//! The pool owns one [`QuietWaits`]; any thread may call it. Guarded by `tests/process_quiet.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use crate::base::facade::{Mutex, lock};
use crate::sync::waiter::Waiter;

/// The waits for the rest of one pool.
#[derive(Debug, Default)]
pub struct QuietWaits {
    /// The length of `list`, so that a worker that parks takes no lock.
    count: AtomicUsize,
    list: Mutex<Vec<Arc<QuietWait>>>,
    /// Purges that are under way.
    purges: Mutex<usize>,
}

/// A purge of the pool that is under way, until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Purging<'a>(&'a QuietWaits);

impl Drop for Purging<'_> {
    fn drop(&mut self) {
        *lock(&self.0.purges) -= 1;
    }
}

/// A wait of one thread or future.
#[derive(Debug, Default)]
pub struct QuietWait {
    is_done: AtomicBool,
    waiter: Mutex<Option<Waiter>>,
}

impl QuietWaits {
    /// Adds a wait.
    pub fn add(&self, wait: &Arc<QuietWait>) {
        let mut list = lock(&self.list);
        list.push(wait.clone());
        // Relaxed: ordered by the lock of the parked workers, see `quiet.rs`.
        self.count.store(list.len(), Ordering::Relaxed);
        // Pairs with the fence in `look_from_outside`: either the thread there sees this wait, or the first
        // look of this wait sees what that thread has done. Without it both could miss each other.
        fence(Ordering::SeqCst);
    }

    /// Removes a wait, if it is still there.
    pub fn remove(&self, wait: &Arc<QuietWait>) {
        let mut list = lock(&self.list);
        list.retain(|other| !Arc::ptr_eq(other, wait));
        self.count.store(list.len(), Ordering::Relaxed); // as in `add`
    }

    /// Called after an event by which the pool may have become quiet.
    #[inline]
    pub fn look(&self, is_quiet: impl FnOnce() -> bool) {
        // Relaxed: ordered by the lock of the parked workers, see `quiet.rs`. Without that order a
        // wait could begin while the last worker parks, and both would miss each other.
        if self.count.load(Ordering::Relaxed) > 0 {
            self.end_if(is_quiet);
        }
    }

    /// Like [`QuietWaits::look`], for a thread that has ended or discarded queued tasks and is no worker that
    /// parks: no lock orders what it did before a wait that begins now.
    pub fn look_from_outside(&self, is_quiet: impl FnOnce() -> bool) {
        fence(Ordering::SeqCst); // pairs with the fence in `add`
        self.look(is_quiet);
    }

    /// Begins a purge. The caller calls [`QuietWaits::look_from_outside`] after it.
    pub fn begin_purge(&self) -> Purging<'_> {
        *lock(&self.purges) += 1;
        Purging(self)
    }

    /// Whether no purge is under way, and `condition` holds meanwhile. No purge begins before it has been
    /// evaluated.
    pub fn between_purges(&self, condition: impl FnOnce() -> bool) -> bool {
        let purges = lock(&self.purges);
        *purges == 0 && condition()
    }

    /// Ends all waits if the pool is quiet.
    #[cold]
    fn end_if(&self, is_quiet: impl FnOnce() -> bool) {
        let ended = {
            // Held during the look: a wait that begins after the look must not end by it, because its thread
            // may have submitted tasks in between.
            let mut list = lock(&self.list);
            if !is_quiet() {
                return;
            }
            self.count.store(0, Ordering::Relaxed); // as in `add`
            std::mem::take(&mut *list)
        };
        ended.iter().for_each(|wait| wait.end());
    }
}

impl QuietWait {
    fn end(&self) {
        let waiter = {
            let mut waiter = lock(&self.waiter);
            // Release pairs with the Acquire in `has_ended`: the thread that waited sees what the tasks did.
            self.is_done.store(true, Ordering::Release);
            waiter.take()
        };
        waiter.into_iter().for_each(Waiter::wake); // without the lock, because a waker is user code
    }

    /// Whether the pool was quiet since the wait began.
    pub fn has_ended(&self) -> bool {
        self.is_done.load(Ordering::Acquire) // pairs with the Release in `end`
    }

    /// Has `waiter` woken at the end of the wait. Returns whether the wait has ended already.
    pub fn wake_at_end(&self, waiter: Waiter) -> bool {
        // The waiter that is replaced is dropped after the lock is released, because its drop is user code.
        let _replaced = {
            let mut place = lock(&self.waiter);
            if self.has_ended() {
                return true;
            }
            place.replace(waiter)
        };
        false
    }
}
