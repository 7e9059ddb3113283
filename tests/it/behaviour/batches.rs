//! `execute_batch` and `submit_batch`: empty, small, huge, slow, interrupted, refused.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use longshore::SubmitErrorKind;

use super::*;
use crate::support::{Census, Gate, Hits, quiet_panic, wait_until};

#[test]
fn batches_of_every_size_run_once_and_in_order_of_their_handles() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        for size in [0usize, 1, 2, 7, 8, 9, 31, 32, 33, 255, 256, 257, 1_000] {
            let hits = Hits::new(2 * size);
            let executed = rig.execute_batch((0..size).map(|task| hits.task(task)));
            assert_eq!(executed.expect("open"), size);
            let tasks = (0..size).map(|task| {
                let run = hits.task(size + task);
                move || {
                    run();
                    task
                }
            });
            let handles = rig.submit_batch(tasks).expect("open");
            assert_eq!(handles.len(), size);
            for (task, handle) in handles.into_iter().enumerate() {
                assert_eq!(handle.join().expect("runs"), task);
            }
            wait_until("the executed ones ran as well", || hits.total() == 2 * size);
            hits.assert_once_each();
        }
        rig.finish();
    }
}

#[test]
fn a_huge_batch() {
    const TASKS: usize = 100_000;
    let rig = Rig::new(2);
    let hits = Hits::new(TASKS);
    assert_eq!(rig.execute_batch((0..TASKS).map(|task| hits.task(task))).expect("open"), TASKS);
    let handles = rig.submit_batch((0..TASKS).map(|n| move || n as u64)).expect("open");
    let sum: u64 = handles.into_iter().map(|handle| handle.join().expect("runs")).sum();
    assert_eq!(sum, (TASKS as u64 - 1) * TASKS as u64 / 2);
    let stats = rig.finish();
    assert_eq!(stats.completed, 2 * TASKS as u64);
    hits.assert_once_each();
}

#[test]
fn a_batch_from_inside_a_task() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let hits = Hits::new(2_000);
        let (pool, inner) = (rig.pool().clone(), hits.clone());
        let sum = rig
            .submit(move || {
                let executed = pool.execute_batch((0..1_000).map(|task| inner.task(task)));
                assert_eq!(executed.expect("open"), 1_000);
                let tasks = (1_000..2_000usize).map(|task| {
                    let run = inner.task(task);
                    move || {
                        run();
                        task
                    }
                });
                let handles = pool.submit_batch(tasks).expect("open");
                handles.into_iter().map(|handle| handle.join().expect("runs")).sum::<usize>()
            })
            .expect("open");
        assert_eq!(sum.join().expect("runs"), (1_000..2_000).sum::<usize>());
        rig.finish();
        hits.assert_once_each();
    }
}

/// A batch does not hold back the tasks that a slow iterator has yielded. Here each task lets the iterator
/// yield the next one, so a batch that is held back would never end.
#[test]
fn a_slow_iterator_does_not_hold_back_tasks_it_has_yielded() {
    let rig = Rig::new(2);
    let (done, is_done) = mpsc::channel();
    // No lower bound in the size hint, like that of any iterator of unknown length.
    let mut task = 0;
    let tasks = std::iter::from_fn(|| {
        if task > 0 {
            assert_eq!(is_done.recv(), Ok(task));
        }
        task += 1;
        let (done, task) = (done.clone(), task);
        (task <= 100).then_some(move || done.send(task).expect("received"))
    });
    assert_eq!(rig.execute_batch(tasks).expect("open"), 100);
    rig.finish();
}

/// The iterator panics half-way: the caller gets the panic, accepted tasks run once, all others are dropped,
/// and the pool continues to work.
#[test]
fn an_iterator_that_panics() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let census = Census::default();
        for stop in [0usize, 1, 5, 31, 32, 33, 40, 64, 300, 1_000] {
            let hits = Hits::new(stop);
            let tasks = |census: &Census| {
                let (census, hits) = (census.clone(), hits.clone());
                (0..2_000).map(move |task| {
                    if task == stop {
                        quiet_panic("half-way");
                    }
                    let (run, tracked) = (hits.task(task), census.citizen());
                    move || {
                        tracked.check();
                        run();
                    }
                })
            };
            let before = rig.stats().submitted;
            let batch = catch_unwind(AssertUnwindSafe(|| rig.execute_batch(tasks(&census))));
            let payload = batch.expect_err("the caller gets the panic");
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"half-way"));
            wait_until("all accepted tasks have ended", || {
                let stats = rig.stats();
                stats.completed == stats.submitted
            });
            let accepted = (rig.stats().submitted - before) as usize;
            assert_eq!(hits.total(), accepted, "accepted tasks ran, of {stop} yielded");
            hits.assert_at_most_once_each();
            let hits_again = Hits::new(100);
            rig.execute_batch((0..100).map(|task| hits_again.task(task))).expect("usable");
            let with_handles = catch_unwind(AssertUnwindSafe(|| rig.submit_batch(tasks(&census))));
            assert!(with_handles.is_err());
            wait_until("the next batch ran", || hits_again.total() == 100);
        }
        let stats = rig.finish();
        assert_eq!(stats.completed, stats.submitted);
        census.assert_all_gone();
    }
}

#[test]
fn a_batch_after_shutdown_is_returned_whole_and_in_order() {
    let rig = Rig::new(2);
    rig.shutdown().expect("shuts down");
    let census = Census::default();
    let tasks = || {
        (0..1_000usize).map(|number| {
            let tracked = census.citizen();
            move || {
                tracked.check();
                number
            }
        })
    };
    let refused = rig.submit_batch(tasks()).expect_err("closed");
    assert_eq!(refused.kind, SubmitErrorKind::Closed);
    assert_eq!((refused.accepted.len(), census.alive()), (0, 1_000));
    let numbers = refused.into_rejected().into_iter().map(|task| task());
    assert!(numbers.eq(0..1_000), "in order, whole, not run before");
    census.assert_all_gone();

    let (sender, receiver) = mpsc::channel();
    let silent = (0..1_000usize).map(|number| {
        let sender = sender.clone();
        move || sender.send(number).expect("received")
    });
    let refused = rig.execute_batch(silent).expect_err("closed");
    assert_eq!((refused.accepted.len(), refused.rejected()), (0, 1_000));
    assert!(receiver.try_recv().is_err(), "not run");
    refused.into_rejected().into_iter().for_each(|task| task());
    drop(sender);
    assert!(receiver.iter().eq(0..1_000));
    match rig.execute_batch(Vec::<fn()>::new()) {
        Ok(tasks) => assert_eq!(tasks, 0),
        Err(refused) => assert!(refused.accepted.is_empty() && refused.rejected() == 0),
    }
    assert_eq!(rig.stats().submitted, 0);
}

/// The pool is closed in the middle of a batch: the first part is accepted and runs, the rest is returned in
/// order.
#[test]
fn a_batch_that_a_shutdown_cuts_in_two() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let hits = Hits::new(1_000);
        let pool = rig.pool().clone();
        let tasks = (0..1_000usize).map(|number| {
            if number == 500 {
                // Closes the pool to work from outside and returns at once.
                pool.shutdown_timeout(std::time::Duration::ZERO).expect_err("workers are held");
            }
            let run = hits.task(number);
            move || {
                run();
                number
            }
        });
        let cut = rig.submit_batch(tasks).expect_err("closed on the way");
        assert_eq!(cut.kind, SubmitErrorKind::Closed);
        let accepted = cut.accepted.len();
        assert!(accepted <= 500, "{accepted}");
        assert_eq!(accepted + cut.rejected(), 1_000);
        gate.open();
        let (accepted_handles, rejected) = cut.into_parts();
        let results = accepted_handles.into_iter().map(|handle| handle.join().expect("accepted tasks run"));
        assert!(results.eq(0..accepted));
        let numbers = rejected.into_iter().map(|task| task());
        assert!(numbers.eq(accepted..1_000));
        rig.finish();
        hits.assert_once_each();
    }
}

#[test]
fn handles_of_a_batch_may_go_unused() {
    let rig = Rig::new(2);
    let hits = Hits::new(1_000);
    let handles = rig.submit_batch((0..1_000).map(|task| hits.task(task))).expect("open");
    drop(handles);
    rig.finish();
    hits.assert_once_each();
}
