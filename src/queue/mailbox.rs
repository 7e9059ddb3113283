//! A queue of tasks for one worker: unbounded, in order, filled by any thread, and closable.
//!
//! A worker has two mailboxes. One holds the tasks sent to it by number or by key: the worker takes them one
//! by one, and a peer takes them only when it would park otherwise. The other one holds broadcast tasks,
//! which only this worker may run.
//!
//! It is a list behind a mutex, not a bounded ring like the inbox. A full ring would have to give tasks away
//! when all workers have much to do, and then moving a task gains nothing. A task that is sent to a worker
//! for the sake of its data takes microseconds, so a mutex shared by two threads is cheap in comparison. A
//! worker that looks for work reads the length, without the mutex.
//!
//! A worker's remote half (`push/shared.rs`) owns the first, its record (`runtime/record.rs`) the second.
//! Guarded by the models `leaving` and `broadcasts`, and by the unit test here.

use std::collections::VecDeque;

use crate::base::debug::impl_debug;
use crate::base::facade::{AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// A queue for one worker; see the module's text. Any thread may use it at any time.
pub struct Mailbox<T> {
    /// The number of values. Written under the mutex.
    len: AtomicU64,
    state: Mutex<MailboxState<T>>,
}

struct MailboxState<T> {
    values: VecDeque<T>,
    /// The number of values ever put in.
    pushed: u64,
    is_closed: bool,
}

/// The right to put one value into an open mailbox, which stays open until this is dropped. It holds the
/// mutex, so its holder runs no user code.
#[must_use]
pub struct Opening<'a, T> {
    len: &'a AtomicU64,
    state: MutexGuard<'a, MailboxState<T>>,
}

impl<T> Opening<'_, T> {
    /// Adds `value` at the end.
    pub fn put(mut self, value: T) {
        self.state.values.push_back(value);
        self.state.pushed += 1;
        // Relaxed, because the wake-up that follows orders it: `Idle::notify_this` by its fence, which pairs
        // with the one in `Idle::prepare_park`, and `Idle::wake_this` by the mutex of the list of parked
        // workers. A worker that takes the value takes the mutex of the mailbox.
        self.len.store(self.state.values.len() as u64, Ordering::Relaxed);
    }
}

impl_debug! { Opening<'a, T> {} }

impl<T> Mailbox<T> {
    /// An open, empty mailbox.
    pub fn new() -> Self {
        let state = MailboxState { values: VecDeque::new(), pushed: 0, is_closed: false };
        Mailbox { len: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// Starts to put a value in; `None` if the mailbox is closed.
    pub fn open(&self) -> Option<Opening<'_, T>> {
        let state = lock(&self.state);
        (!state.is_closed).then_some(Opening { len: &self.len, state })
    }

    /// Takes the oldest value.
    pub fn take(&self) -> Option<T> {
        if self.is_empty() {
            return None; // without the mutex
        }
        let mut state = lock(&self.state);
        let value = state.values.pop_front();
        self.len.store(state.values.len() as u64, Ordering::Relaxed); // under the mutex; see `put`
        value
    }

    /// The number of values.
    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) as usize // ordered by fences; see `put`
    }

    /// Whether the mailbox has no values.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values ever put in.
    pub fn pushed(&self) -> u64 {
        lock(&self.state).pushed
    }

    /// Refuses all later values.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
    }

    /// Accepts values again.
    pub fn reopen(&self) {
        lock(&self.state).is_closed = false;
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl_debug! { Mailbox<T> { len } }

#[cfg(all(test, not(longshore_loom)))]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_in_order_and_none_goes_in_after_the_close() {
        let mailbox = Mailbox::new();
        (0..100).for_each(|n| mailbox.open().expect("open").put(n));
        assert_eq!((mailbox.len(), mailbox.pushed()), (100, 100));
        assert_eq!(mailbox.take(), Some(0));
        mailbox.close();
        assert!(mailbox.open().is_none());
        let left: Vec<_> = std::iter::from_fn(|| mailbox.take()).collect();
        assert_eq!(left, (1..100).collect::<Vec<_>>());
        assert!(mailbox.is_empty());
        assert_eq!(mailbox.pushed(), 100);
    }
}
