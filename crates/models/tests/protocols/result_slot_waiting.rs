//! M12: who waits for a slot. The waiter left last is woken, whatever it replaced and whenever the outcome comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::result_slot::{join, run, watched};
use crate::code::facade::thread;
use crate::code::result_slot::{Outcome, SlotHandle};
use crate::code::waiter::Waiter;
use crate::code::work::Unstarted;

/// A future's executor: sleeps until it is woken.
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

/// Sleeps until the bell rings; one that is never rung is a deadlock.
fn sleep_until<T>(handle: &SlotHandle<T>, bell: &Bell) {
    while !handle.is_complete() {
        bell.bell.wait();
    }
}

pub fn the_waker_left_last_is_woken() {
    let (fate, task, mut handle) = watched();
    let worker = loom::thread::spawn(move || run(task));
    let (first, second) = (Bell::new(), Bell::new());
    if handle.wait_with(first.waiter()) && handle.wait_with(second.waiter()) {
        sleep_until(&handle, &second);
    }
    let outcome = handle.take();
    assert!(matches!(outcome, Some(Outcome::Returned(_))));
    drop((outcome, handle));
    worker.join().expect("a panic ends the process");
    let rings = [&first, &second].map(|bell| bell.rings.load(Ordering::Relaxed));
    assert!(rings.iter().sum::<usize>() <= 1, "one wake-up at most: {rings:?}");
    assert_eq!([&first, &second].map(Arc::strong_count), [1, 1], "no waker is kept");
    fate.assert_settled();
}

/// A waiter taken back is not woken afterwards, and the handle may go at once.
pub fn a_waiter_taken_back_is_not_used() {
    let (fate, task, mut handle) = watched();
    let worker = loom::thread::spawn(move || run(task));
    let bell = Bell::new();
    handle.wait_with(bell.waiter());
    handle.stop_waiting();
    drop(handle);
    worker.join().expect("a panic ends the process");
    assert_eq!(Arc::strong_count(&bell), 1, "no waker is kept");
    fate.assert_settled();
}

/// The handle goes with a waiter still in the slot.
pub fn a_handle_takes_its_waiter_along() {
    let (fate, task, mut handle) = watched();
    let worker = loom::thread::spawn(move || run(task));
    let bell = Bell::new();
    handle.wait_with(bell.waiter());
    drop(handle);
    worker.join().expect("a panic ends the process");
    assert_eq!(Arc::strong_count(&bell), 1, "no waker is kept");
    fate.assert_settled();
}

/// First polled as a future, then joined by a thread.
pub fn a_thread_may_wait_after_a_waker() {
    let (fate, task, mut handle) = watched();
    let worker = loom::thread::spawn(move || run(task));
    handle.wait_with(Bell::new().waiter());
    assert!(matches!(join(&mut handle), Outcome::Returned(_)));
    drop(handle);
    worker.join().expect("a panic ends the process");
    fate.assert_settled();
}

/// The pool stops: a joiner that waits hears of it when the task is thrown away.
pub fn a_discard_wakes_the_waiter() {
    let (fate, task, mut handle) = watched();
    let worker = loom::thread::spawn(move || drop(task));
    let bell = Bell::new();
    if handle.wait_with(bell.waiter()) {
        sleep_until(&handle, &bell);
    }
    assert!(matches!(handle.take(), Some(Outcome::Unstarted(Unstarted::Cancelled))));
    drop(handle);
    worker.join().expect("a panic ends the process");
    fate.assert_settled();
}

/// One thread waits, is given up by a timeout and waits again, as `join_timeout` in a loop does.
pub fn a_joiner_may_give_up_and_come_back() {
    let (fate, task, mut handle) = watched();
    let worker = loom::thread::spawn(move || run(task));
    handle.wait_with(Waiter::Thread(thread::current()));
    handle.stop_waiting();
    assert!(matches!(join(&mut handle), Outcome::Returned(_)));
    drop(handle);
    worker.join().expect("a panic ends the process");
    fate.assert_settled();
}
