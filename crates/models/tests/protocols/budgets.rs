//! M11: the budget of a pool. No weight is lost or given twice, nobody sleeps beside enough of it, and a heavy task is not
//! kept out by light ones, whoever comes, goes, closes or gives up meanwhile.

use std::sync::Arc;

use longshore_models::mutation::leaves_out;

use super::semaphore::{me, sleep, wait};
use crate::code::budget::Budget;
use crate::code::facade::UninitCell;
use crate::code::wait_queue::{Acquire, Semaphore, WaitMode, WaitNode, WaitState};

fn join<T>(thread: loom::thread::JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the process")
}

/// A budget of which all is used.
fn used_up(limit: u64) -> Arc<Budget> {
    let budget = Arc::new(Budget::new(limit));
    assert!(budget.try_acquire(limit));
    budget
}

/// The place of somebody who comes now and has to wait in the line.
fn place(budget: &Budget, weight: u64) -> WaitNode {
    match budget.enqueue(weight, WaitMode::Handoff, me()) {
        Acquire::Queued(node) => node,
        other => panic!("it is used up, and says {other:?}"),
    }
}

/// Nothing is lost and nothing gained: `free` can be taken, and no more.
fn assert_free(budget: &Budget, free: u64) {
    assert!(!budget.try_acquire(free + 1));
    assert!(budget.try_acquire(free));
}

/// Somebody waits for as much as two others give back one after the other, and sees what both did before.
pub fn who_waits_gets_the_weight_that_comes_back() {
    let budget = used_up(2);
    let written = Arc::new([UninitCell::empty(), UninitCell::empty()]);
    let givers = [0, 1].map(|giver| {
        let (budget, written) = (budget.clone(), written.clone());
        loom::thread::spawn(move || {
            // SAFETY: its own place, which is read once the weight is here.
            unsafe { written[giver].write(giver) };
            budget.release(1);
        })
    });
    let node = budget.enqueue(2, WaitMode::Handoff, me());
    if let Acquire::Queued(node) = &node {
        assert_eq!(sleep(&*budget, node), WaitState::Granted);
    }
    for giver in [0, 1] {
        // SAFETY: it was written before the weight was given back.
        assert_eq!(unsafe { written[giver].read() }, giver);
    }
    givers.into_iter().for_each(join);
    assert_free(&budget, 0);
}

/// A light and a heavy task come and go at the same time: in the end all is there, and there once.
pub fn weights_are_conserved() {
    let budget = used_up(2);
    let tasks = [1, 2].map(|weight| {
        let budget = budget.clone();
        loom::thread::spawn(move || {
            assert!(wait(&*budget, weight, WaitMode::Handoff));
            budget.release(weight);
        })
    });
    budget.release(2);
    tasks.into_iter().for_each(join);
    assert_free(&budget, 2);
}

/// A heavy task waits while half of what it needs is free; a light one, for which that were enough, comes later and goes later.
pub fn a_heavy_one_is_not_overtaken() {
    let budget = used_up(2);
    let heavy = Arc::new(place(&budget, 2));
    let (lights, first) = (budget.clone(), heavy.clone());
    let light = loom::thread::spawn(move || {
        if leaves_out("standing in the line") {
            lights.overdraw(1);
        } else if !lights.try_acquire(1) {
            assert!(wait(&*lights, 1, WaitMode::Handoff));
        }
        assert_eq!(first.state(), WaitState::Granted, "it was there before");
    });
    budget.release(1);
    budget.release(1);
    assert_eq!(sleep(&*budget, &heavy), WaitState::Granted);
    budget.release(2);
    join(light);
    assert_free(&budget, 1);
}

/// A heavy task at the head of the line gives up just when weight comes back: the light one behind it gets that.
pub fn a_place_that_is_given_up_goes_to_the_next() {
    let budget = used_up(2);
    let heavy = place(&budget, 2);
    let (lights, givers) = (budget.clone(), budget.clone());
    let light = loom::thread::spawn(move || assert!(wait(&*lights, 1, WaitMode::Handoff)));
    let giver = loom::thread::spawn(move || givers.release(1));
    if leaves_out("giving the place up") {
        drop(heavy);
    } else {
        budget.cancel(heavy);
    }
    join(light);
    join(giver);
    assert_free(&budget, 0);
}

/// A future gives up its place when it may have been granted already: nothing of that is lost.
pub fn what_was_granted_and_not_used_comes_back() {
    let budget = used_up(2);
    let node = place(&budget, 2);
    let givers = budget.clone();
    let giver = loom::thread::spawn(move || givers.release(2));
    if leaves_out("giving the place up") {
        drop(node);
    } else {
        budget.cancel(node);
    }
    join(giver);
    assert_free(&budget, 2);
}

/// A future that was polled by one thread is polled by another from then on: that one is woken.
pub fn who_asked_last_is_woken() {
    let budget = used_up(1);
    let node = place(&budget, 1);
    let takers = budget.clone();
    let taker = loom::thread::spawn(move || assert_eq!(sleep(&*takers, &node), WaitState::Granted));
    budget.release(1);
    join(taker);
    assert_free(&budget, 0);
}

/// One who watches and one who stands in the line, and enough for both.
pub fn who_watches_is_told_of_free_weight() {
    let budget = used_up(2);
    let tasks = [WaitMode::Retry, WaitMode::Handoff].map(|manner| {
        let budget = budget.clone();
        loom::thread::spawn(move || assert!(wait(&*budget, 1, manner)))
    });
    budget.release(1);
    budget.release(1);
    tasks.into_iter().for_each(join);
    assert_free(&budget, 0);
}

/// Everyone who waits hears of the close, and weight that comes at the same time is not lost.
pub fn a_close_sends_all_away_from_the_budget() {
    let budget = used_up(1);
    let tasks = [WaitMode::Handoff, WaitMode::Retry].map(|manner| {
        let budget = budget.clone();
        loom::thread::spawn(move || u64::from(wait(&*budget, 1, manner)))
    });
    let givers = budget.clone();
    let giver = loom::thread::spawn(move || givers.release(1));
    if !leaves_out("the close") {
        budget.close();
    }
    let got: u64 = tasks.into_iter().map(join).sum();
    join(giver);
    assert!(got <= 1);
    assert_free(&budget, 1 - got);
}

/// What is taken beyond the limit has to come back before anybody who waits gets anything.
pub fn an_overdraft_is_paid_back_first() {
    let budget = used_up(1);
    budget.overdraw(1);
    let node = Arc::new(place(&budget, 1));
    let (givers, waits) = (budget.clone(), node.clone());
    let giver = loom::thread::spawn(move || {
        givers.release(1);
        assert_eq!(waits.state(), WaitState::Waiting, "all of it is still used");
        givers.release(1);
    });
    assert_eq!(sleep(&*budget, &node), WaitState::Granted);
    join(giver);
    assert_free(&budget, 0);
}
