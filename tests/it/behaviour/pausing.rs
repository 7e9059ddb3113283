//! Pause, resume and purge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::JoinError;

use super::*;
use crate::support::{Gate, wait_until};

/// A paused pool that has run tasks and was paused before.
fn paused(workers: usize) -> Pool {
    let pool = Pool::builder().workers(workers).build().expect("builds");
    assert!(pool.pause());
    // A worker that read the control word before the pause may still take one of these tasks.
    let before: Vec<_> = (0..workers).map(|_| pool.submit(|| ()).expect("accepted")).collect();
    pool.resume();
    before.into_iter().for_each(|task| task.join().expect("runs"));
    assert!(pool.pause());
    pool
}

#[test]
fn tasks_submitted_in_a_pause_run_after_it() {
    for workers in [1, 2, 8] {
        let pool = paused(workers);
        let runs = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let runs = runs.clone();
            pool.execute(move || _ = runs.fetch_add(1, Ordering::Relaxed)).expect("accepted");
        }
        let stats = pool.stats();
        assert!(pool.is_paused());
        // Each worker may have been about to take a task.
        assert!(stats.waiting >= 1000 - workers as u64, "{stats:?}");
        pool.resume();
        assert!(!pool.is_paused());
        wait_until("all run", || runs.load(Ordering::Relaxed) == 1000);
    }
}

#[test]
fn pausing_and_resuming_under_load_loses_nothing() {
    let pool = Pool::builder().workers(3).build().expect("builds");
    let runs = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..300 {
                pool.pause();
                std::thread::yield_now();
                pool.resume();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let runs = runs.clone();
                    pool.execute(move || _ = runs.fetch_add(1, Ordering::Relaxed)).expect("accepted");
                }
            });
        }
    });
    pool.shutdown().expect("from outside");
    assert_eq!(runs.load(Ordering::Relaxed), 20_000);
}

#[test]
fn a_task_that_a_running_task_awaits_runs_in_a_pause() {
    let pool = Arc::new(Pool::builder().workers(1).build().expect("builds"));
    let gate = Gate::new();
    let task = {
        let (pool, visitor) = (pool.clone(), gate.visitor());
        move || {
            visitor.pass();
            pool.submit(|| 5).expect("accepted").join().expect("runs")
        }
    };
    let task = pool.submit(task).expect("accepted");
    gate.wait_for(1);
    pool.pause();
    gate.open();
    assert_eq!(task.join().expect("ends in the pause"), 5);
    assert!(pool.is_paused());
}

#[test]
fn a_shutdown_ends_the_pause() {
    let pool = paused(2);
    let task = pool.submit(|| 7).expect("accepted");
    pool.shutdown().expect("from outside");
    assert_eq!(task.join().expect("drained"), 7);
    assert!(!pool.is_paused() && !pool.pause(), "a closed pool does not pause");
    pool.resume();

    let pool = paused(2);
    let tasks: Vec<_> = (0..100).map(|i| pool.submit(move || i).expect("accepted")).collect();
    let discarded = pool.shutdown_now().expect("from outside");
    let cancelled = tasks.into_iter().map(|task| task.join());
    let cancelled = cancelled.filter(|result| matches!(result, Err(JoinError::Cancelled))).count();
    assert_eq!(cancelled as u64, discarded);
    assert!(discarded >= 98, "{discarded}");
}

#[test]
fn dropping_a_paused_pool_finishes_its_work() {
    let pool = paused(2);
    let task = pool.submit(|| 9).expect("accepted");
    drop(pool);
    assert_eq!(task.join().expect("finished"), 9);
}

#[test]
fn a_purge_cancels_the_handles_of_queued_tasks() {
    let pool = paused(2);
    let tasks: Vec<_> = (0..1000).map(|i| pool.submit(move || i).expect("accepted")).collect();
    let purged = pool.purge();
    assert!(purged >= 998, "all but the tasks that a worker may have taken: {purged}");
    assert_eq!(pool.purge(), 0);
    pool.resume();
    let results: Vec<_> = tasks.into_iter().map(|task| task.join()).collect();
    let cancelled = results.iter().filter(|result| matches!(result, Err(JoinError::Cancelled))).count();
    assert_eq!(cancelled as u64, purged);
    assert_eq!(pool.submit(|| 1).expect("the pool still works").join().expect("runs"), 1);
    wait_until("nothing runs", || pool.stats().running == 0);
    let stats = pool.stats();
    assert_eq!(
        (stats.submitted, stats.cancelled, stats.waiting),
        (stats.completed + purged, purged, 0),
        "{stats:?}"
    );
}

#[test]
fn a_purge_under_load_neither_loses_nor_repeats_a_task() {
    let pool = Pool::builder().workers(2).build().expect("builds");
    let runs = Arc::new(AtomicUsize::new(0));
    let purged = std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            for _ in 0..20_000 {
                let runs = runs.clone();
                pool.execute(move || _ = runs.fetch_add(1, Ordering::Relaxed)).expect("accepted");
            }
        });
        let mut purged = 0;
        while !producer.is_finished() {
            purged += pool.purge();
        }
        purged
    });
    pool.shutdown_timeout(Duration::from_secs(60)).expect("ends");
    assert_eq!(runs.load(Ordering::Relaxed) as u64 + purged, 20_000);
}
