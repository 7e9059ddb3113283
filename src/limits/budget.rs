//! A budget that tasks with a weight share: what they weigh together, from the moment at which they are let in to their end,
//! stays within a limit.
//!
//! A semaphore behind one lock, for weights are given to tasks that are large. It is strictly first come, first served: while
//! somebody waits nobody overtakes, so that a heavy task gets its turn however many light ones come after it.
//! Any thread may use it.

use std::sync::Arc;

use crate::base::facade::{Mutex, MutexGuard, lock};
use crate::base::unwind;
use crate::limits::wait_queue::{Acquire, Semaphore, WaitMode, WaitNode, WaitQueue};
use crate::sync::waiter::Waiter;

/// See the module's text.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    state: Mutex<BudgetState>,
}

#[derive(Debug, Default)]
struct BudgetState {
    /// Above the limit while there are overdrafts. Wide enough for the heaviest tasks of all at once.
    used: u128,
    queue: WaitQueue,
}

impl Budget {
    /// So much.
    pub fn new(limit: u64) -> Self {
        Budget { limit, state: Mutex::default() }
    }

    /// All of it.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `weight` if that is free and nobody waits; whether it has.
    pub fn try_acquire(&self, weight: u64) -> bool {
        self.acquire_from(&mut lock(&self.state), weight)
    }

    fn acquire_from(&self, state: &mut BudgetState, weight: u64) -> bool {
        let fits = state.queue.has_no_handoff() && weight <= self.free(state);
        if fits {
            state.used += u128::from(weight);
        }
        fits
    }

    fn free(&self, state: &BudgetState) -> u64 {
        u128::from(self.limit).saturating_sub(state.used) as u64 // not more than the limit
    }

    /// Gives `weight` back.
    pub fn release(&self, weight: u64) {
        let mut state = lock(&self.state);
        state.used -= u128::from(weight);
        self.grant(state);
    }

    /// Sends all away who wait; nobody waits from now on.
    pub fn close(&self) {
        let woken = lock(&self.state).queue.close();
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Lets those go whose turn it is.
    fn grant(&self, mut state: MutexGuard<'_, BudgetState>) {
        let free = self.free(&state);
        let (given, woken) = state.queue.grant(free);
        state.used += u128::from(given);
        drop(state);
        woken.into_iter().for_each(Waiter::wake);
    }
}

impl Semaphore for Budget {
    fn with_queue<R>(&self, f: impl FnOnce(&mut WaitQueue) -> R) -> R {
        f(&mut lock(&self.state).queue)
    }

    fn enqueue(&self, weight: u64, mode: WaitMode, waiter: Waiter) -> Acquire {
        debug_assert!(weight <= self.limit, "it would wait for ever");
        let mut state = lock(&self.state);
        let (joined, unused) = if self.acquire_from(&mut state, weight) {
            (Acquire::Ready, Some(waiter))
        } else {
            state.queue.enqueue(weight, mode, waiter)
        };
        drop(state);
        unwind::drop_silently(unused);
        joined
    }

    fn overdraw(&self, weight: u64) {
        lock(&self.state).used += u128::from(weight);
    }

    fn cancel(&self, node: WaitNode) {
        let mut state = lock(&self.state);
        let (had, unused) = state.queue.cancel(&node);
        state.used -= u128::from(had);
        self.grant(state);
        unwind::drop_silently(unused);
    }
}

/// A task's part of the budget, until it is dropped: with the task.
#[derive(Debug)]
pub struct BudgetPermit {
    budget: Arc<Budget>,
    weight: u64,
}

impl Drop for BudgetPermit {
    fn drop(&mut self) {
        self.budget.release(self.weight);
    }
}

impl BudgetPermit {
    /// `weight` of `budget`, which has been acquired.
    pub fn new(budget: Arc<Budget>, weight: u64) -> Self {
        BudgetPermit { budget, weight }
    }
}
