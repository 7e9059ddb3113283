//! `broadcast`: once on each worker, whatever the worker does at that moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use longshore::{JoinError, SubmitErrorKind, current_worker};

use super::*;
use crate::support::{Gate, assert_quiescent, quiet_panic, scaled, wait_until};

fn ask(rig: &Rig) -> Vec<(usize, Option<usize>, ThreadId)> {
    let handles = rig.broadcast(|worker| (worker, current_worker(), thread::current().id())).expect("open");
    handles.into_iter().map(|handle| handle.join().expect("ran")).collect()
}

#[test]
fn each_worker_runs_it_once_on_its_own_thread() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let first = ask(&rig);
        for (number, (told, current, _)) in first.iter().enumerate() {
            assert_eq!((*told, *current), (number, Some(number)));
        }
        let mut threads: Vec<String> = first.iter().map(|(.., thread)| format!("{thread:?}")).collect();
        threads.sort();
        threads.dedup();
        assert_eq!(threads.len(), workers);
        assert_eq!(ask(&rig), first, "the same threads again");
        let stats = rig.finish();
        assert!(stats.workers.iter().all(|worker| worker.executed == 2), "{stats:?}");
        assert_eq!((stats.submitted, stats.completed), (2 * workers as u64, 2 * workers as u64));
    }
}

/// The workers park after each broadcast, so the next one often finds them on the way there. (rayon-core once
/// lost a broadcast at that moment.)
#[test]
fn it_wakes_parked_workers_ten_thousand_times() {
    let rig = Rig::new(3);
    let times = scaled(10_000);
    let runs = Arc::new(AtomicUsize::new(0));
    for _ in 0..times {
        let runs = runs.clone();
        let handles = rig.broadcast(move |_| runs.fetch_add(1, Ordering::Relaxed)).expect("open");
        handles.into_iter().for_each(|handle| _ = handle.join().expect("ran"));
    }
    assert_eq!(runs.load(Ordering::Relaxed), 3 * times);
    rig.finish();
}

#[test]
fn a_busy_worker_runs_it_before_its_other_tasks() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let order = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let order = order.clone();
        rig.execute(move || _ = order.fetch_add(1, Ordering::Relaxed)).expect("open");
    }
    let seen = order.clone();
    let handles = rig.broadcast(move |_| seen.load(Ordering::Relaxed)).expect("open");
    assert!(handles.iter().all(|handle| !handle.is_finished()), "all workers are held");
    gate.open();
    let before: Vec<usize> = handles.into_iter().map(|handle| handle.join().expect("ran")).collect();
    // Each worker looks for broadcasts before every task. The other worker may have run some tasks meanwhile.
    assert!(before.iter().any(|&tasks| tasks <= 1), "{before:?}");
    rig.finish();
}

/// A worker may wait for its own part of a broadcast, and for the part of another worker that waits as well.
#[test]
fn tasks_that_broadcast_and_join_do_not_hang() {
    for workers in [1, 2, 4] {
        let rig = Rig::new(workers);
        let askers: Vec<_> = (0..8)
            .map(|_| {
                let pool = Arc::downgrade(rig.pool());
                let task = move || {
                    let pool = pool.upgrade().expect("the test holds it");
                    let handles = pool.broadcast(|worker| worker).expect("open");
                    handles.into_iter().map(|handle| handle.join().expect("ran")).sum::<usize>()
                };
                rig.submit(task).expect("open")
            })
            .collect();
        for asker in askers {
            assert_eq!(asker.join().expect("ran"), workers * (workers - 1) / 2);
        }
        rig.finish();
    }
}

#[test]
fn each_panic_reaches_its_handle_and_a_cancelled_part_never_runs() {
    let rig = Rig::new(2);
    let handles = rig.broadcast(|worker| if worker == 1 { quiet_panic("one") } else { worker });
    let mut ends = handles.expect("open").into_iter().map(|handle| handle.join());
    assert!(matches!(ends.next(), Some(Ok(0))));
    assert!(matches!(ends.next(), Some(Err(JoinError::Panicked(_)))));

    let gate = Gate::new();
    gate.hold(&rig, 2);
    let handles = rig.broadcast(|_| ()).expect("open");
    assert!(handles.iter().all(|handle| handle.cancel()));
    gate.open();
    wait_until("the cancelled parts are counted", || rig.stats().cancelled == 2);
    let stats = rig.finish();
    assert_eq!((stats.panicked, stats.completed), (1, 3));
}

#[test]
fn a_closed_pool_returns_it_and_a_draining_pool_runs_what_it_has_accepted() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let accepted = rig.broadcast(|worker| worker).expect("open");
    let pool = rig.pool().clone();
    let closing = thread::spawn(move || pool.shutdown());
    wait_until("the pool is closed", || rig.execute(|| ()).is_err());
    let refused = rig.broadcast(|worker| worker + 1).expect_err("closed");
    assert_eq!(refused.kind, SubmitErrorKind::Closed);
    assert_eq!(refused.into_inner()(1), 2, "the closure was returned");
    gate.open();
    closing.join().expect("no panic").expect("shuts down");
    let results: Vec<usize> = accepted.into_iter().map(|handle| handle.join().expect("ran")).collect();
    assert_eq!(results, [0, 1]);
    rig.finish();
}

#[test]
fn shutdown_now_and_purge_discard_parts_that_have_not_begun() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let purged = rig.broadcast(|_| ()).expect("open");
    assert_eq!(rig.purge(), 2);
    assert!(purged.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled))));
    let discarded = rig.broadcast(|_| ()).expect("open");
    let pool = rig.pool().clone();
    let closing = thread::spawn(move || pool.shutdown_now());
    assert!(discarded.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled))));
    gate.open();
    closing.join().expect("no panic").expect("shuts down");
    assert_eq!(assert_quiescent(&rig).cancelled, 4);
}

/// All ways to end at once: each broadcast is accepted whole or returned whole.
#[test]
fn broadcasts_race_with_the_end_of_the_pool() {
    for round in 0..scaled(50) {
        let pool = Arc::new(Pool::builder().workers(2).build().expect("starts"));
        let runs = Arc::new(AtomicUsize::new(0));
        let accepted: usize = thread::scope(|scope| {
            let ask = || {
                let mut accepted = 0;
                loop {
                    let runs = runs.clone();
                    match pool.broadcast(move |_| _ = runs.fetch_add(1, Ordering::Relaxed)) {
                        Ok(_) => accepted += 1,
                        Err(_) => return accepted,
                    }
                }
            };
            let asking = [scope.spawn(ask), scope.spawn(ask)];
            (0..round % 50).for_each(|_| thread::yield_now());
            pool.shutdown().expect("shuts down");
            asking.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(runs.load(Ordering::Relaxed), 2 * accepted);
        assert_quiescent(&pool);
    }
}
