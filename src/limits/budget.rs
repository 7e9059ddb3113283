//! A budget for tasks with a weight: the total weight of the tasks between their admission and their end
//! stays within a limit.
//!
//! It is a semaphore behind one mutex, because tasks with a weight are large. It is strictly first come,
//! first served: while a waiter is queued no newcomer overtakes it, so a heavy task gets its turn however
//! many light tasks arrive later. A pool owns it (`runtime/core.rs`); any thread may use it. Guarded by the
//! model `budgets` and by `tests/it/behaviour/weights.rs`.

use std::sync::Arc;

use crate::base::facade::{Mutex, MutexGuard, lock};
use crate::base::unwind;
use crate::limits::wait_queue::{Acquired, Semaphore, WaitNode, WaitQueue};
use crate::sync::waiter::Waiter;

/// A semaphore for weights; see the module's text.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    state: Mutex<BudgetState>,
}

#[derive(Debug, Default)]
struct BudgetState {
    /// Above the limit while the budget is overdrawn. Wide enough for the sum of any number of maximal
    /// weights.
    used: u128,
    queue: WaitQueue,
}

impl Budget {
    /// A budget of `limit`.
    pub fn new(limit: u64) -> Self {
        Budget { limit, state: Mutex::default() }
    }

    /// The whole budget.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Acquires `weight` if it is free and no waiter is queued. Returns whether it did.
    pub fn try_acquire(&self, weight: u64) -> bool {
        self.acquire_from(&mut lock(&self.state), weight)
    }

    fn acquire_from(&self, state: &mut BudgetState, weight: u64) -> bool {
        let fits = state.queue.is_empty() && weight <= self.free(state);
        if fits {
            state.used += u128::from(weight);
        }
        fits
    }

    fn free(&self, state: &BudgetState) -> u64 {
        u128::from(self.limit).saturating_sub(state.used) as u64 // fits, because it is at most the limit
    }

    /// Returns `weight` to the budget.
    pub fn release(&self, weight: u64) {
        let mut state = lock(&self.state);
        state.used -= u128::from(weight);
        self.grant(state);
    }

    /// Wakes all waiters with nothing; from now on no waiter is enqueued.
    pub fn close(&self) {
        let woken = lock(&self.state).queue.close();
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Grants what is free to the waiters whose turn it is, and wakes them.
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

    fn acquire_or_enqueue(&self, weight: u64, waiter: Waiter) -> Acquired {
        debug_assert!(weight <= self.limit, "a weight above the limit would wait forever");
        let mut state = lock(&self.state);
        let (acquired, unused) = if self.acquire_from(&mut state, weight) {
            (Acquired::Ready, Some(waiter))
        } else {
            state.queue.enqueue(weight, waiter)
        };
        drop(state);
        unwind::drop_silently(unused);
        acquired
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

/// A task's part of the budget. Dropping it, which happens together with the task, releases the weight.
#[derive(Debug)]
pub struct BudgetPermit {
    budget: Arc<Budget>,
    weight: u64,
}

impl BudgetPermit {
    /// A permit for `weight` of `budget`, which the caller has acquired.
    pub fn new(budget: Arc<Budget>, weight: u64) -> Self {
        BudgetPermit { budget, weight }
    }
}

impl Drop for BudgetPermit {
    fn drop(&mut self) {
        self.budget.release(self.weight);
    }
}
