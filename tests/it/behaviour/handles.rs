//! Handles: wait, poll, take the result, drop.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use longshore::{JoinError, JoinHandle};

use super::*;
use crate::support::{Census, Gate, wait_until};

#[test]
fn results_of_every_kind_arrive() {
    #[repr(align(64))]
    #[derive(Debug, PartialEq)]
    struct Wide([u8; 3]);

    let rig = Rig::new(2);
    rig.submit(|| ()).expect("open").join().expect("runs");
    assert_eq!(rig.submit(|| 7u8).expect("open").join().expect("runs"), 7);
    assert_eq!(rig.submit(|| "text".to_owned()).expect("open").join().expect("runs"), "text");
    assert_eq!(rig.submit(|| Wide([1, 2, 3])).expect("open").join().expect("runs"), Wide([1, 2, 3]));
    let numbers = rig.submit(|| (0..100_000u32).collect::<Vec<_>>()).expect("open");
    assert!(numbers.join().expect("runs").into_iter().eq(0..100_000));
    let boxed: JoinHandle<Box<dyn Fn(u8) -> u8 + Send>> =
        rig.submit(|| Box::new(|n: u8| n + 1) as _).expect("open");
    assert_eq!(boxed.join().expect("runs")(1), 2);
    let nested = rig.submit(|| Some(Err::<(), _>(5u64))).expect("open");
    assert_eq!(nested.join().expect("runs"), Some(Err(5)));
    rig.finish();
}

#[test]
fn large_results_arrive_whole() {
    let rig = Rig::new(2);
    let large = rig.submit(|| [0xA5u8; 40_000]).expect("open");
    let also_large = rig.submit(|| [7u64; 2_000]).expect("open");
    assert!(large.join().expect("runs").iter().all(|&byte| byte == 0xA5));
    assert!(also_large.join().expect("runs").iter().all(|&word| word == 7));
    let dropped = rig.submit(|| [1u8; 40_000]).expect("open");
    drop(dropped);
    rig.finish();
}

#[test]
fn is_finished_turns_true_once() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let handle = rig.submit(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    assert!(!handle.is_finished());
    gate.open();
    wait_until("the task has ended", || handle.is_finished());
    assert!(handle.is_finished());
    handle.join().expect("ran");
    rig.finish();
}

#[test]
fn try_join_takes_the_result_once() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let mut handle = rig
        .submit(move || {
            visitor.pass();
            "result".to_owned()
        })
        .expect("open");
    assert!(handle.try_join().is_none(), "not finished");
    gate.open();
    wait_until("the task has ended", || handle.is_finished());
    assert_eq!(handle.try_join().expect("there").expect("ran"), "result");
    assert!(handle.is_finished());
    assert!(matches!(handle.try_join(), Some(Err(JoinError::Taken))));
    assert!(matches!(handle.join_timeout(Duration::ZERO), Some(Err(JoinError::Taken))));
    assert!(matches!(handle.join_timeout(Duration::MAX), Some(Err(JoinError::Taken))));
    assert!(matches!(handle.join(), Err(JoinError::Taken)));
    rig.finish();
}

#[test]
fn join_timeout_waits_no_longer_and_can_be_repeated() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let mut handle = rig
        .submit(move || {
            visitor.pass();
            42
        })
        .expect("open");
    assert!(handle.join_timeout(Duration::ZERO).is_none());
    for millis in [0, 1, 5, 20] {
        assert!(handle.join_timeout(Duration::from_millis(millis)).is_none());
    }
    gate.open();
    assert_eq!(handle.join_timeout(Duration::MAX).expect("waits for ever").expect("ran"), 42);
    rig.finish();
}

#[test]
fn join_timeout_with_enough_time() {
    let rig = Rig::new(2);
    for n in 0..1_000u32 {
        let mut handle = rig.submit(move || n).expect("open");
        let result = handle.join_timeout(Duration::from_secs(90)).expect("in time");
        assert_eq!(result.expect("ran"), n);
    }
    rig.finish();
}

#[test]
fn join_timeout_zero_takes_what_is_there() {
    let rig = Rig::new(1);
    let mut handle = rig.submit(|| 1).expect("open");
    wait_until("the task has ended", || handle.is_finished());
    assert_eq!(handle.join_timeout(Duration::ZERO).expect("there").expect("ran"), 1);
    rig.finish();
}

#[test]
fn a_handle_moves_to_another_thread_in_the_middle_of_waiting() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let mut handle = rig
        .submit(move || {
            visitor.pass();
            5
        })
        .expect("open");
    // Stores this thread as the waiter, and removes it again.
    assert!(handle.join_timeout(Duration::from_millis(1)).is_none());
    let (moved, has_moved) = mpsc::channel();
    let joiner = thread::spawn(move || {
        assert!(handle.join_timeout(Duration::from_millis(1)).is_none());
        moved.send(()).expect("received");
        thread::spawn(move || handle.join().expect("ran")).join().expect("joins")
    });
    has_moved.recv().expect("sent");
    gate.open();
    assert_eq!(joiner.join().expect("joins"), 5);
    rig.finish();
}

#[test]
fn a_handle_dropped_before_during_and_after_the_run() {
    let rig = Rig::new(1);
    let census = Census::default();
    let task = |gate: Option<&Gate>| {
        let (visitor, captured, result) = (gate.map(Gate::visitor), census.citizen(), census.citizen());
        move || {
            captured.check();
            if let Some(visitor) = visitor {
                visitor.pass();
            }
            result
        }
    };
    let gate = Gate::new();
    let during = rig.submit(task(Some(&gate))).expect("open");
    gate.wait_for(1);
    let before = rig.submit(task(None)).expect("open");
    let after = rig.submit(task(None)).expect("open");
    drop(before);
    drop(during);
    gate.open();
    wait_until("the last task has ended", || after.is_finished());
    assert_eq!(census.alive(), 1, "only the result with a handle is left");
    drop(after);
    census.assert_all_gone();
    let stats = rig.finish();
    assert_eq!(stats.completed, 3, "dropping a handle cancels nothing");
}

#[test]
fn results_and_captures_are_dropped_once_however_they_are_taken() {
    let rig = Rig::new(2);
    let census = Census::default();
    for round in 0..600 {
        let (captured, result) = (census.citizen(), census.citizen());
        let mut handle = rig
            .submit(move || {
                drop(captured);
                result
            })
            .expect("open");
        match round % 4 {
            0 => handle.join().expect("ran").check(),
            1 => drop(handle),
            2 => {
                if let Some(result) = handle.try_join() {
                    result.expect("ran").check();
                }
            }
            _ => {
                handle.cancel();
                let _ = handle.join();
            }
        }
    }
    rig.finish();
    census.assert_all_gone();
}

/// A handle outlives its pool.
#[test]
fn a_handle_can_be_joined_after_the_pool_has_ended() {
    let pool = Pool::builder().workers(2).build().expect("starts");
    let handles: Vec<_> = (0..100u32).map(|n| pool.submit(move || n).expect("open")).collect();
    drop(pool);
    for (n, handle) in (0..).zip(handles) {
        assert!(handle.is_finished(), "the pool has drained");
        assert_eq!(handle.join().expect("ran"), n);
    }
}

#[test]
fn handles_move_through_tasks() {
    let rig = Rig::new(2);
    let mut sum = 0;
    for n in 0..100u64 {
        let first = rig.submit(move || n).expect("open");
        let second = rig.submit(move || first.join().expect("ran") + 1).expect("open");
        sum += second.join().expect("ran");
    }
    assert_eq!(sum, 5_050);
    // A handle may be a result as well.
    let handle = rig.submit(|| longshore::submit(|| 9).expect("inside")).expect("open");
    assert_eq!(handle.join().expect("ran").join().expect("ran"), 9);
    rig.finish();
}

#[test]
fn many_threads_join_at_once() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let handles: Vec<_> = (0..16u32).map(|n| rig.submit(move || n).expect("open")).collect();
    let (started, has_started) = mpsc::channel();
    thread::scope(|scope| {
        for (n, handle) in (0..).zip(handles) {
            let started = started.clone();
            scope.spawn(move || {
                started.send(()).expect("received");
                assert_eq!(handle.join().expect("ran"), n);
            });
        }
        assert_eq!(has_started.iter().take(16).count(), 16);
        gate.open();
    });
    rig.finish();
}

#[test]
fn handles_are_send_sync_unpin_and_printable() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>(_: &T) {}
    let rig = Rig::new(1);
    let handle = rig.submit(|| std::cell::Cell::new(1)).expect("open");
    check(&handle);
    wait_until("the task has ended", || handle.is_finished());
    assert!(format!("{handle:?}").contains("true"));
    assert_eq!(handle.join().expect("ran").get(), 1);
    check(rig.pool());
    rig.finish();
}
