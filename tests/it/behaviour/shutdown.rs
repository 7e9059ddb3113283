//! `shutdown`, `shutdown_timeout` and drop: all accepted tasks are run, all callers wait, and no call hangs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{ShutdownError, SubmitErrorKind};

use super::*;
use crate::support::{Gate, Hits, wait_until};

/// A chain of tasks, each of which submits the next one.
fn chain(hits: Hits, n: usize, length: usize) {
    hits.hit(n);
    if n + 1 < length {
        longshore::execute(move || chain(hits, n + 1, length)).expect("a draining pool accepts from tasks");
    }
}

#[test]
fn it_drains_accepted_tasks_and_the_tasks_that_these_submit() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let chains: Vec<_> = (0..4).map(|_| Hits::new(1_000)).collect();
        for hits in &chains {
            let hits = hits.clone();
            rig.execute(move || chain(hits, 0, 1_000)).expect("open");
        }
        // The pool is closed before the first of the tasks starts.
        assert_eq!(rig.shutdown_timeout(Duration::ZERO), Err(ShutdownError::TimedOut));
        gate.open();
        let stats = rig.finish();
        chains.iter().for_each(Hits::assert_once_each);
        assert_eq!(stats.completed, 4_000 + workers as u64);
    }
}

#[test]
fn dropping_drains_as_well() {
    for workers in [1, 2, 8] {
        let pool = Pool::builder().workers(workers).build().expect("starts");
        let (hits, many) = (Hits::new(1_000), Hits::new(1_000));
        let inner = hits.clone();
        pool.execute(move || chain(inner, 0, 1_000)).expect("open");
        pool.execute_batch((0..1_000).map(|task| many.task(task))).expect("open");
        drop(pool);
        hits.assert_once_each();
        many.assert_once_each();
    }
}

#[test]
fn an_idle_pool_a_new_pool_and_a_used_pool_end() {
    for workers in [1, 2, 8, 64] {
        drop(Pool::builder().workers(workers).build().expect("starts"));
        let pool = Pool::builder().workers(workers).build().expect("starts");
        pool.shutdown().expect("shuts down");
        let pool = Pool::builder().workers(workers).build().expect("starts");
        pool.submit(|| ()).expect("open").join().expect("runs");
        pool.shutdown().expect("shuts down");
    }
}

#[test]
fn repeated_calls_are_harmless() {
    let rig = Rig::new(2);
    rig.execute(|| ()).expect("open");
    for _ in 0..3 {
        rig.shutdown().expect("shuts down");
        rig.shutdown_timeout(Duration::ZERO).expect("has ended");
        rig.shutdown_timeout(Duration::MAX).expect("has ended");
        assert_eq!(rig.shutdown_now(), Ok(0));
    }
    rig.finish();
}

#[test]
fn all_concurrent_callers_wait() {
    for round in 0..20 {
        let rig = Rig::new(2);
        let gate = Gate::new();
        let finished = Arc::new(AtomicBool::new(false));
        let (visitor, sets) = (gate.visitor(), finished.clone());
        rig.execute(move || {
            visitor.pass();
            // Tasks that the draining pool accepts only now are drained as well.
            longshore::execute(move || sets.store(true, Ordering::Release)).expect("inside");
        })
        .expect("open");
        gate.wait_for(1);
        let called = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for caller in 0..8 {
                let (pool, called, finished) = (rig.pool().clone(), called.clone(), finished.clone());
                scope.spawn(move || {
                    called.fetch_add(1, Ordering::Relaxed);
                    match (caller + round) % 2 {
                        0 => pool.shutdown().expect("shuts down"),
                        _ => pool.shutdown_timeout(Duration::MAX).expect("shuts down"),
                    }
                    assert!(finished.load(Ordering::Acquire), "a call returned before the tasks had ended");
                });
            }
            wait_until("all are about to call", || called.load(Ordering::Relaxed) == 8);
            gate.open();
        });
        rig.finish();
    }
}

#[test]
fn from_a_task_it_is_an_error_and_changes_nothing() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let pool = rig.pool().clone();
        let answers = rig.submit(move || {
            let now = pool.shutdown_now().map(|_| ());
            [
                pool.shutdown(),
                pool.shutdown_timeout(Duration::MAX),
                pool.shutdown_timeout(Duration::ZERO),
                now,
            ]
        });
        let answers = answers.expect("open").join().expect("runs");
        assert_eq!(answers, [Err(ShutdownError::FromWorker); 4]);
        assert!(!ShutdownError::FromWorker.to_string().is_empty());
        rig.submit(|| ()).expect("the pool still works").join().expect("runs");
        rig.finish();
    }
}

#[test]
fn a_task_of_another_pool_may_shut_it_down() {
    let (one, other) = (Rig::new(1), Rig::new(1));
    let hits = Hits::new(100);
    other.execute_batch((0..100).map(|task| hits.task(task))).expect("open");
    let pool = other.pool().clone();
    let answer = one.submit(move || pool.shutdown()).expect("open").join().expect("runs");
    assert_eq!(answer, Ok(()));
    hits.assert_once_each();
    one.finish();
    other.finish();
}

#[test]
fn a_timeout_passes_then_it_succeeds() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let hits = Hits::new(100);
    rig.execute_batch((0..100).map(|task| hits.task(task))).expect("open");
    assert_eq!(rig.shutdown_timeout(Duration::ZERO), Err(ShutdownError::TimedOut));
    assert_eq!(rig.shutdown_timeout(Duration::from_millis(5)), Err(ShutdownError::TimedOut));
    let refused = rig.execute(|| ()).expect_err("closed by the first call");
    assert_eq!(refused.kind, SubmitErrorKind::Closed);
    gate.open();
    rig.shutdown_timeout(Duration::MAX).expect("waits for ever");
    hits.assert_once_each();
    rig.finish();
}

#[test]
fn afterwards_closures_are_returned_and_not_run() {
    let rig = Rig::new(2);
    rig.shutdown().expect("shuts down");
    let (sender, receiver) = mpsc::channel();
    let executed = sender.clone();
    let refused = rig.execute(move || executed.send(1).expect("received")).expect_err("closed");
    assert_eq!(refused.kind, SubmitErrorKind::Closed);
    assert!(refused.to_string().contains("shut down"), "{refused}");
    let submitted = rig
        .submit(move || {
            sender.send(2).expect("received");
            "result"
        })
        .expect_err("closed");
    assert!(receiver.try_recv().is_err(), "no closure has run");
    refused.into_inner()();
    assert_eq!((submitted.into_inner())(), "result");
    assert!(receiver.iter().eq([1, 2]), "each once");
    assert_eq!(rig.finish().submitted, 0);
}

#[test]
fn a_handle_of_a_drained_task_waits_to_the_end() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let handle = rig.submit(|| 11).expect("open");
    rig.shutdown_timeout(Duration::ZERO).expect_err("a worker is held");
    let joiner = thread::spawn(move || handle.join().expect("it was accepted"));
    gate.open();
    assert_eq!(joiner.join().expect("joins"), 11);
    rig.finish();
}

/// Joins inside tasks of a draining pool whose workers wait in the middle of a task.
#[test]
fn tasks_that_wait_are_no_obstacle() {
    for workers in [1, 2, 8] {
        for _ in 0..50 {
            let rig = Rig::new(workers);
            let hits = Hits::new(20);
            let inner = hits.clone();
            rig.execute(move || {
                let handles: Vec<_> =
                    (0..20).map(|task| longshore::submit(inner.task(task)).expect("inside")).collect();
                handles.into_iter().for_each(|handle| handle.join().expect("runs"));
            })
            .expect("open");
            rig.finish();
            hits.assert_once_each();
        }
    }
}

/// A task that waits for an event outside of the pool keeps the pool alive, and tasks that it submits then
/// still run.
#[test]
fn a_late_task_of_a_draining_pool_runs() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        let hits = Hits::new(1_000);
        let (visitor, inner, pool) = (gate.visitor(), hits.clone(), rig.pool().clone());
        rig.execute(move || {
            visitor.pass();
            for task in 0..500 {
                pool.execute(inner.task(task)).expect("from a task");
            }
            pool.execute_batch((500..1_000).map(|task| inner.task(task))).expect("from a task");
        })
        .expect("open");
        gate.wait_for(1);
        assert_eq!(rig.shutdown_timeout(Duration::ZERO), Err(ShutdownError::TimedOut));
        gate.open();
        rig.finish();
        hits.assert_once_each();
    }
}

#[test]
fn a_thousand_short_lives() {
    for round in 0..1_000u64 {
        let pool = Pool::builder().workers(1 + round as usize % 3).build().expect("starts");
        let handle = pool.submit(move || round).expect("open");
        match round % 3 {
            0 => pool.shutdown().expect("shuts down"),
            1 => drop(pool),
            _ => _ = pool.shutdown_now().expect("shuts down"),
        }
        match handle.join() {
            Ok(result) => assert_eq!(result, round),
            Err(error) => assert!(error.is_cancelled() && round % 3 == 2),
        }
    }
}
