//! Those who wait for something that there is a limited amount of, in the order in which they came.
//!
//! [`WaitQueue`] are a part of some ledger and lie behind its lock; who waits has a [`WaitNode`], on which the verdict appears. The
//! ledger decides how much there is to give. It wakes people only when it has let go of its lock, for a waker is code of the
//! user's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::base::facade::{AtomicU32, Ordering};
use crate::base::unwind;
use crate::sync::waiter::Waiter;

/// What has become of somebody who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitState {
    /// Nothing yet.
    Waiting,
    /// The turn has come.
    Granted,
    /// There is nothing to wait for any more.
    Closed,
}

const WAITING: u32 = 0;
const GRANTED: u32 = 1;
const CLOSED: u32 = 2;

/// How somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitMode {
    /// In the line: what is wanted is kept for the one whose turn it is.
    Handoff,
    /// As one who may be busy with something else when the turn comes: is told that there is enough, and has to ask again.
    Retry,
}

/// What came of an attempt to get something or else wait for it.
#[derive(Debug)]
#[must_use]
pub enum Acquire {
    /// Got it at once.
    Ready,
    /// Nobody gets anything by waiting any more.
    Closed,
    /// A place to wait at. (The verdict may be there already.)
    Queued(WaitNode),
}

/// A ledger with lines in front of it.
pub trait Semaphore {
    /// Calls `f` with the queue, which only the ledger's lock protects. It runs no code of the user's.
    fn with_queue<R>(&self, f: impl FnOnce(&mut WaitQueue) -> R) -> R;
    /// Takes `weight`, or else a place to wait for it.
    fn enqueue(&self, weight: u64, mode: WaitMode, waiter: Waiter) -> Acquire;
    /// Acquires `weight` without asking whether it is free: the semaphore is in debt until as much is released.
    fn overdraw(&self, weight: u64);
    /// Gives up a place. What had been granted in the line, and not been used, goes to the next.
    fn cancel(&self, node: WaitNode);

    /// Has `waiter` woken for `ticket` from now on; whether there is anything to be woken for.
    fn set_waker(&self, node: &WaitNode, waiter: Waiter) -> bool {
        // The verdict changes under the lock.
        let look =
            |queue: &mut WaitQueue| (queue.set_waker(node, waiter), node.state() == WaitState::Waiting);
        let (unused, waits) = self.with_queue(look);
        unwind::drop_silently(unused);
        waits
    }

    /// How many wait.
    fn waiting(&self) -> u64 {
        self.with_queue(|queue| queue.len() as u64)
    }
}

/// The place of one who waits. Whoever has it gives it back to the office, or uses what was granted.
#[derive(Debug)]
#[must_use = "a place in a line has to be left"]
pub struct WaitNode {
    number: u64,
    weight: u64,
    mode: WaitMode,
    verdict: Arc<AtomicU32>,
}

impl WaitNode {
    /// What has become of it.
    #[inline]
    pub fn state(&self) -> WaitState {
        // Acquire pairs with the Release in `settle`: who has got something sees what was done before it was given back.
        match self.verdict.load(Ordering::Acquire) {
            WAITING => WaitState::Waiting,
            GRANTED => WaitState::Granted,
            _ => WaitState::Closed,
        }
    }
}

struct QueuedWaiter {
    weight: u64,
    verdict: Arc<AtomicU32>,
    waiter: Waiter,
}

impl QueuedWaiter {
    fn settle(self, verdict: u32) -> Waiter {
        self.verdict.store(verdict, Ordering::Release); // see `WaitNode::verdict`
        self.waiter
    }
}

/// By the number of the node, so that anyone can leave from the middle.
type WaitList = BTreeMap<u64, QueuedWaiter>;

/// Lets the first of `line` go, if `free` is enough for it.
fn settle_first(line: &mut WaitList, free: u64) -> Option<(u64, Waiter)> {
    let first = line.first_entry()?;
    let weight = first.get().weight;
    (weight <= free).then(|| (weight, first.remove().settle(GRANTED)))
}

/// See the module's text.
#[derive(Default)]
pub struct WaitQueue {
    handoff: WaitList,
    retry: WaitList,
    /// Grows; 2^64 tickets are never drawn.
    next: u64,
    is_closed: bool,
}

impl WaitQueue {
    /// Whether nobody stands in the line: what is free belongs to whoever comes.
    #[inline]
    pub fn has_no_handoff(&self) -> bool {
        self.handoff.is_empty()
    }

    /// How many wait in whatever mode.
    pub fn len(&self) -> usize {
        self.handoff.len() + self.retry.len()
    }

    /// Whether nobody waits in whatever mode.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A place at the end, for somebody who wants `weight` and is woken through `waiter`. When all are closed that comes back,
    /// to be dropped outside of the lock.
    pub fn enqueue(&mut self, weight: u64, mode: WaitMode, waiter: Waiter) -> (Acquire, Option<Waiter>) {
        if self.is_closed {
            return (Acquire::Closed, Some(waiter));
        }
        let number = self.next;
        self.next += 1;
        let verdict = Arc::new(AtomicU32::new(WAITING));
        self.line(mode).insert(number, QueuedWaiter { weight, verdict: verdict.clone(), waiter });
        (Acquire::Queued(WaitNode { number, weight, mode, verdict }), None)
    }

    fn line(&mut self, mode: WaitMode) -> &mut WaitList {
        match mode {
            WaitMode::Handoff => &mut self.handoff,
            WaitMode::Retry => &mut self.retry,
        }
    }

    /// Lets those go whom `free` is enough for: in the line one after the other, and what is then left is shown to those who
    /// watch. How much has been given away, and whom to wake.
    pub fn grant(&mut self, free: u64) -> (u64, Vec<Waiter>) {
        let (mut given, mut woken) = (0, Vec::new());
        while let Some((weight, waiter)) = settle_first(&mut self.handoff, free - given) {
            given += weight;
            woken.push(waiter);
        }
        if self.handoff.is_empty() && given < free {
            // Each of them may find that another was faster, and watches anew.
            woken.extend(std::iter::from_fn(|| Some(settle_first(&mut self.retry, free - given)?.1)));
        }
        (given, woken)
    }

    /// Lets everyone go with empty hands, now and later; the caller wakes them.
    pub fn close(&mut self) -> Vec<Waiter> {
        self.is_closed = true;
        let all = [&mut self.handoff, &mut self.retry].into_iter().flat_map(std::mem::take);
        all.map(|(_, entry)| entry.settle(CLOSED)).collect()
    }

    /// Has `waiter` woken instead of the one before, who comes back to be dropped outside of the lock. If the verdict is
    /// there already, `waiter` itself comes back.
    pub fn set_waker(&mut self, node: &WaitNode, waiter: Waiter) -> Waiter {
        match self.line(node.mode).get_mut(&node.number) {
            Some(entry) => std::mem::replace(&mut entry.waiter, waiter),
            None => waiter,
        }
    }

    /// Gives a place up: what had been granted for it, and whom nobody has to wake any more.
    pub fn cancel(&mut self, node: &WaitNode) -> (u64, Option<Waiter>) {
        if let Some(entry) = self.line(node.mode).remove(&node.number) {
            return (0, Some(entry.waiter));
        }
        let had = node.mode == WaitMode::Handoff && node.state() == WaitState::Granted;
        (if had { node.weight } else { 0 }, None)
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("handoff", &self.handoff.len())
            .field("retry", &self.retry.len())
            .finish_non_exhaustive()
    }
}
