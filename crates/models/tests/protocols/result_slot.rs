//! M8: the result slot. The closure is called or dropped, once; the outcome is taken or dropped, once; the
//! memory is freed once and not accessed afterwards, whichever side leaves first (the façade's `Tomb` checks
//! that).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread::JoinHandle;

use super::common::end;
use crate::code::erased::{Discarded, Finished, Task};
use crate::code::facade::thread;
use crate::code::result_slot::{self, CancelCount, Outcome, SlotHandle};
use crate::code::waiter::Waiter;
use crate::code::work::Unstarted;

/// What happened to one closure and its result. loom does not see these counts: they are assertions, not
/// protocol.
#[derive(Default)]
pub struct Observed {
    runs: AtomicUsize,
    closure_drops: AtomicUsize,
    result_drops: AtomicUsize,
}

/// Counts its drop.
pub struct Tick(Arc<Observed>, fn(&Observed) -> &AtomicUsize);

impl Drop for Tick {
    fn drop(&mut self) {
        (self.1)(&self.0).fetch_add(1, Ordering::Relaxed);
    }
}

impl Observed {
    pub fn ran(&self) -> bool {
        let runs = self.runs.load(Ordering::Relaxed);
        assert!(runs <= 1, "a closure runs once");
        runs == 1
    }

    /// At the end: closure and result were dropped, once each.
    pub fn assert_dropped(&self) {
        assert_eq!(self.closure_drops.load(Ordering::Relaxed), 1, "drops of the closure");
        assert_eq!(self.result_drops.load(Ordering::Relaxed), usize::from(self.ran()), "drops of the result");
    }
}

/// A slot whose closure and result are observed.
pub fn observed() -> (Arc<Observed>, Task, SlotHandle<Tick>) {
    let observed = Arc::new(Observed::default());
    let closure = Tick(observed.clone(), |observed| &observed.closure_drops);
    let (task, handle) = result_slot::new(move || {
        let closure = closure;
        closure.0.runs.fetch_add(1, Ordering::Relaxed);
        Tick(closure.0.clone(), |observed| &observed.result_drops)
    });
    // SAFETY: closure and result borrow nothing.
    (observed, unsafe { task.into_task() }, handle)
}

/// A worker that runs the task.
pub fn run(task: Task) -> JoinHandle<()> {
    loom::thread::spawn(move || {
        let Finished::Done = task.run(&Default::default()) else {
            panic!("nothing here panics");
        };
    })
}

/// A worker that discards the task.
pub fn discard(task: Task) -> JoinHandle<()> {
    loom::thread::spawn(move || drop(task))
}

/// Waits for the outcome as a thread outside of the pool does.
pub fn join(handle: &mut SlotHandle<Tick>) -> Outcome<Tick> {
    if handle.wait_with(Waiter::Thread(thread::current())) {
        while !handle.is_complete() {
            thread::park();
        }
    }
    handle.stop_waiting();
    handle.take().expect("complete, and not taken before")
}

/// Joins; whether the task has run. A task that has not run was cancelled.
fn join_has_run(handle: &mut SlotHandle<Tick>) -> bool {
    match join(handle) {
        Outcome::Returned(_) => true,
        Outcome::Unstarted(Unstarted::Cancelled) => false,
        Outcome::Unstarted(_) | Outcome::Panicked(_) => panic!("nothing here panics or expires"),
    }
}

pub fn an_outcome_reaches_the_thread_that_joins() {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    let outcome = join(&mut handle);
    assert!(matches!(outcome, Outcome::Returned(_)) && observed.ran());
    drop((outcome, handle));
    end(worker);
    observed.assert_dropped();
}

/// The handle looks without waiting, and leaves when it has taken the outcome or found none.
pub fn an_outcome_is_taken_or_dropped_by_one_side() {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    let outcome = handle.take();
    assert!(outcome.is_none() || handle.take().is_none(), "it is taken once");
    drop((outcome, handle));
    end(worker);
    assert!(observed.ran(), "a task without a handle runs, too");
    observed.assert_dropped();
}

pub fn a_cancelled_task_never_runs() {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    let cancelled = handle.cancel(Unstarted::Cancelled, CancelCount::ByTask);
    assert_eq!(join_has_run(&mut handle), !cancelled);
    assert_eq!(observed.ran(), !cancelled);
    drop(handle);
    end(worker);
    assert_eq!(observed.ran(), !cancelled, "also afterwards");
    observed.assert_dropped();
}

/// The handle cancels and leaves at once: either side may be the last.
pub fn a_cancelled_slot_is_freed_by_the_last() {
    let (observed, task, handle) = observed();
    let worker = run(task);
    let cancelled = handle.cancel(Unstarted::Cancelled, CancelCount::ByTask);
    drop(handle);
    end(worker);
    assert_eq!(observed.ran(), !cancelled);
    observed.assert_dropped();
}

/// Two threads cancel through the same handle while a worker starts the task.
pub fn two_cancels_and_a_start_agree() {
    let (observed, task, handle) = observed();
    let handle = loom::sync::Arc::new(handle);
    let other = handle.clone();
    let worker = run(task);
    let canceller = loom::thread::spawn(move || other.cancel(Unstarted::Cancelled, CancelCount::ByTask));
    let here = handle.cancel(Unstarted::Cancelled, CancelCount::ByTask);
    let there = end(canceller);
    assert_eq!(here, there, "both get the same answer");
    drop(handle);
    end(worker);
    assert_eq!(observed.ran(), !here);
    observed.assert_dropped();
}

/// The pool discards the task while a thread waits for it.
pub fn a_discarded_task_reaches_its_handle_as_cancelled() {
    let (observed, task, mut handle) = observed();
    let worker = discard(task);
    assert!(!join_has_run(&mut handle));
    drop(handle);
    end(worker);
    assert!(!observed.ran());
    observed.assert_dropped();
}

/// A discard against a cancel and the drop of the handle.
pub fn a_discard_and_a_cancel_drop_the_closure_once() {
    let (observed, task, handle) = observed();
    let worker = discard(task);
    assert!(handle.cancel(Unstarted::Cancelled, CancelCount::ByTask));
    drop(handle);
    end(worker);
    assert!(!observed.ran());
    observed.assert_dropped();
}

/// The payload of a panic goes to the handle, or to the worker if the handle has left.
pub fn a_payload_has_one_receiver() {
    let (task, mut handle) = result_slot::new(|| -> u32 { std::panic::resume_unwind(Box::new(5u8)) });
    // SAFETY: closure and result borrow nothing.
    let task = unsafe { task.into_task() };
    let worker =
        loom::thread::spawn(move || matches!(task.run(&Default::default()), Finished::UnobservedPanic(_)));
    let seen = matches!(handle.take(), Some(Outcome::Panicked(_)));
    let was_complete = handle.is_complete();
    drop(handle);
    let unobserved = end(worker);
    assert!(!(seen && unobserved), "one receiver at most");
    assert!(!unobserved || !was_complete, "an outcome that the handle has found belongs to it");
}

/// The handle runs the task itself, unless a worker has started it, and then calls `leave`.
fn run_here_and(leave: fn(SlotHandle<Tick>)) {
    let (observed, task, mut handle) = observed();
    let worker = run(task);
    let here = handle.run_here(&Default::default());
    assert!(!here || handle.is_complete());
    leave(handle);
    end(worker);
    observed.assert_dropped();
}

pub fn a_task_run_ahead_of_its_turn_runs_once() {
    run_here_and(|mut handle| {
        assert!(matches!(join(&mut handle), Outcome::Returned(_)));
    });
}

/// The handle leaves without the outcome: either side may be the last.
pub fn a_task_run_ahead_of_its_turn_is_freed_by_the_last() {
    run_here_and(drop);
}

/// The pool discards the queue entry of a task that may have run ahead of its turn.
pub fn a_discard_tells_whether_the_task_has_run() {
    let (observed, task, mut handle) = observed();
    let worker = loom::thread::spawn(move || task.discard(Unstarted::Cancelled).ok());
    let here = handle.run_here(&Default::default());
    assert_eq!(join_has_run(&mut handle), here);
    drop(handle);
    let expected = if here { Discarded::RunBefore } else { Discarded::Unstarted };
    assert_eq!(end(worker), Some(expected));
    observed.assert_dropped();
}
