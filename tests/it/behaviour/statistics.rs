//! The counters of `stats`: exact when the pool is idle, exact after a join, and consistent while it works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use longshore::PinStatus;

use super::*;
use crate::support::{Gate, assert_quiescent, quiet_panic, wait_until};

#[test]
fn a_new_pool_has_done_nothing() {
    let rig = Rig::new(3);
    let stats = assert_quiescent(&rig);
    let totals = [stats.submitted, stats.completed, stats.panicked, stats.cancelled, stats.hook_panics];
    assert_eq!(totals, [0; 5]);
    assert_eq!((stats.waiting, stats.running), (0, 0));
    for (index, worker) in stats.workers.iter().enumerate() {
        assert_eq!((worker.index, worker.executed, worker.stolen, worker.queue_depth), (index, 0, 0, 0));
        assert_eq!(worker.pin, PinStatus::Unpinned);
    }
    assert_eq!(stats.workers.len(), 3);
    rig.finish();
}

/// "A task that was joined is counted before its handle says so."
#[test]
fn exact_after_every_join() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        for n in 1..=2_000u64 {
            rig.submit(|| ()).expect("open").join().expect("ran");
            let stats = assert_quiescent(&rig);
            assert_eq!((stats.submitted, stats.completed), (n, n));
            assert_eq!((stats.waiting, stats.running), (0, 0));
        }
        for n in 1..=500 {
            let panics = rig.submit(|| quiet_panic("counted")).expect("open");
            assert!(panics.join().map(|(): ()| ()).is_err());
            assert_eq!(rig.stats().panicked, n);
        }
        rig.finish();
    }
}

#[test]
fn waiting_and_running_are_told_apart() {
    for workers in [1, 2, 4] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        rig.execute_batch((0..100).map(|_| || ())).expect("open");
        for _ in 0..50 {
            rig.execute(|| ()).expect("open");
        }
        let stats = assert_quiescent(&rig);
        assert_eq!((stats.waiting, stats.running, stats.completed), (150, workers as u64, 0));
        gate.open();
        let stats = rig.finish();
        assert_eq!(stats.completed, 150 + workers as u64);
        assert!(stats.workers.iter().all(|worker| worker.queue_depth == 0), "{stats:?}");
    }
}

#[test]
fn every_end_is_counted_in_its_place() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let handles: Vec<_> = (0..300)
        .map(|n| {
            rig.submit(move || {
                if n % 3 == 1 {
                    quiet_panic(n)
                }
            })
            .expect("open")
        })
        .collect();
    let cancelled = handles.iter().skip(2).step_by(3).filter(|handle| handle.cancel()).count();
    assert_eq!(cancelled, 100);
    let stats = assert_quiescent(&rig);
    assert_eq!((stats.waiting, stats.cancelled), (200, 100), "counted at once");
    gate.open();
    for handle in handles {
        let _ = handle.join();
    }
    let stats = rig.finish();
    assert_eq!((stats.completed, stats.panicked, stats.cancelled), (102, 100, 100));
}

/// A task that waits for another task counts as running; so does a nested one.
#[test]
fn waiting_tasks_are_running() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let outer = rig.submit(move || {
        let middle =
            longshore::submit(move || longshore::submit(move || visitor.pass()).expect("inside").join());
        middle.expect("inside").join().expect("ran").expect("ran");
    });
    gate.wait_for(1);
    let stats = assert_quiescent(&rig);
    assert_eq!((stats.running, stats.waiting, stats.submitted), (3, 0, 3));
    gate.open();
    outer.expect("open").join().expect("ran");
    rig.finish();
}

/// While the pool works, no counter falls, and no later stage of a task is counted before an earlier one.
#[test]
fn a_snapshot_is_a_possible_state() {
    let rig = Rig::new(4);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300 {
                rig.execute_batch((0..100).map(|_| || ())).expect("open");
                let handle = rig.submit(move || {
                    if round % 2 == 0 {
                        quiet_panic(round)
                    }
                });
                drop(handle.expect("open"));
                rig.execute(|| longshore::execute(|| ()).expect("inside")).expect("open");
            }
            done.store(true, Ordering::Release);
        });
        let mut last = rig.stats();
        while !done.load(Ordering::Acquire) {
            let stats = rig.stats();
            let ended = stats.completed + stats.panicked + stats.cancelled;
            assert!(ended <= stats.submitted, "{stats:?}");
            assert!(stats.submitted >= last.submitted && stats.completed >= last.completed, "{stats:?}");
            assert!(stats.panicked >= last.panicked, "{stats:?}");
            for (now, before) in stats.workers.iter().zip(&last.workers) {
                assert!(now.executed >= before.executed && now.stolen >= before.stolen);
                assert!(now.parked >= before.parked);
            }
            last = stats;
            thread::yield_now();
        }
    });
    let stats = rig.finish();
    assert_eq!(stats.submitted, 300 * 103);
    assert_eq!(stats.panicked, 150);
}

#[test]
fn idle_workers_park_and_are_counted() {
    let rig = Rig::new(4);
    wait_until("all have parked", || rig.stats().workers.iter().all(|worker| worker.parked >= 1));
    for _ in 0..100 {
        rig.submit(|| ()).expect("open").join().expect("ran");
    }
    let before: u64 = rig.stats().workers.iter().map(|worker| worker.parked).sum();
    assert!(before >= 4);
    rig.finish();
}

#[test]
fn after_the_shutdown_the_statistics_do_not_change() {
    let pool = Pool::builder().workers(2).build().expect("starts");
    pool.execute_batch((0..1_000).map(|_| || ())).expect("open");
    pool.shutdown().expect("shuts down");
    let stats = assert_quiescent(&pool);
    assert!(pool.execute(|| ()).is_err());
    assert!(pool.submit_batch([|| (), || ()]).is_err());
    let again = pool.stats();
    assert_eq!((again.submitted, again.completed), (stats.submitted, 1_000), "refused tasks do not count");
    assert_eq!(again.workers, stats.workers);
}
