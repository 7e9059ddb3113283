//! Tasks meant for one worker: an unbounded queue that any thread puts into, in order, and that can be closed.
//!
//! A worker has two of them. In the one lies what was sent to it on purpose, by number or by key: the worker takes it one
//! by one, and others only when they would sleep otherwise. In the other lies what it alone may run.
//!
//! It is a locked list, not a ring like the inbox: it must not be full when all workers have much to do, for then moving a
//! task elsewhere gains nothing; and what is sent somewhere for the sake of its data takes microseconds, beside which a
//! lock that two threads use is cheap. Whoever looks for work reads the length, without the lock.

use std::collections::VecDeque;
use std::fmt;

use crate::base::facade::{AtomicU64, Mutex, MutexGuard, Ordering, lock};

/// See the module's text. All threads may use it at any time.
pub struct Mailbox<T> {
    /// Values inside. Written under the lock.
    len: AtomicU64,
    state: Mutex<MailboxState<T>>,
}

struct MailboxState<T> {
    values: VecDeque<T>,
    /// How many were ever put in.
    pushed: u64,
    is_closed: bool,
}

/// The right to put one value into an open mailbox, which stays open as long as this lives. (It is its lock: the holder
/// runs no user code.)
#[must_use]
pub struct Opening<'a, T> {
    len: &'a AtomicU64,
    state: MutexGuard<'a, MailboxState<T>>,
}

impl<T> Opening<'_, T> {
    /// Puts `value` behind the others.
    pub fn put(mut self, value: T) {
        self.state.values.push_back(value);
        self.state.pushed += 1;
        // Relaxed: the caller's fence [push] comes before its look for sleepers, and the fence [rest] before the look of
        // whoever lies down; who takes the value takes the lock.
        self.len.store(self.state.values.len() as u64, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for Opening<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

impl<T> Mailbox<T> {
    /// Open and empty.
    pub fn new() -> Self {
        let state = MailboxState { values: VecDeque::new(), pushed: 0, is_closed: false };
        Mailbox { len: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// Begins to put a value in; `None` if the mailbox is closed.
    pub fn open(&self) -> Option<Opening<'_, T>> {
        let state = lock(&self.state);
        (!state.is_closed).then_some(Opening { len: &self.len, state })
    }

    /// Takes the oldest value.
    pub fn take(&self) -> Option<T> {
        if self.is_empty() {
            return None; // spares the lock
        }
        let mut state = lock(&self.state);
        let value = state.values.pop_front();
        self.len.store(state.values.len() as u64, Ordering::Relaxed); // as in `put`
        value
    }

    /// Values inside.
    #[inline]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed) as usize // as in `put`
    }

    /// Whether none is inside.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values were ever put in.
    pub fn pushed(&self) -> u64 {
        lock(&self.state).pushed
    }

    /// Refuses every value from now on.
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

impl<T> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("len", &self.len()).finish_non_exhaustive()
    }
}

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
