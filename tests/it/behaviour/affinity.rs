//! Tasks sent to one worker, by its number or by a key: what both kinds of pools promise. That such a task
//! really reaches its worker is tested for push pools, in `stealing.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{JoinError, OnFull, SubmitErrorKind};

use super::*;
use crate::support::{Gate, PATIENCE, assert_quiescent, quiet_panic, wait_until};

#[test]
fn every_task_runs_wherever_it_is_sent() {
    for workers in [1, 2, 5] {
        let rig = Rig::new(workers);
        let ran = Arc::new(AtomicUsize::new(0));
        for n in 0..2_000 {
            let counted = ran.clone();
            let task = move || _ = counted.fetch_add(1, Ordering::Relaxed);
            match n % 3 {
                0 => rig.task().worker(n % workers).execute(task).expect("open"),
                1 => rig.task().key(("picture", n % 17)).execute(task).expect("open"),
                _ => rig.execute(task).expect("open"),
            }
        }
        let stats = rig.finish();
        assert_eq!((stats.submitted, stats.completed, ran.load(Ordering::Relaxed)), (2_000, 2_000, 2_000));
    }
}

#[test]
fn an_unknown_worker_is_named_and_the_closure_is_returned() {
    let rig = Rig::new(2);
    for worker in [2, 3, 4_096, usize::MAX] {
        let refused = rig.task().worker(worker).submit(move || worker).expect_err("no such worker");
        assert_eq!(refused.kind, SubmitErrorKind::NoSuchWorker { worker });
        assert!(refused.to_string().contains(&worker.to_string()), "{refused}");
        assert_eq!(refused.into_inner()(), worker);
    }
    assert_eq!(rig.finish().submitted, 0);
}

/// The tasks of a blocked worker do not wait behind it.
#[test]
fn peers_run_the_tasks_sent_to_a_blocked_worker() {
    let rig = Rig::new(2);
    for _ in 0..20 {
        let gate = Gate::new();
        gate.hold(&rig, 1);
        // One of the two workers is held; the test does not know which.
        let handles: Vec<_> =
            (0..10).map(|n| rig.task().worker(n % 2).submit(move || n).expect("open")).collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().expect("ran"), n);
        }
    }
    rig.finish();
}

#[test]
fn tasks_send_tasks_and_wait_for_them() {
    for workers in [1, 3] {
        let rig = Rig::new(workers);
        let handles: Vec<_> = (0..60)
            .map(|n| {
                let pool = Arc::downgrade(rig.pool());
                let task = move || {
                    let pool = pool.upgrade().expect("the test holds it");
                    let inner = pool.task().worker((n + 1) % workers).submit(move || n).expect("open");
                    let other = pool.task().key(n).submit(move || n).expect("open");
                    inner.join().expect("ran") + other.join().expect("ran")
                };
                rig.task().worker(n % workers).submit(task).expect("open")
            })
            .collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().expect("ran"), 2 * n);
        }
        rig.finish();
    }
}

#[test]
fn cancel_panic_and_purge_work_for_sent_tasks() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let cancelled = rig.task().worker(0).submit(|| ()).expect("open");
    assert!(cancelled.cancel());
    assert_eq!(rig.task().worker(1).execute(|| ()).map_err(|error| error.kind), Ok(()));
    let discarded = rig.task().key("data").submit(|| ()).expect("open");
    assert_eq!(rig.stats().waiting, 2, "the cancelled task waits no longer");
    assert_eq!(rig.purge(), 2);
    assert!(matches!(discarded.join(), Err(JoinError::Cancelled)));
    let panics = rig.task().worker(0).submit(|| quiet_panic("sent")).expect("open");
    gate.open();
    assert!(panics.join().map(|(): ()| ()).is_err());
    let stats = rig.finish();
    assert_eq!((stats.cancelled, stats.panicked), (3, 1));
}

#[test]
fn a_closing_pool_runs_sent_tasks_and_the_tasks_that_they_send() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let ran = Arc::new(AtomicUsize::new(0));
    for worker in [0, 1, 0, 1] {
        let (pool, ran) = (rig.pool().clone(), ran.clone());
        let outer = move || {
            ran.fetch_add(1, Ordering::Relaxed);
            let inner = ran.clone();
            let task = move || _ = inner.fetch_add(1, Ordering::Relaxed);
            pool.task().worker(1 - worker).execute(task).expect("a task may still submit");
        };
        rig.task().worker(worker).execute(outer).expect("open");
    }
    let pool = rig.pool().clone();
    let closing = std::thread::spawn(move || pool.shutdown());
    wait_until("the pool is closed", || rig.task().worker(0).execute(|| ()).is_err());
    let refused = rig.task().worker(0).execute(|| ()).expect_err("closed");
    assert_eq!(refused.kind, SubmitErrorKind::Closed);
    assert_eq!(rig.task().key(1).execute(|| ()).expect_err("closed").kind, SubmitErrorKind::Closed);
    gate.open();
    closing.join().expect("no panic").expect("shuts down");
    assert_eq!(ran.load(Ordering::Relaxed), 8);
    rig.finish();
}

#[test]
fn shutdown_now_discards_sent_tasks() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let discarded: Vec<_> = (0..10).map(|n| rig.task().worker(n % 2).submit(|| ()).expect("open")).collect();
    let pool = rig.pool().clone();
    let closing = std::thread::spawn(move || pool.shutdown_now());
    assert!(discarded.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled))));
    gate.open();
    closing.join().expect("no panic").expect("shuts down");
    assert_eq!(assert_quiescent(&rig).cancelled, 10);
}

/// An unknown worker is an error also in a full pool, whether the task would be run by its caller, wait or be
/// dropped.
#[test]
fn a_full_pool_names_an_unknown_worker() {
    for on_full in [OnFull::CallerRuns, OnFull::Drop, OnFull::Reject, OnFull::Block] {
        let rig = Rig::with(Pool::builder().workers(1).queue_capacity(1).on_full(on_full));
        let gate = Gate::new();
        let (full, pool) = (gate.visitor(), Arc::downgrade(rig.pool()));
        // A task of the pool runs the tasks that it submits to the full pool itself.
        let inside = rig.submit(move || {
            full.pass();
            let pool = pool.upgrade().expect("the test holds it");
            (0..4).for_each(|_| drop(pool.try_execute(|| ())));
            pool.task().worker(1).execute(|| ()).expect_err("no such worker").kind
        });
        gate.wait_for(1);
        rig.try_execute(|| ()).expect("within the capacity");
        let is_named = |kind: SubmitErrorKind| assert_eq!(kind, SubmitErrorKind::NoSuchWorker { worker: 7 });
        let task = || rig.task().worker(7);
        is_named(task().execute(|| unreachable!("no such worker")).expect_err("refused").kind);
        is_named(task().submit(|| ()).expect_err("refused").kind);
        is_named(task().on_full(OnFull::Reject).submit(|| ()).expect_err("refused").kind);
        is_named(task().on_full(OnFull::BlockFor(PATIENCE)).submit(|| ()).expect_err("refused").kind);
        is_named(pollster::block_on(task().submit_async(|| ())).expect_err("refused").kind);
        let refused = task().weight(3).submit(|| 5).expect_err("refused");
        assert_eq!(refused.into_inner()(), 5);
        gate.open();
        let kind = inside.expect("open").join().expect("ran");
        assert_eq!(kind, SubmitErrorKind::NoSuchWorker { worker: 1 });
        assert_eq!(rig.finish().dropped, 0);
    }
}
