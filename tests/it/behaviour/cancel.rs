//! Cancelling: a task that has not started never starts; any other task goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use longshore::JoinError;

use super::*;
use crate::support::{Census, Gate, wait_until};

#[test]
fn before_it_starts() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let census = Census::default();
    let captured = census.citizen();
    let handle = rig.submit(move || captured.check()).expect("open");
    assert_eq!(census.alive(), 1);
    assert!(handle.cancel());
    assert_eq!(census.alive(), 0, "`cancel` drops the closure");
    assert!(handle.is_finished());
    assert!(handle.cancel(), "a second call is harmless");
    assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    assert_eq!(rig.stats().waiting, 0, "a cancelled task waits no longer");
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.cancelled, stats.completed), (1, 1));
    census.assert_all_gone();
}

#[test]
fn while_it_runs() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let handle = rig
        .submit(move || {
            visitor.pass();
            3
        })
        .expect("open");
    gate.wait_for(1);
    assert!(!handle.cancel(), "too late");
    assert!(!handle.is_finished());
    gate.open();
    assert_eq!(handle.join().expect("ran"), 3);
    assert_eq!(rig.finish().cancelled, 0);
}

#[test]
fn after_it_has_run() {
    let rig = Rig::new(1);
    let handle = rig.submit(|| 4).expect("open");
    wait_until("the task has ended", || handle.is_finished());
    assert!(!handle.cancel());
    assert_eq!(handle.join().expect("ran"), 4);
    let panicked = rig.submit(|| crate::support::quiet_panic("x")).expect("open");
    wait_until("the task has ended", || panicked.is_finished());
    assert!(!panicked.cancel());
    assert!(panicked.join().is_err_and(|error: JoinError| error.is_panic()));
    assert_eq!(rig.finish().cancelled, 0);
}

#[test]
fn from_the_task_itself() {
    let rig = Rig::new(1);
    let (sender, receiver) = mpsc::channel::<longshore::JoinHandle<()>>();
    let (answer, answered) = mpsc::channel();
    let handle = rig
        .submit(move || {
            let mut own = receiver.recv().expect("sent");
            answer.send((own.cancel(), own.is_finished())).expect("received");
            assert!(own.try_join().is_none());
            assert!(own.join_timeout(Duration::from_millis(2)).is_none());
            drop(own);
        })
        .expect("open");
    sender.send(handle).expect("received");
    assert_eq!(answered.recv().expect("sent"), (false, false));
    let stats = rig.finish();
    assert_eq!((stats.completed, stats.cancelled), (1, 0));
}

#[test]
fn a_detached_cancelled_task_leaves_nothing() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let census = Census::default();
    for _ in 0..100 {
        let captured = census.citizen();
        let handle = rig.submit(move || captured).expect("open");
        assert!(handle.cancel());
        drop(handle);
    }
    census.assert_all_gone();
    gate.open();
    assert_eq!(rig.finish().cancelled, 100);
}

#[test]
fn the_try_and_timeout_forms_report_it_too() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let mut first = rig.submit(|| ()).expect("open");
    let mut second = rig.submit(|| ()).expect("open");
    assert!(first.cancel() && second.cancel());
    assert!(matches!(first.try_join(), Some(Err(JoinError::Cancelled))));
    assert!(matches!(first.try_join(), Some(Err(JoinError::Taken))));
    assert!(first.cancel(), "it still never ran");
    let waited = second.join_timeout(Duration::MAX);
    assert!(matches!(waited, Some(Err(JoinError::Cancelled))));
    assert!(JoinError::Cancelled.is_cancelled() && !JoinError::Cancelled.is_panic());
    gate.open();
    rig.finish();
}

/// A cancel from another thread ends a wait. The wait is that of a future, because it does not own the
/// handle.
#[test]
fn a_cancel_wakes_the_waiter() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let mut handle = rig.submit(|| ()).expect("open");
    let (waits, is_waiting) = mpsc::channel();
    let waiter = thread::spawn(move || {
        let mut polls = 0;
        pollster::block_on(std::future::poll_fn(|cx| {
            let poll = std::pin::Pin::new(&mut handle).poll(cx);
            polls += 1;
            if polls == 1 {
                assert!(poll.is_pending());
                // The waker is stored; from now on any thread may cancel, this one as well.
                waits.send(()).expect("received");
                assert!(handle.cancel());
            }
            match poll {
                Poll::Pending => Poll::Pending,
                Poll::Ready(result) => Poll::Ready(result),
            }
        }))
    });
    is_waiting.recv().expect("sent");
    assert!(matches!(waiter.join().expect("ends"), Err(JoinError::Cancelled)));
    gate.open();
    rig.finish();
}

/// Handles cancelled at about the moment at which their tasks start: each task ran or never will, and
/// `cancel` tells which.
#[test]
fn cancel_and_start_race() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let census = Census::default();
        let (mut cancelled, mut completed) = (0, 0);
        for _ in 0..3_000 {
            let ran = Arc::new(AtomicBool::new(false));
            let (sets, captured) = (ran.clone(), census.citizen());
            let handle = rig
                .submit(move || {
                    sets.store(true, Ordering::Relaxed);
                    captured
                })
                .expect("open");
            let never = handle.cancel();
            match handle.join() {
                Ok(captured) => {
                    captured.check();
                    assert!(!never && ran.load(Ordering::Relaxed));
                    completed += 1;
                }
                Err(error) => {
                    assert!(error.is_cancelled() && never && !ran.load(Ordering::Relaxed));
                    cancelled += 1;
                }
            }
        }
        let stats = rig.finish();
        assert_eq!((stats.completed, stats.cancelled), (completed, cancelled));
        census.assert_all_gone();
    }
}

#[test]
fn cancel_everything_then_shut_down() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let handles = rig.submit_batch((0..5_000).map(|n| move || n)).expect("open");
    assert!(handles.iter().all(longshore::JoinHandle::cancel));
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.completed, stats.cancelled), (2, 5_000));
}
