//! M12: the waiter of a result slot. The waiter stored last is woken, whatever it replaced and whenever the
//! outcome comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::common::end;
use super::result_slot::{discard, join, observed, run};
use crate::code::facade::thread;
use crate::code::result_slot::{Outcome, SlotHandle};
use crate::code::waiter::Waiter;
use crate::code::work::Unstarted;

/// The waker of a future's executor, which sleeps until it is woken.
struct Bell {
    bell: loom::sync::Notify,
    rings: AtomicUsize,
}

impl Bell {
    fn new() -> Arc<Self> {
        Arc::new(Bell { bell: loom::sync::Notify::new(), rings: 0.into() })
    }

    fn waiter(self: &Arc<Self>) -> Waiter {
        Waiter::Waker(Waker::from(self.clone()))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rings.fetch_add(1, Ordering::Relaxed);
        self.bell.notify();
    }
}

/// Sleeps until the outcome is final. A bell that is never rung is a deadlock.
fn sleep_until_complete<T>(handle: &SlotHandle<T>, bell: &Bell) {
    while !handle.is_complete() {
        bell.bell.wait();
    }
}

pub fn the_waker_stored_last_is_woken() {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    let (first, second) = (Bell::new(), Bell::new());
    if handle.wait_with(first.waiter()) && handle.wait_with(second.waiter()) {
        sleep_until_complete(&handle, &second);
    }
    let outcome = handle.take();
    assert!(matches!(outcome, Some(Outcome::Returned(_))));
    drop((outcome, handle));
    end(worker);
    let rings = [&first, &second].map(|bell| bell.rings.load(Ordering::Relaxed));
    assert!(rings.iter().sum::<usize>() <= 1, "one wake-up at most: {rings:?}");
    assert_eq!([&first, &second].map(Arc::strong_count), [1, 1], "no waker is left in the slot");
    observed.assert_dropped();
}

/// Stores a waiter, calls `leave` with the handle, and checks that the waiter is gone at the end.
fn store_a_waiter_and(leave: fn(SlotHandle<super::result_slot::Tick>)) {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    let bell = Bell::new();
    handle.wait_with(bell.waiter());
    leave(handle);
    end(worker);
    assert_eq!(Arc::strong_count(&bell), 1, "no waker is left in the slot");
    observed.assert_dropped();
}

/// A waiter that was taken back is not woken afterwards, and the handle may leave at once.
pub fn a_waiter_taken_back_is_not_used() {
    store_a_waiter_and(|mut handle| handle.stop_waiting());
}

/// The handle leaves while a waiter is stored in the slot.
pub fn a_dropped_handle_takes_its_waiter_back() {
    store_a_waiter_and(drop);
}

/// First polled as a future, then joined by a thread.
pub fn a_thread_may_wait_after_a_waker() {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    handle.wait_with(Bell::new().waiter());
    assert!(matches!(join(&mut handle), Outcome::Returned(_)));
    drop(handle);
    end(worker);
    observed.assert_dropped();
}

/// The pool stops: a waiting thread learns that the task was discarded.
pub fn a_discard_wakes_the_waiter() {
    let (observed, task, mut handle) = observed();
    let worker = discard(task);
    let bell = Bell::new();
    if handle.wait_with(bell.waiter()) {
        sleep_until_complete(&handle, &bell);
    }
    assert!(matches!(handle.take(), Some(Outcome::Unstarted(Unstarted::Cancelled))));
    drop(handle);
    end(worker);
    observed.assert_dropped();
}

/// One thread waits, gives up after a timeout and waits again, as `join_timeout` in a loop does.
pub fn a_joiner_may_give_up_and_wait_again() {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    handle.wait_with(Waiter::Thread(thread::current()));
    handle.stop_waiting();
    assert!(matches!(join(&mut handle), Outcome::Returned(_)));
    drop(handle);
    end(worker);
    observed.assert_dropped();
}
