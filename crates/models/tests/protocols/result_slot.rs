//! M8: the slot. The closure is called or dropped, once; the outcome is taken or dropped, once; the memory is freed
//! once and not touched afterwards, whoever goes first (the façade's `Tomb` watches over that).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::code::erased::{Discarded, Finished, Task};
use crate::code::facade::thread;
use crate::code::result_slot::{self, Outcome, SlotHandle};
use crate::code::waiter::Waiter;
use crate::code::work::Unstarted;

/// What became of one closure and its result. Counted outside of loom's sight: these are assertions, not protocol.
#[derive(Default)]
pub struct ThreadEnd {
    ran: AtomicUsize,
    closures: AtomicUsize,
    results: AtomicUsize,
}

/// Counts its drop.
pub struct Tick(Arc<ThreadEnd>, fn(&ThreadEnd) -> &AtomicUsize);

impl Drop for Tick {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_add(1, Ordering::Relaxed);
    }
}

impl ThreadEnd {
    fn get(count: &AtomicUsize) -> usize {
        count.load(Ordering::Relaxed)
    }

    pub fn ran(&self) -> bool {
        assert!(Self::get(&self.ran) <= 1, "a closure runs once");
        Self::get(&self.ran) == 1
    }

    /// At the end: closure and result have been dropped, once each.
    pub fn assert_settled(&self) {
        assert_eq!(Self::get(&self.closures), 1, "drops of the closure");
        assert_eq!(Self::get(&self.results), usize::from(self.ran()), "drops of the result");
    }
}

/// A slot whose closure and result are watched.
pub fn watched() -> (Arc<ThreadEnd>, Task, SlotHandle<Tick>) {
    let fate = Arc::new(ThreadEnd::default());
    let of_closure = Tick(fate.clone(), |fate| &fate.closures);
    let (task, handle) = result_slot::new(move || {
        let of_closure = of_closure;
        of_closure.0.ran.fetch_add(1, Ordering::Relaxed);
        Tick(of_closure.0.clone(), |fate| &fate.results)
    });
    // SAFETY: nothing is borrowed.
    (fate, unsafe { task.into_task() }, handle)
}

pub fn run(task: Task) {
    let Finished::Done = task.run(&Default::default()) else {
        panic!("nothing here panics");
    };
}

/// As `wait_outside` in `submit/handle.rs`.
pub fn join(handle: &mut SlotHandle<Tick>) -> Outcome<Tick> {
    if handle.wait_with(Waiter::Thread(thread::current())) {
        while !handle.is_complete() {
            thread::park();
        }
    }
    handle.stop_waiting();
    handle.take().expect("complete, and not taken before")
}

fn in_thread<T: 'static>(f: impl FnOnce() -> T + 'static) -> loom::thread::JoinHandle<T> {
    loom::thread::spawn(f)
}

fn end<T>(thread: loom::thread::JoinHandle<T>) -> T {
    thread.join().expect("a panic ends the process")
}

pub fn an_outcome_reaches_the_thread_that_joins() {
    let (fate, task, mut handle) = watched();
    let worker = in_thread(move || run(task));
    let outcome = join(&mut handle);
    assert!(matches!(outcome, Outcome::Returned(_)) && fate.ran());
    drop((outcome, handle));
    end(worker);
    fate.assert_settled();
}

/// A joiner that looks without waiting, and goes when it has found the outcome or lost patience.
pub fn an_outcome_is_taken_or_dropped_by_one_side() {
    let (fate, task, mut handle) = watched();
    let worker = in_thread(move || run(task));
    let outcome = handle.take();
    assert!(outcome.is_none() || handle.take().is_none(), "it is taken once");
    drop((outcome, handle));
    end(worker);
    assert!(fate.ran(), "a task whose handle is gone runs all the same");
    fate.assert_settled();
}

pub fn a_cancelled_task_never_runs() {
    let (fate, task, mut handle) = watched();
    let worker = in_thread(move || run(task));
    let cancelled = handle.cancel(Unstarted::Cancelled);
    match join(&mut handle) {
        Outcome::Unstarted(Unstarted::Cancelled) => assert!(cancelled),
        Outcome::Returned(_) => assert!(!cancelled),
        Outcome::Unstarted(_) | Outcome::Panicked(_) => panic!("nothing here panics or expires"),
    }
    assert_eq!(fate.ran(), !cancelled);
    drop(handle);
    end(worker);
    assert_eq!(fate.ran(), !cancelled, "also afterwards");
    fate.assert_settled();
}

/// The handle cancels and goes at once: either side may be the last.
pub fn a_cancelled_slot_is_freed_by_the_last() {
    let (fate, task, handle) = watched();
    let worker = in_thread(move || run(task));
    let cancelled = handle.cancel(Unstarted::Cancelled);
    drop(handle);
    end(worker);
    assert_eq!(fate.ran(), !cancelled);
    fate.assert_settled();
}

/// Two threads cancel through the same handle while a worker begins.
pub fn two_cancels_and_a_start_agree() {
    let (fate, task, handle) = watched();
    let handle = loom::sync::Arc::new(handle);
    let other = handle.clone();
    let worker = in_thread(move || run(task));
    let canceller = in_thread(move || other.cancel(Unstarted::Cancelled));
    let here = handle.cancel(Unstarted::Cancelled);
    let there = end(canceller);
    assert_eq!(here, there, "both hear the same");
    drop(handle);
    end(worker);
    assert_eq!(fate.ran(), !here);
    fate.assert_settled();
}

/// The pool throws the task away while somebody waits for it.
pub fn a_discarded_task_reaches_its_handle_as_cancelled() {
    let (fate, task, mut handle) = watched();
    let worker = in_thread(move || drop(task));
    assert!(matches!(join(&mut handle), Outcome::Unstarted(Unstarted::Cancelled)));
    drop(handle);
    end(worker);
    assert!(!fate.ran());
    fate.assert_settled();
}

/// A discard against a cancel and the drop of the handle.
pub fn a_discard_and_a_cancel_drop_the_closure_once() {
    let (fate, task, handle) = watched();
    let worker = in_thread(move || drop(task));
    assert!(handle.cancel(Unstarted::Cancelled));
    drop(handle);
    end(worker);
    assert!(!fate.ran());
    fate.assert_settled();
}

/// A panic's payload goes to the handle, or to the worker if the handle has gone.
pub fn a_payload_has_one_receiver() {
    let (task, mut handle) = result_slot::new(|| -> u32 { std::panic::resume_unwind(Box::new(5u8)) });
    // SAFETY: nothing is borrowed.
    let task = unsafe { task.into_task() };
    let worker = in_thread(move || matches!(task.run(&Default::default()), Finished::UnobservedPanic(_)));
    let seen = matches!(handle.take(), Some(Outcome::Panicked(_)));
    let was_complete = handle.is_complete();
    drop(handle);
    let orphaned = end(worker);
    assert!(!(seen && orphaned), "one receiver at most");
    assert!(!orphaned || !was_complete, "what the handle found belongs to it");
}

/// The waiting side runs the task itself, unless a worker has begun it. `leave` is what it does with the handle then.
fn run_here_and(leave: fn(SlotHandle<Tick>)) {
    let (fate, task, mut handle) = watched();
    let worker = in_thread(move || run(task));
    let here = handle.run_here(&Default::default());
    assert!(!here || handle.is_complete());
    leave(handle);
    end(worker);
    fate.assert_settled();
}

pub fn a_task_run_ahead_of_its_turn_runs_once() {
    run_here_and(|mut handle| {
        assert!(matches!(join(&mut handle), Outcome::Returned(_)));
    });
}

/// As before, and the handle goes without the outcome: either side may be the last.
pub fn a_task_run_ahead_of_its_turn_is_freed_by_the_last() {
    run_here_and(drop);
}

/// The pool throws away the place in the queue of a task that may have been run ahead of its turn.
pub fn a_discard_tells_whether_the_task_has_run() {
    let (fate, task, mut handle) = watched();
    let worker = in_thread(move || task.discard(Unstarted::Cancelled).ok());
    let here = handle.run_here(&Default::default());
    match join(&mut handle) {
        Outcome::Returned(_) => assert!(here),
        Outcome::Unstarted(Unstarted::Cancelled) => assert!(!here),
        Outcome::Unstarted(_) | Outcome::Panicked(_) => panic!("nothing here panics or expires"),
    }
    drop(handle);
    let expected = if here { Discarded::RunBefore } else { Discarded::Unstarted };
    assert_eq!(end(worker), Some(expected));
    fate.assert_settled();
}
