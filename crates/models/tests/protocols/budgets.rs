//! M11: the budget. No weight is lost or granted twice, no waiter sleeps beside enough free weight, and light
//! tasks do not overtake a heavy one, also while waiters arrive and cancel and while the budget is closed.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::common::{end, spawn};
use super::semaphore::{acquire, this_thread, wait};
use crate::code::budget::Budget;
use crate::code::facade::UninitCell;
use crate::code::wait_queue::{Acquired, Semaphore, WaitNode, WaitState};

/// A budget that is used completely.
fn used_up(limit: u64) -> Arc<Budget> {
    let budget = Arc::new(Budget::new(limit));
    assert!(budget.try_acquire(limit));
    budget
}

/// The node of a waiter that arrives now and has to wait.
fn enqueue(budget: &Budget, weight: u64) -> WaitNode {
    match budget.acquire_or_enqueue(weight, this_thread()) {
        Acquired::Queued(node) => node,
        other => panic!("the budget is used up, and says {other:?}"),
    }
}

/// Nothing was lost or gained: `free` can be acquired, and no more.
fn assert_free(budget: &Budget, free: u64) {
    assert!(!budget.try_acquire(free + 1));
    assert!(budget.try_acquire(free));
}

/// A waiter needs the weight that two threads release one after the other, and sees what both did before.
pub fn a_waiter_gets_the_released_weight() {
    let budget = used_up(2);
    let written = Arc::new([UninitCell::empty(), UninitCell::empty()]);
    let releasers = [0, 1].map(|index| {
        let written = written.clone();
        spawn(&budget, move |budget| {
            // SAFETY: each thread writes to its own cell. The waiter reads it after it has acquired the
            // weight; whether that is ordered is what the model checks.
            unsafe { written[index].write(index) };
            budget.release(1);
        })
    });
    let acquired = budget.acquire_or_enqueue(2, this_thread());
    if let Acquired::Queued(node) = &acquired {
        assert_eq!(wait(&*budget, node), WaitState::Granted);
    }
    for index in [0, 1] {
        // SAFETY: the cell was written before the weight was released, and is read once.
        assert_eq!(unsafe { written[index].read() }, index);
    }
    releasers.into_iter().for_each(end);
    assert_free(&budget, 0);
}

/// A light and a heavy task acquire and release at the same time. At the end the whole weight is free, and no
/// more.
pub fn weights_are_conserved() {
    let budget = used_up(2);
    let tasks = [1, 2].map(|weight| {
        spawn(&budget, move |budget| {
            assert!(acquire(budget, weight));
            budget.release(weight);
        })
    });
    budget.release(2);
    tasks.into_iter().for_each(end);
    assert_free(&budget, 2);
}

/// A heavy task waits while half of what it needs is free. A light task, for which that would be enough,
/// arrives later and is served later.
pub fn a_heavy_task_is_not_overtaken() {
    let budget = used_up(2);
    let heavy = Arc::new(enqueue(&budget, 2));
    let first = heavy.clone();
    let light = spawn(&budget, move |budget| {
        if leaves_out("enqueueing the light task") {
            budget.overdraw(1);
        } else if !budget.try_acquire(1) {
            assert!(acquire(budget, 1));
        }
        assert_eq!(first.state(), WaitState::Granted, "the heavy task was queued first");
    });
    budget.release(1);
    budget.release(1);
    assert_eq!(wait(&*budget, &heavy), WaitState::Granted);
    budget.release(2);
    end(light);
    assert_free(&budget, 1);
}

/// A heavy task at the head of the queue cancels while weight is released. The light task behind it gets the
/// weight.
pub fn a_cancelled_wait_lets_the_next_waiter_pass() {
    let budget = used_up(2);
    let heavy = enqueue(&budget, 2);
    let light = spawn(&budget, |budget| assert!(acquire(budget, 1)));
    let releaser = spawn(&budget, |budget| budget.release(1));
    cancel(&budget, heavy);
    end(light);
    end(releaser);
    assert_free(&budget, 0);
}

/// A future cancels when its weight may have been granted already: none of the weight is lost.
pub fn an_unused_grant_comes_back() {
    let budget = used_up(2);
    let node = enqueue(&budget, 2);
    let releaser = spawn(&budget, |budget| budget.release(2));
    cancel(&budget, node);
    end(releaser);
    assert_free(&budget, 2);
}

fn cancel(budget: &Budget, node: WaitNode) {
    if leaves_out("cancelling the wait") {
        drop(node);
    } else {
        budget.cancel(node);
    }
}

/// One thread has polled a future and another one polls it from then on: the second thread is woken.
pub fn the_waker_set_last_is_woken() {
    let budget = used_up(1);
    let node = enqueue(&budget, 1);
    let waiter = spawn(&budget, move |budget| assert_eq!(wait(budget, &node), WaitState::Granted));
    budget.release(1);
    end(waiter);
    assert_free(&budget, 0);
}

/// Two waiters, and enough weight for both.
pub fn each_of_two_waiters_gets_its_weight() {
    let budget = used_up(2);
    let tasks = [(); 2].map(|()| spawn(&budget, move |budget| assert!(acquire(budget, 1))));
    budget.release(1);
    budget.release(1);
    tasks.into_iter().for_each(end);
    assert_free(&budget, 0);
}

/// Every waiter sees the close, and weight that is released at the same time is not lost.
pub fn a_close_releases_all_waiters_of_the_budget() {
    let budget = used_up(1);
    let tasks = [(); 2].map(|()| spawn(&budget, move |budget| u64::from(acquire(budget, 1))));
    let releaser = spawn(&budget, |budget| budget.release(1));
    if !leaves_out("the close") {
        budget.close();
    }
    let got: u64 = tasks.into_iter().map(end).sum();
    end(releaser);
    assert!(got <= 1);
    assert_free(&budget, 1 - got);
}

/// An overdraft must be paid back before a waiter gets anything.
pub fn an_overdraft_is_paid_back_first() {
    let budget = used_up(1);
    budget.overdraw(1);
    let node = Arc::new(enqueue(&budget, 1));
    let waits = node.clone();
    let releaser = spawn(&budget, move |budget| {
        budget.release(1);
        assert_eq!(waits.state(), WaitState::Waiting, "the limit is still used");
        budget.release(1);
    });
    assert_eq!(wait(&*budget, &node), WaitState::Granted);
    end(releaser);
    assert_free(&budget, 0);
}
