//! Bounded pools: each overflow policy, the exactness of the capacity, and tasks that submit to their own
//! full pool.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{CancelToken, Group, JoinError, JoinHandle, OnFull, SubmitErrorKind};

use super::*;
use crate::support::{Gate, Hits, PATIENCE, assert_quiescent, quiet_panic, wait_until};

const POLICIES: [OnFull; 5] =
    [OnFull::Block, OnFull::BlockFor(PATIENCE), OnFull::Reject, OnFull::Drop, OnFull::CallerRuns];

fn bounded(workers: usize, capacity: usize, on_full: OnFull) -> Rig {
    Rig::with(Pool::builder().workers(workers).queue_capacity(capacity).on_full(on_full))
}

/// A pool with held workers and a full queue.
fn full(workers: usize, capacity: usize, on_full: OnFull) -> (Rig, Gate) {
    let (rig, gate) = (bounded(workers, capacity, on_full), Gate::new());
    gate.hold(&rig, workers);
    for _ in 0..capacity {
        rig.try_execute(|| ()).expect("within the capacity");
    }
    (rig, gate)
}

#[test]
fn exactly_as_many_tasks_wait_as_the_capacity() {
    for (workers, capacity) in [(1, 1), (2, 7), (3, 64), (2, 1_000)] {
        let (rig, gate) = full(workers, capacity, OnFull::Reject);
        assert_eq!((rig.capacity(), rig.stats().capacity), (Some(capacity), Some(capacity)));
        let stats = assert_quiescent(&rig);
        assert_eq!((stats.waiting, stats.running), (capacity as u64, workers as u64));
        for _ in 0..3 {
            assert_eq!(rig.execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
            assert_eq!(rig.submit(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        }
        // Any thread finds the free permits, whichever stripe holds them.
        gate.open();
        wait_until("all have run", || rig.stats().waiting == 0);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let accepted = thread::scope(|scope| {
            let push = || (0..capacity).filter(|_| rig.try_execute(|| ()).is_ok()).count();
            let pushing: Vec<_> = (0..4).map(|_| scope.spawn(push)).collect();
            pushing.into_iter().map(|thread| thread.join().expect("no panic")).sum::<usize>()
        });
        assert_eq!(accepted, capacity);
        gate.open();
        rig.finish();
    }
}

#[test]
fn an_unbounded_pool_is_never_full() {
    let rig = Rig::new(1);
    assert_eq!((rig.capacity(), rig.stats().capacity), (None, None));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    for _ in 0..5_000 {
        rig.try_execute(|| ()).expect("within the capacity");
        drop(rig.try_submit(|| ()).expect("within the capacity"));
        rig.execute_timeout(|| (), Duration::ZERO).expect("within the capacity");
    }
    gate.open();
    assert_eq!(rig.finish().completed, 15_001);
}

#[test]
fn a_refused_closure_is_returned() {
    let (rig, gate) = full(2, 3, OnFull::Reject);
    let refused = rig.submit(|| 41).expect_err("full");
    assert_eq!(refused.kind, SubmitErrorKind::Full);
    assert_eq!(refused.into_inner()(), 41);
    gate.open();
    rig.finish();
}

#[test]
fn a_blocked_producer_gets_the_next_permit() {
    for timeout in [None, Some(PATIENCE)] {
        let (rig, gate) = full(2, 5, timeout.map_or(OnFull::Block, OnFull::BlockFor));
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for n in 0..20 {
                let (rig, sender) = (&rig, sender.clone());
                scope.spawn(move || match n % 4 {
                    0 => rig.execute(move || sender.send(n).expect("heard")).expect("open"),
                    1 => drop(rig.submit(move || sender.send(n).expect("heard")).expect("open")),
                    2 => rig
                        .execute_timeout(move || sender.send(n).expect("the receiver waits"), PATIENCE)
                        .expect("open"),
                    _ => {
                        let submitting = rig.submit_async(move || sender.send(n).expect("heard"));
                        drop(pollster::block_on(submitting).expect("open"));
                    }
                });
            }
            gate.open();
        });
        let mut heard: Vec<_> = receiver.iter().take(20).collect();
        heard.sort();
        assert_eq!(heard, (0..20).collect::<Vec<_>>());
        rig.finish();
    }
}

/// Waiters get permits in the order of their arrival, threads and futures alike.
#[test]
fn first_come_first_served() {
    let (rig, gate) = full(1, 1, OnFull::Block);
    let order = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..6 {
            let order = order.clone();
            // A single worker that takes tasks from a queue for one task runs them in the order of admission.
            let task = move || assert_eq!(order.fetch_add(1, Ordering::Relaxed), n);
            let blocked = rig.stats().blocked;
            let rig = &rig;
            scope.spawn(move || {
                if n % 2 == 0 {
                    rig.execute(task).expect("open");
                } else {
                    drop(pollster::block_on(rig.submit_async(task)).expect("open"));
                }
            });
            wait_until("it is in the wait queue", || rig.stats().blocked > blocked);
        }
        gate.open();
    });
    rig.finish();
    assert_eq!(order.load(Ordering::Relaxed), 6);
}

#[test]
fn a_timeout_returns_the_task() {
    for capacity in [0, 1, 10] {
        let (rig, gate) = full(2, capacity, OnFull::BlockFor(Duration::from_millis(2)));
        assert_eq!(rig.execute(|| ()).expect_err("full").kind, SubmitErrorKind::TimedOut);
        let refused = rig.submit(|| 42).expect_err("full");
        assert_eq!((refused.kind, refused.into_inner()()), (SubmitErrorKind::TimedOut, 42));
        for timeout in [Duration::ZERO, Duration::from_millis(1)] {
            let refused = rig.submit_timeout(|| 43, timeout).expect_err("full");
            assert_eq!((refused.kind, refused.into_inner()()), (SubmitErrorKind::TimedOut, 43));
            let refused = rig.execute_timeout(|| (), timeout).expect_err("full");
            assert_eq!(refused.kind, SubmitErrorKind::TimedOut);
        }
        assert_eq!(rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        gate.open();
        rig.submit_timeout(|| (), Duration::MAX).expect("a permit becomes free").join().expect("runs");
        rig.finish();
    }
}

#[test]
fn a_dropped_task_is_reported_as_dropped() {
    let (rig, gate) = full(2, 4, OnFull::Drop);
    let hits = Hits::new(1);
    let captured = Arc::new(());
    let held = captured.clone();
    rig.execute(move || drop(held)).expect("accepted and dropped");
    assert_eq!(Arc::strong_count(&captured), 1, "its captures are gone");
    let hit = hits.clone();
    let handle = rig.submit(move || hit.hit(0)).expect("accepted and dropped");
    assert!(handle.is_finished());
    let error = handle.join().expect_err("never ran");
    assert!(matches!(error, JoinError::Dropped), "{error:?}");
    assert_eq!(rig.stats().dropped, 2);
    assert_quiescent(&rig);
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.dropped, stats.completed, stats.submitted), (2, 6, 8));
    assert_eq!(hits.total(), 0);
}

#[test]
fn a_caller_runs_tasks_beyond_the_capacity() {
    let (rig, gate) = full(2, 4, OnFull::CallerRuns);
    let here = thread::current().id();
    let ran = Arc::new(AtomicBool::new(false));
    let seen = ran.clone();
    rig.execute(move || seen.store(thread::current().id() == here, Ordering::Relaxed)).expect("run here");
    assert!(ran.load(Ordering::Relaxed));
    let handle = rig.submit(|| thread::current().id()).expect("run here");
    assert!(handle.is_finished());
    assert_eq!(handle.join().expect("ran"), here);
    let panics = rig.submit(|| quiet_panic("here")).expect("run here");
    assert!(panics.join().map(|(): ()| ()).expect_err("panicked").is_panic());
    let stats = assert_quiescent(&rig);
    assert_eq!((stats.completed, stats.panicked, stats.run_by_callers), (2, 1, 3));
    gate.open();
    assert_eq!(rig.finish().submitted, 9);
}

/// A task that is run by its caller and submits again is run by its caller, and so on; the stack does not
/// overflow.
#[test]
fn callers_do_not_nest_for_ever() {
    fn chain(rig: &Arc<Pool>, left: usize, done: mpsc::Sender<()>) {
        if left == 0 {
            return done.send(()).expect("heard");
        }
        let again = rig.clone();
        rig.execute(move || chain(&again, left - 1, done)).expect("open");
    }
    let (rig, gate) = full(1, 1, OnFull::CallerRuns);
    let (sender, receiver) = mpsc::channel();
    chain(&rig, 100_000, sender);
    gate.open();
    receiver.recv_timeout(PATIENCE).expect("the chain ends");
    wait_until("the last task has dropped its pool", || Arc::strong_count(rig.pool()) == 1);
    rig.finish();
}

/// With a capacity of 0 no task waits: a pool accepts as many tasks as it has workers, and the next one only
/// when a task has ended.
#[test]
fn a_rendezvous_takes_one_task_a_worker() {
    for workers in [1, 2, 4] {
        let rig = bounded(workers, 0, OnFull::Reject);
        let gate = Gate::new();
        for _ in 0..3 {
            let visitors: Vec<_> = (0..workers).map(|_| gate.visitor()).collect();
            let handles: Vec<_> = visitors
                .into_iter()
                .map(|visitor| rig.submit(move || visitor.is_open()).expect("a worker is free"))
                .collect();
            handles.into_iter().for_each(|handle| assert!(!handle.join().expect("runs")));
        }
        gate.hold(&rig, workers);
        assert_eq!(rig.execute(|| ()).expect_err("all are busy").kind, SubmitErrorKind::Full);
        gate.open();
        rig.submit_timeout(|| (), PATIENCE).expect("a worker becomes free").join().expect("runs");
        rig.finish();
    }
}

#[test]
fn a_rendezvous_passes_tasks_to_free_workers() {
    let rig = bounded(2, 0, OnFull::Block);
    let hits = Hits::new(2_000);
    thread::scope(|scope| {
        for producer in 0..4 {
            let (rig, hits) = (&rig, &hits);
            scope.spawn(move || {
                for n in (producer..2_000).step_by(4) {
                    let hits = hits.clone();
                    rig.execute(move || hits.hit(n)).expect("open");
                }
            });
        }
    });
    rig.finish();
    hits.assert_once_each();
}

/// While eight threads submit, the number of waiting tasks never exceeds the capacity.
#[test]
fn the_capacity_is_never_exceeded() {
    for (workers, capacity) in [(1, 1), (2, 2), (2, 64)] {
        for on_full in POLICIES {
            let rig = bounded(workers, capacity, on_full);
            let left = AtomicUsize::new(8);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        for n in 0..400 {
                            let result = if n % 3 == 0 {
                                rig.submit(|| ()).map(drop).map_err(|refused| refused.kind)
                            } else {
                                rig.execute(|| ()).map_err(|refused| refused.kind)
                            };
                            assert!(matches!(result, Ok(()) | Err(SubmitErrorKind::Full)));
                        }
                        left.fetch_sub(1, Ordering::Release);
                    });
                }
                while left.load(Ordering::Acquire) > 0 {
                    let stats = rig.stats();
                    assert!(stats.waiting <= capacity as u64, "{on_full:?}: {stats:?}");
                    thread::yield_now();
                }
            });
            rig.finish();
        }
    }
}

/// A task that submits to its own full pool again and again is never blocked by that.
#[test]
fn a_task_never_waits_for_a_permit_of_its_own_pool() {
    fn spread(pool: &Arc<Pool>, left: usize, hits: &Hits) {
        hits.hit(left);
        if left == 0 {
            return;
        }
        let (again, also) = (pool.clone(), hits.clone());
        // Whether the task is queued, run here, refused or dropped, the call returns.
        let refused = pool.execute(move || spread(&again, left - 1, &also));
        if let Err(refused) = refused {
            assert_eq!(refused.kind, SubmitErrorKind::Full);
            refused.into_inner()();
        }
    }
    for capacity in [0, 1] {
        for on_full in [OnFull::Block, OnFull::BlockFor(PATIENCE), OnFull::CallerRuns, OnFull::Reject] {
            // A chain that is refused nests on the stack, because of the way this test is written.
            let length = if on_full == OnFull::Reject { 100 } else { 10_000 };
            let rig = bounded(1, capacity, on_full);
            let hits = Hits::new(length + 1);
            let (pool, also) = (rig.pool().clone(), hits.clone());
            rig.execute(move || {
                // The queue is full while the chain runs, so its tasks find permits only by overdraw.
                let full = pool.try_execute(|| ());
                assert_eq!(full.is_ok(), pool.capacity() == Some(1));
                spread(&pool, length, &also);
            })
            .expect("within the capacity");
            wait_until("the chain has ended", || hits.total() == length + 1);
            hits.assert_once_each();
            wait_until("its tasks have dropped their pool", || Arc::strong_count(rig.pool()) == 1);
            rig.finish();
        }
    }
}

/// Handles of tasks beyond the capacity work like any other: a tree of such tasks on one worker with a
/// capacity of one.
#[test]
fn trees_of_tasks_on_a_full_pool() {
    fn leaves(pool: &Arc<Pool>, depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let halves: Vec<JoinHandle<usize>> = (0..2)
            .map(|_| {
                let again = pool.clone();
                pool.submit(move || leaves(&again, depth - 1)).expect("runs somewhere")
            })
            .collect();
        halves.into_iter().map(|half| half.join().expect("ran")).sum()
    }
    for capacity in [0, 1, 3] {
        for workers in [1, 2] {
            for on_full in [OnFull::Block, OnFull::CallerRuns, OnFull::BlockFor(Duration::from_millis(1))] {
                let rig = bounded(workers, capacity, on_full);
                let pool = rig.pool().clone();
                let root = rig.submit(move || leaves(&pool, 9)).expect("within the capacity");
                assert_eq!(root.join().expect("ran"), 512);
                wait_until("its tasks have dropped their pool", || Arc::strong_count(rig.pool()) == 1);
                let stats = rig.finish();
                assert_eq!((stats.submitted, stats.run_by_callers), (1_023, 0));
            }
        }
    }
}

/// Two pools with a capacity of one submit to each other. A worker that waits for a permit of the other pool
/// serves its own pool.
#[test]
fn two_full_pools_that_submit_to_each_other() {
    fn pass(from: &Arc<Pool>, to: &Arc<Pool>, left: usize, hits: &Hits) {
        hits.hit(left);
        for next in [2 * left + 1, 2 * left + 2] {
            if next < 2_000 {
                let (here, there, also) = (from.clone(), to.clone(), hits.clone());
                to.execute(move || pass(&there, &here, next, &also)).expect("open");
            }
        }
    }
    for workers in [1, 2] {
        let (a, b) = (bounded(workers, 1, OnFull::Block), bounded(workers, 1, OnFull::Block));
        let hits = Hits::new(2_000);
        let (here, there, also) = (a.pool().clone(), b.pool().clone(), hits.clone());
        a.execute(move || pass(&here, &there, 0, &also)).expect("within the capacity");
        wait_until("all tasks have run", || hits.total() == 2_000);
        hits.assert_once_each();
        for rig in [a, b] {
            wait_until("its tasks have dropped their pool", || Arc::strong_count(rig.pool()) == 1);
            rig.finish();
        }
    }
}

#[test]
fn a_task_that_is_over_when_it_comes_adds_no_place_to_a_full_pool() {
    for on_full in [OnFull::Drop, OnFull::CallerRuns] {
        let (rig, gate) = full(1, 2, on_full);
        let token = CancelToken::new();
        token.cancel();
        let group: Group<(), Infallible, Pool> = rig.group();
        group.cancel();
        for _ in 0..3 {
            let cancelled = rig.task().token(&token).submit(|| panic!("it was cancelled")).expect("taken");
            assert!(matches!(cancelled.join(), Err(JoinError::Cancelled | JoinError::Dropped)));
            let late =
                rig.task().start_within(Duration::ZERO).submit(|| panic!("it is late")).expect("taken");
            assert!(matches!(late.join(), Err(JoinError::Expired | JoinError::Dropped)));
            group.submit(|| panic!("the group is cancelled")).expect("taken");
            assert!(matches!(rig.try_execute(|| ()), Err(refused) if refused.kind == SubmitErrorKind::Full));
        }
        assert_eq!(group.join_all().len(), 3);
        let stats = assert_quiescent(&rig);
        assert_eq!((stats.waiting, stats.running), (2, 1), "{stats:?}");
        gate.open();
        // The conservation sum is checked at the end.
        assert_eq!(rig.finish().submitted, 12);
    }
}
