//! Waiters for permits of a bounded pool: ten thousand of them, futures that are dropped, batches, panics,
//! and the end of the pool.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use longshore::{AnyPool, OnFull, SubmitErrorKind};

use super::*;
use crate::support::{Gate, Hits, PATIENCE, assert_quiescent, quiet_panic, wait_until};

fn bounded(workers: usize, capacity: usize, on_full: OnFull) -> Rig {
    Rig::with(Pool::builder().workers(workers).queue_capacity(capacity).on_full(on_full))
}

/// A pool with one worker, held at the gate, and a full queue.
fn full(capacity: usize, on_full: OnFull) -> (Rig, Gate) {
    let (rig, gate) = (bounded(1, capacity, on_full), Gate::new());
    gate.hold(&rig, 1);
    for _ in 0..capacity {
        rig.try_execute(|| ()).expect("within the capacity");
    }
    (rig, gate)
}

/// Ten thousand submissions, from a hundred threads and from as many futures on each, for a capacity of a
/// hundred: each task runs once, or is returned, or is dropped, and the statistics agree.
#[test]
fn ten_thousand_submitters() {
    const THREADS: usize = 100;
    const EACH: usize = 100;
    for on_full in
        [OnFull::Block, OnFull::BlockFor(PATIENCE), OnFull::Reject, OnFull::Drop, OnFull::CallerRuns]
    {
        let rig = bounded(2, 100, on_full);
        let hits = Hits::new(THREADS * EACH);
        let refused = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (rig, hits, refused) = (&rig, &hits, &refused);
                scope.spawn(move || {
                    let tasks = (thread * EACH..).take(EACH);
                    if thread % 2 == 0 {
                        for n in tasks {
                            if let Err(error) = rig.execute(hits.task(n)) {
                                assert_eq!(error.kind, SubmitErrorKind::Full);
                                refused.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    } else {
                        // All at once, and each of them waits whatever the policy.
                        let mut left: Vec<_> =
                            tasks.map(|n| Box::pin(rig.submit_async(hits.task(n)))).collect();
                        let all = poll_fn(|cx| {
                            left.retain_mut(|submitting| match submitting.as_mut().poll(cx) {
                                Poll::Pending => true,
                                Poll::Ready(handle) => {
                                    drop(handle.expect("open"));
                                    false
                                }
                            });
                            if left.is_empty() { Poll::Ready(()) } else { Poll::Pending }
                        });
                        pollster::block_on(all);
                    }
                });
            }
        });
        let stats = rig.finish();
        let refused = refused.into_inner() as u64;
        assert_eq!(stats.submitted + refused, (THREADS * EACH) as u64, "{on_full:?}");
        assert_eq!(stats.completed, hits.total() as u64, "{on_full:?}");
        hits.assert_at_most_once_each();
        assert!(refused == 0 || on_full == OnFull::Reject, "{on_full:?}");
        assert!(stats.dropped == 0 || on_full == OnFull::Drop, "{on_full:?}");
        assert!(stats.run_by_callers == 0 || on_full == OnFull::CallerRuns, "{on_full:?}");
    }
}

/// Workers survive panics, and no producer waits for ever: a task that panics releases its permit.
#[test]
fn a_storm_of_panics_leaves_no_producer_waiting() {
    for capacity in [0, 1, 5] {
        let rig = bounded(2, capacity, OnFull::Block);
        thread::scope(|scope| {
            for producer in 0..8 {
                let rig = &rig;
                scope.spawn(move || {
                    for n in 0..250 {
                        if n % 2 == 0 {
                            rig.execute(move || quiet_panic(producer)).expect("open");
                        } else {
                            drop(
                                rig.submit(move || quiet_panic(n))
                                    .map(|handle: longshore::JoinHandle<()>| handle),
                            );
                        }
                    }
                });
            }
        });
        assert_eq!(rig.finish().panicked, 2_000);
    }
}

/// Each waiter is told of the end of the pool and gets its task back; no task is lost or runs.
#[test]
fn a_shutdown_returns_the_tasks_of_waiters() {
    for (round, capacity) in [0, 1, 10, 0, 1, 10].into_iter().enumerate() {
        let (rig, gate) = full(capacity, OnFull::Block);
        thread::scope(|scope| {
            for n in 0..9u64 {
                let rig = &rig;
                scope.spawn(move || {
                    let (kind, task) = match n % 3 {
                        0 => {
                            let refused = rig.submit(move || n).expect_err("closed");
                            (refused.kind, refused.into_inner())
                        }
                        1 => {
                            let refused = rig.submit_timeout(move || n, PATIENCE).expect_err("closed");
                            return assert_eq!(
                                (refused.kind, refused.into_inner()()),
                                (SubmitErrorKind::Closed, n)
                            );
                        }
                        _ => {
                            let refused =
                                pollster::block_on(rig.submit_async(move || n)).expect_err("closed");
                            return assert_eq!(
                                (refused.kind, refused.into_inner()()),
                                (SubmitErrorKind::Closed, n)
                            );
                        }
                    };
                    assert_eq!((kind, task()), (SubmitErrorKind::Closed, n));
                });
            }
            wait_until("all wait", || rig.stats().blocked == 9);
            // The worker is held, so no permit becomes free.
            let closing = if round < 3 {
                rig.shutdown_timeout(Duration::ZERO).map(|()| 0)
            } else {
                let rig = &rig;
                scope.spawn(move || rig.shutdown_now().expect("shuts down"));
                wait_until("the pool is closed", || {
                    rig.try_execute(|| ()).is_err_and(|e| e.kind == SubmitErrorKind::Closed)
                });
                Err(longshore::ShutdownError::TimedOut)
            };
            assert!(closing.is_err(), "the worker is held");
            wait_until("no producer waits", || rig.stats().blocked == 0);
            gate.open();
        });
        let stats = rig.finish();
        assert_eq!(stats.completed + stats.cancelled, 1 + capacity as u64);
    }
}

#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future that is dropped leaves the wait queue. If it had been granted a permit, the next waiter gets it.
#[test]
fn a_dropped_future_passes_its_permit_on() {
    let (rig, gate) = full(1, OnFull::Block);
    let hits = Hits::new(3);
    let wakes: [Arc<Counting>; 3] = Default::default();
    let wakers: Vec<Waker> = wakes.iter().map(|counting| Waker::from(counting.clone())).collect();
    let mut first = Box::pin(rig.submit_async(hits.task(0)));
    let mut second = Box::pin(rig.submit_async(hits.task(1)));
    let mut third = Box::pin(rig.submit_async(hits.task(2)));
    assert!(first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending());
    assert!(third.as_mut().poll(&mut Context::from_waker(&wakers[2])).is_pending());
    assert_eq!(rig.stats().blocked, 3);
    drop(second); // in the middle of the wait queue
    assert_eq!(rig.stats().blocked, 2);
    gate.open();
    wait_until("the first future is granted a permit", || wakes[0].0.load(Ordering::SeqCst) > 0);
    wait_until("nothing waits", || rig.stats().waiting == 0);
    assert_eq!(wakes[2].0.load(Ordering::SeqCst), 0, "the permit is reserved for the first future");
    assert_eq!(rig.try_execute(|| ()).expect_err("the permit is reserved").kind, SubmitErrorKind::Full);
    drop(first);
    wait_until("the third future is granted a permit", || wakes[2].0.load(Ordering::SeqCst) > 0);
    let Poll::Ready(handle) = third.as_mut().poll(&mut Context::from_waker(&wakers[2])) else {
        panic!("it was woken");
    };
    handle.expect("open").join().expect("runs");
    assert_eq!((hits.total(), hits.of(2)), (1, 1));
    rig.finish();
}

/// A future may move between executors: the waker of the last poll is used. A future that was never polled
/// has no effect.
#[test]
fn the_waker_of_the_last_poll_counts() {
    let (rig, gate) = full(1, OnFull::Reject);
    let unpolled = rig.submit_async(|| ());
    let wakes: [Arc<Counting>; 2] = Default::default();
    let mut submitting = pin!(rig.submit_async(|| 7));
    for counting in &wakes {
        let waker = Waker::from(counting.clone());
        assert!(submitting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&wakes[0]), 1, "the first waker is dropped");
    gate.open();
    wait_until("it is woken", || wakes[1].0.load(Ordering::SeqCst) > 0);
    assert_eq!(wakes[0].0.load(Ordering::SeqCst), 0);
    let handle = pollster::block_on(submitting).expect("open");
    assert_eq!(handle.join().expect("runs"), 7);
    drop(unpolled);
    assert_eq!(rig.finish().submitted, 3);
}

/// A task that waited for a permit of its own pool would wait for itself.
#[test]
fn a_future_awaited_inside_a_task_of_the_pool() {
    let rig = bounded(1, 1, OnFull::Block);
    let pool = rig.pool().clone();
    let task = rig.submit(move || {
        pool.try_execute(|| ()).expect("within the capacity");
        let handle = pollster::block_on(pool.submit_async(|| 5)).expect("open");
        handle.join().expect("ran")
    });
    assert_eq!(task.expect("open").join().expect("ran"), 5);
    wait_until("the task has dropped its pool", || Arc::strong_count(rig.pool()) == 1);
    rig.finish();
}

#[test]
fn a_batch_is_accepted_as_far_as_the_capacity() {
    let (rig, gate) = (bounded(1, 100, OnFull::Reject), Gate::new());
    gate.hold(&rig, 1);
    let hits = Hits::new(250);
    let error = rig.execute_batch((0..70).map(|n| hits.task(n))).map_err(|error| error.to_string());
    assert_eq!(error, Ok(70));
    let error =
        rig.submit_batch((70..200).map(|n| hits.task(n))).expect_err("the rest is beyond the capacity");
    assert_eq!((error.accepted.len(), error.rejected(), error.kind), (30, 100, SubmitErrorKind::Full));
    let error = rig.execute_batch(error.into_rejected()).expect_err("full");
    assert_eq!((error.accepted.len(), error.rejected()), (0, 100));
    gate.open();
    wait_until("nothing waits", || rig.stats().waiting == 0);
    // In order: the first closure that was returned is number 100.
    (error.into_rejected().into_iter().next().expect("a hundred"))();
    assert_eq!(hits.of(100), 1);
    assert_eq!((0..100).map(|n| hits.of(n)).sum::<usize>(), 100);
    rig.finish();
}

#[test]
fn batches_wait_or_are_dropped_or_run_by_the_caller() {
    for on_full in [OnFull::Block, OnFull::BlockFor(PATIENCE), OnFull::Drop, OnFull::CallerRuns] {
        for (capacity, tasks) in [(0, 10), (1, 100), (40, 3_000)] {
            let rig = bounded(2, capacity, on_full);
            let hits = Hits::new(2 * tasks);
            let accepted = rig.execute_batch((0..tasks).map(|n| hits.task(n))).expect("open");
            assert_eq!(accepted, tasks);
            let handles = rig.submit_batch((tasks..2 * tasks).map(|n| hits.task(n))).expect("open");
            let ran = handles.into_iter().filter(|_| true).map(|handle| handle.join()).filter(Result::is_ok);
            let ran = ran.count();
            let stats = rig.finish();
            assert_eq!(stats.submitted, 2 * tasks as u64, "{stats:?}");
            assert_eq!(stats.completed + stats.dropped, stats.submitted, "{stats:?}");
            assert_eq!(stats.completed, hits.total() as u64);
            assert!(on_full == OnFull::Drop || ran == tasks);
            hits.assert_at_most_once_each();
        }
    }
}

/// While the iterator of a batch works it holds no permits, also if it panics.
#[test]
fn a_slow_iterator_holds_no_permits() {
    let (rig, gate) = (bounded(1, 2, OnFull::Reject), Gate::new());
    gate.hold(&rig, 1);
    let tasks = (0..2).map(|_| {
        rig.try_execute(|| ()).expect("within the capacity");
        || ()
    });
    let error = rig.execute_batch(tasks).expect_err("other tasks have the permits");
    assert_eq!((error.accepted.len(), error.rejected()), (0, 2));
    gate.open();
    wait_until("nothing waits", || rig.stats().waiting == 0);
    let panicking = (0..5).map(|n| if n == 3 { quiet_panic(n) } else { || () });
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| rig.execute_batch(panicking)));
    assert!(panicked.is_err());
    let gate = Gate::new();
    wait_until("nothing waits", || rig.stats().waiting == 0);
    gate.hold(&rig, 1);
    for _ in 0..2 {
        rig.try_execute(|| ()).expect("no permit was lost");
    }
    rig.try_execute(|| ()).expect_err("no permit was added");
    gate.open();
    rig.finish();
}

/// Tasks that a purge or a cancellation takes out of the queue release their permits.
#[test]
fn tasks_that_never_run_release_their_permits() {
    let (rig, gate) = full(10, OnFull::Reject);
    assert_eq!(rig.purge(), 10);
    let handles: Vec<_> = (0..10).map(|_| rig.try_submit(|| ()).expect("within the capacity")).collect();
    rig.try_execute(|| ()).expect_err("full again");
    assert!(handles.iter().all(|handle| handle.cancel()));
    assert_eq!(rig.stats().cancelled, 20);
    gate.open();
    let gate = Gate::new();
    gate.hold(&rig, 1);
    for _ in 0..10 {
        rig.try_execute(|| ()).expect("within the capacity");
    }
    rig.try_execute(|| ()).expect_err("full");
    assert_quiescent(&rig);
    gate.open();
    rig.finish();
}

/// Code that works with either kind of pool.
#[test]
fn through_the_common_trait() {
    fn use_it<P: AnyPool>() {
        let pool = P::builder().workers(1).queue_capacity(3).on_full(OnFull::Reject).build().expect("starts");
        assert_eq!(AnyPool::capacity(&pool), Some(3));
        AnyPool::try_execute(&pool, || ()).expect("within the capacity");
        assert_eq!(AnyPool::try_submit(&pool, || 1).expect("within the capacity").join().expect("runs"), 1);
        AnyPool::execute_timeout(&pool, || (), PATIENCE).expect("within the capacity");
        let handle = AnyPool::submit_timeout(&pool, || 2, PATIENCE).expect("within the capacity");
        assert_eq!(handle.join().expect("runs"), 2);
        let handle = pollster::block_on(AnyPool::submit_async(&pool, || 3)).expect("open");
        assert_eq!(handle.join().expect("runs"), 3);
        AnyPool::shutdown(&pool).expect("shuts down");
        let refused = pollster::block_on(AnyPool::submit_async(&pool, || 3)).expect_err("closed");
        assert_eq!(refused.kind, SubmitErrorKind::Closed);
    }
    use_it::<Pool>();
}
