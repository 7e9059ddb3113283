//! A FIFO wait queue for a limited resource.
//!
//! A [`WaitQueue`] is a field of the resource and is protected by the resource's mutex. Each waiter holds a
//! [`WaitNode`], in which the result (granted or closed) is stored. The resource decides how much is free. It
//! wakes waiters, and drops the wakers that are no longer needed, only after it has released its mutex,
//! because a waker is user code. Any thread may wait. Guarded by the models `permits` and `budgets`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::facade::{AtomicU32, Ordering};
use crate::base::unwind;
use crate::sync::waiter::Waiter;

/// The state of a waiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitState {
    /// It is in the queue.
    Waiting,
    /// Its turn has come: the weight is reserved for it (*handoff*).
    Granted,
    /// The resource was closed; nothing will be granted.
    Closed,
}

const WAITING: u32 = 0;
const GRANTED: u32 = 1;
const CLOSED: u32 = 2;

/// The result of an attempt to acquire a weight or else wait for it.
#[derive(Debug)]
#[must_use]
pub enum Acquired {
    /// The weight was acquired.
    Ready,
    /// The resource is closed; waiting would be in vain.
    Closed,
    /// The waiter is in the queue. (Its state may have changed already.)
    Queued(WaitNode),
}

/// A limited resource with a wait queue.
pub trait Semaphore {
    /// Calls `f` with the queue, under the mutex of the semaphore. `f` runs no user code.
    fn with_queue<R>(&self, f: impl FnOnce(&mut WaitQueue) -> R) -> R;
    /// Acquires `weight`, or else enqueues `waiter`.
    fn acquire_or_enqueue(&self, weight: u64, waiter: Waiter) -> Acquired;
    /// Acquires `weight` without asking whether it is free: the semaphore is in debt until as much is
    /// released.
    fn overdraw(&self, weight: u64);
    /// Leaves the queue. A weight that was reserved for the node is granted to the next waiter.
    fn cancel(&self, node: WaitNode);

    /// Replaces the waiter of `node`. Returns whether the node is still waiting.
    fn set_waker(&self, node: &WaitNode, waiter: Waiter) -> bool {
        // The state of a node changes under the mutex only.
        let (unused, waits) =
            self.with_queue(|queue| (queue.set_waker(node, waiter), node.state() == WaitState::Waiting));
        unwind::drop_silently(unused);
        waits
    }

    /// The number of waiters.
    fn waiting(&self) -> u64 {
        self.with_queue(|queue| queue.len() as u64)
    }
}

/// The node of a waiter in a queue. Its holder uses what was granted, or passes the node to
/// [`Semaphore::cancel`].
#[derive(Debug)]
#[must_use = "a node that is not used must be cancelled"]
pub struct WaitNode {
    number: u64,
    weight: u64,
    state: Arc<AtomicU32>,
}

impl WaitNode {
    /// The state of the waiter.
    #[inline]
    pub fn state(&self) -> WaitState {
        // Acquire pairs with the Release in `settle`: the waiter sees what was done before the weight was
        // released.
        match self.state.load(Ordering::Acquire) {
            WAITING => WaitState::Waiting,
            GRANTED => WaitState::Granted,
            _ => WaitState::Closed,
        }
    }
}

#[derive(Debug)]
struct QueuedWaiter {
    weight: u64,
    state: Arc<AtomicU32>,
    waiter: Waiter,
}

impl QueuedWaiter {
    fn settle(self, state: u32) -> Waiter {
        self.state.store(state, Ordering::Release); // pairs with the Acquire in `WaitNode::state`
        self.waiter
    }
}

/// Waiters by the number of their node, so that a waiter can leave from the middle.
type WaitList = BTreeMap<u64, QueuedWaiter>;

/// A FIFO wait queue; see the module's text.
#[derive(Debug, Default)]
pub struct WaitQueue {
    waiters: WaitList,
    /// The number of the next node. It never wraps: 2^64 nodes are never made.
    next: u64,
    is_closed: bool,
}

impl WaitQueue {
    /// The number of waiters.
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Whether no waiter is queued, so that a newcomer may acquire what is free.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Enqueues `waiter` at the end. A closed queue returns the waiter instead, to be dropped outside of the
    /// mutex.
    pub fn enqueue(&mut self, weight: u64, waiter: Waiter) -> (Acquired, Option<Waiter>) {
        if self.is_closed {
            return (Acquired::Closed, Some(waiter));
        }
        let number = self.next;
        self.next += 1;
        let state = Arc::new(AtomicU32::new(WAITING));
        self.waiters.insert(number, QueuedWaiter { weight, state: state.clone(), waiter });
        (Acquired::Queued(WaitNode { number, weight, state }), None)
    }

    /// Grants `free` to waiters, in their order. Returns how much was reserved, and the waiters to wake.
    pub fn grant(&mut self, free: u64) -> (u64, Vec<Waiter>) {
        let (mut given, mut woken) = (0, Vec::new());
        while let Some(first) = self.waiters.first_entry().filter(|first| first.get().weight <= free - given)
        {
            given += first.get().weight;
            woken.push(first.remove().settle(GRANTED));
        }
        (given, woken)
    }

    /// Closes the queue and the nodes in it. The caller wakes the waiters.
    pub fn close(&mut self) -> Vec<Waiter> {
        self.is_closed = true;
        std::mem::take(&mut self.waiters).into_values().map(|waiter| waiter.settle(CLOSED)).collect()
    }

    /// Replaces the waiter of `node` and returns the earlier one, to be dropped outside of the mutex. If the
    /// node is no longer queued, `waiter` itself is returned.
    pub fn set_waker(&mut self, node: &WaitNode, waiter: Waiter) -> Waiter {
        match self.waiters.get_mut(&node.number) {
            Some(entry) => std::mem::replace(&mut entry.waiter, waiter),
            None => waiter,
        }
    }

    /// Removes `node`. Returns the weight that was reserved for it, and its waiter, to be dropped outside of
    /// the mutex.
    pub fn cancel(&mut self, node: &WaitNode) -> (u64, Option<Waiter>) {
        if let Some(entry) = self.waiters.remove(&node.number) {
            return (0, Some(entry.waiter));
        }
        (if node.state() == WaitState::Granted { node.weight } else { 0 }, None)
    }
}
