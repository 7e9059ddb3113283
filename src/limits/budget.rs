//! A budget that tasks with a weight share: what they weigh together, from the moment at which they are let in to their end,
//! stays within a limit.
//!
//! A semaphore behind one lock, for weights are given to tasks that are large. It is strictly first come, first served: while
//! somebody waits nobody overtakes, so that a heavy task gets its turn however many light ones come after it.
//! Any thread may use it.

use std::sync::Arc;

use crate::base::facade::{Mutex, MutexGuard, lock};
use crate::base::unwind;
use crate::limits::wait_queue::{Joined, Lines, Manner, Office, Ticket};
use crate::sync::waiter::Waiter;

/// See the module's text.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// Above the limit while there are overdrafts. Wide enough for the heaviest tasks of all at once.
    used: u128,
    lines: Lines,
}

impl Budget {
    /// So much.
    pub fn new(limit: u64) -> Self {
        Budget { limit, ledger: Mutex::default() }
    }

    /// All of it.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `weight` if that is free and nobody waits; whether it has.
    pub fn take(&self, weight: u64) -> bool {
        self.take_from(&mut lock(&self.ledger), weight)
    }

    fn take_from(&self, ledger: &mut Ledger, weight: u64) -> bool {
        let fits = ledger.lines.is_free() && weight <= self.free(ledger);
        if fits {
            ledger.used += u128::from(weight);
        }
        fits
    }

    fn free(&self, ledger: &Ledger) -> u64 {
        u128::from(self.limit).saturating_sub(ledger.used) as u64 // not more than the limit
    }

    /// Takes `weight` whether it is free or not.
    pub fn overdraw(&self, weight: u64) {
        lock(&self.ledger).used += u128::from(weight);
    }

    /// Gives `weight` back.
    pub fn give_back(&self, weight: u64) {
        let mut ledger = lock(&self.ledger);
        ledger.used -= u128::from(weight);
        self.hand_out(ledger);
    }

    /// Sends all away who wait; nobody waits from now on.
    pub fn close(&self) {
        let woken = lock(&self.ledger).lines.close();
        woken.into_iter().for_each(Waiter::wake);
    }

    /// Lets those go whose turn it is.
    fn hand_out(&self, mut ledger: MutexGuard<'_, Ledger>) {
        let free = self.free(&ledger);
        let (given, woken) = ledger.lines.hand_out(free);
        ledger.used += u128::from(given);
        drop(ledger);
        woken.into_iter().for_each(Waiter::wake);
    }
}

impl Office for Budget {
    fn with_lines<R>(&self, f: impl FnOnce(&mut Lines) -> R) -> R {
        f(&mut lock(&self.ledger).lines)
    }

    fn join(&self, weight: u64, manner: Manner, waiter: Waiter) -> Joined {
        debug_assert!(weight <= self.limit, "it would wait for ever");
        let mut ledger = lock(&self.ledger);
        let (joined, unused) = if self.take_from(&mut ledger, weight) {
            (Joined::Taken, Some(waiter))
        } else {
            ledger.lines.join(weight, manner, waiter)
        };
        drop(ledger);
        unwind::drop_silently(unused);
        joined
    }

    fn leave(&self, ticket: Ticket) {
        let mut ledger = lock(&self.ledger);
        let (had, unused) = ledger.lines.leave(&ticket);
        ledger.used -= u128::from(had);
        self.hand_out(ledger);
        unwind::drop_silently(unused);
    }
}

/// A task's part of the budget, until it is dropped: with the task.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    weight: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.weight);
    }
}

impl Share {
    /// What has been granted at a place in front of the budget.
    pub fn granted(budget: Arc<Budget>, weight: u64) -> Self {
        Share { budget, weight }
    }
}
