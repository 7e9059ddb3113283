//! Tasks with a weight hold a part of the budget from admission to their end, whatever the end; and lanes and
//! groups on bounded pools.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use std::time::Duration;

use longshore::{CancelToken, JoinError, OnFull, Overweight, PoolBuilder, SubmitErrorKind};

use super::*;
use crate::support::{Gate, Hits, PATIENCE, quiet_panic, wait_until};

fn pool(workers: usize) -> PoolBuilder<Pool> {
    Pool::builder().workers(workers).on_full(OnFull::Reject)
}

/// Checks that exactly `weight` of the budget is free.
#[track_caller]
fn assert_free(rig: &Rig, weight: u64) {
    let gate = Gate::new();
    let visitor = gate.visitor();
    rig.task().weight(weight).execute(move || visitor.pass()).expect("it is free");
    assert_eq!(rig.task().weight(1).execute(|| ()).expect_err("no more").kind, SubmitErrorKind::Full);
    gate.open();
    wait_until("its weight is released", || rig.task().weight(weight).execute(|| ()).is_ok());
    wait_until("all have ended", || rig.stats().waiting + rig.stats().running == 0);
}

#[test]
fn a_weight_is_held_until_the_end_of_the_task_whatever_the_end() {
    let rig = Rig::with(pool(2).budget(10));
    assert_free(&rig, 10);
    rig.task().weight(10).submit(|| ()).expect("free").join().expect("runs");
    wait_until("the weight is released", || rig.task().weight(10).execute(|| ()).is_ok());
    wait_until("all have ended", || rig.stats().completed == 4);
    // The task panics, with and without a handle.
    let panics = rig
        .task()
        .weight(10)
        .on_full(OnFull::BlockFor(PATIENCE))
        .submit(|| quiet_panic("heavy"))
        .expect("free");
    assert!(panics.join().map(|(): ()| ()).is_err());
    rig.task().weight(10).on_full(OnFull::BlockFor(PATIENCE)).execute(|| quiet_panic("heavy")).expect("free");
    // The task never starts: cancelled by its handle or by a token, expired, purged.
    let gate = Gate::new();
    gate.hold(&rig, 2);
    wait_until("the panic is over", || rig.stats().panicked == 2);
    let token = CancelToken::new();
    let cancelled = rig.task().weight(2).submit(|| ()).expect("free");
    let by_token = rig.task().weight(2).token(&token).submit(|| ()).expect("free");
    let expired = rig.task().weight(2).start_within(Duration::ZERO).submit(|| ()).expect("free");
    rig.task().weight(6).execute(|| ()).expect("released by the task that expired at once");
    assert_eq!(rig.task().weight(1).execute(|| ()).expect_err("used up").kind, SubmitErrorKind::Full);
    assert!(cancelled.cancel());
    rig.task().weight(2).execute(|| ()).expect("released by the cancellation");
    token.cancel();
    gate.open();
    assert!(matches!(by_token.join(), Err(JoinError::Cancelled)));
    assert!(matches!(expired.join(), Err(JoinError::Expired)));
    wait_until("all have ended", || rig.stats().waiting + rig.stats().running == 0);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    rig.task().weight(10).on_full(OnFull::BlockFor(PATIENCE)).execute(|| ()).expect("free");
    assert_eq!(rig.purge(), 1);
    rig.task().weight(10).execute(|| ()).expect("released by the purge");
    gate.open();
    wait_until("all have ended", || rig.stats().waiting + rig.stats().running == 0);
    wait_until("the last task has released its weight", || rig.task().weight(10).execute(|| ()).is_ok());
    rig.finish();
}

#[test]
fn a_refused_task_releases_its_weight() {
    let rig = Rig::with(pool(1).budget(10).queue_capacity(1));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    rig.execute(|| ()).expect("within the capacity");
    for _ in 0..3 {
        let refused = rig.task().weight(10).submit(|| 5).expect_err("the queue is full");
        assert_eq!((refused.kind, refused.into_inner()()), (SubmitErrorKind::Full, 5));
    }
    gate.open();
    wait_until("the queue is empty", || rig.stats().waiting + rig.stats().running == 0);
    rig.task().weight(10).submit(|| ()).expect("free").join().expect("runs");
    rig.shutdown().expect("shuts down");
    let refused = rig.task().weight(10).submit(|| 6).expect_err("closed");
    assert_eq!((refused.kind, refused.into_inner()()), (SubmitErrorKind::Closed, 6));
    rig.finish();
}

#[test]
fn a_task_heavier_than_the_budget_is_refused_or_runs_alone() {
    let rig = Rig::with(pool(2).budget(10));
    for weight in [11, u64::MAX] {
        let too_heavy = SubmitErrorKind::Overweight { weight, budget: 10 };
        assert_eq!(
            too_heavy.to_string(),
            format!("the task weighs {weight}, and the whole budget of the pool is 10")
        );
        let refused = rig.task().weight(weight).submit(|| 5).expect_err("too heavy");
        assert_eq!((refused.kind, refused.into_inner()()), (too_heavy, 5));
        let refused =
            pollster::block_on(rig.task().weight(weight).submit_async(|| 5)).expect_err("too heavy");
        assert_eq!(refused.kind, too_heavy);
    }
    rig.finish();

    let rig = Rig::with(Pool::builder().workers(2).budget(10).overweight(Overweight::RunAlone));
    let running = Arc::new(AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..8 {
            let (rig, running) = (&rig, running.clone());
            scope.spawn(move || {
                for _ in 0..50 {
                    let running = running.clone();
                    let weight = if n % 2 == 0 { u64::MAX } else { 1 };
                    let task = move || {
                        let others = running.fetch_add(1, Ordering::SeqCst);
                        assert!(weight == 1 || others == 0, "a task heavier than the budget runs alone");
                        running.fetch_sub(1, Ordering::SeqCst);
                    };
                    rig.task().weight(weight).submit(task).expect("waits").join().expect("alone");
                }
            });
        }
    });
    rig.finish();
}

/// The tasks that wait and run never weigh more than the budget together, in whatever order they arrive, and
/// each of them gets its turn.
#[test]
fn the_budget_is_never_exceeded() {
    for workers in [1, 4] {
        let rig = Rig::with(Pool::builder().workers(workers).budget(20).queue_capacity(5));
        let (used, hits) = (Arc::new(AtomicU64::new(0)), Hits::new(8 * 100));
        thread::scope(|scope| {
            for producer in 0..8 {
                let (rig, used, hits) = (&rig, &used, &hits);
                scope.spawn(move || {
                    for n in 0..100 {
                        let weight = [1, 2, 5, 20, 0, 19][(producer + n) % 6];
                        let (used, hits) = (used.clone(), hits.clone());
                        let task = move || {
                            assert!(used.fetch_add(weight, Ordering::SeqCst) + weight <= 20);
                            hits.hit(producer * 100 + n);
                            used.fetch_sub(weight, Ordering::SeqCst);
                        };
                        let task = rig
                            .task()
                            .weight(weight)
                            .on_full(OnFull::BlockFor(PATIENCE))
                            .submit(task)
                            .expect("waits");
                        if n % 10 == 0 {
                            task.join().expect("within the budget");
                        }
                    }
                });
            }
        });
        let stats = rig.finish();
        assert_eq!((stats.panicked, stats.completed), (0, 800));
        hits.assert_once_each();
    }
}

/// Light tasks do not overtake a heavy task at the head of the wait queue, although enough of the budget is
/// free for them.
#[test]
fn light_tasks_do_not_starve_a_heavy_one() {
    let rig = Rig::with(pool(2).budget(10));
    let gate = Gate::new();
    let visitor = gate.visitor();
    rig.task().weight(5).execute(move || visitor.pass()).expect("free");
    thread::scope(|scope| {
        scope.spawn(|| {
            rig.task()
                .weight(10)
                .on_full(OnFull::BlockFor(PATIENCE))
                .execute(|| ())
                .expect("it gets its turn")
        });
        wait_until("it waits", || rig.stats().blocked == 1);
        assert_eq!(
            rig.task().weight(1).execute(|| ()).expect_err("not before it").kind,
            SubmitErrorKind::Full
        );
        rig.execute(|| ()).expect("a task without a weight does not wait");
        gate.open();
    });
    rig.finish();
}

#[test]
fn futures_wait_for_both() {
    let rig = Rig::with(pool(1).budget(10).queue_capacity(1));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    rig.task().weight(9).execute(|| ()).expect("free");
    let hits = Hits::new(50);
    thread::scope(|scope| {
        for n in 0..50 {
            let task = hits.task(n);
            let submitting = rig.task().weight(n as u64 % 11).submit_async(task);
            scope.spawn(move || {
                pollster::block_on(submitting).expect("waits").join().expect("runs");
            });
        }
        wait_until("they wait", || rig.stats().blocked == 50);
        gate.open();
    });
    hits.assert_once_each();
    rig.finish();
}

/// A task of the pool overdraws the budget instead of waiting, because it may hold the budget itself.
#[test]
fn a_task_never_waits_for_its_own_budget() {
    let rig = Rig::with(Pool::builder().workers(1).budget(10));
    let pool = rig.pool().clone();
    let task = rig.task().weight(10).submit(move || {
        let inner = pool.task().weight(10).submit(|| 5).expect("by overdraw");
        inner.join().expect("ran")
    });
    assert_eq!(task.expect("free").join().expect("ran"), 5);
    wait_until("the task has dropped its pool", || Arc::strong_count(rig.pool()) == 1);
    wait_until("the whole budget is free", || {
        rig.task().weight(10).on_full(OnFull::Reject).execute(|| ()).is_ok()
    });
    rig.finish();
}

#[test]
fn a_shutdown_returns_the_tasks_that_wait_for_the_budget() {
    let rig = Rig::with(Pool::builder().workers(1).budget(10));
    let gate = Gate::new();
    let visitor = gate.visitor();
    rig.task().weight(10).execute(move || visitor.pass()).expect("free");
    thread::scope(|scope| {
        for n in 0..4u64 {
            let rig = &rig;
            scope.spawn(move || {
                let refused = if n % 2 == 0 {
                    rig.task()
                        .weight(n + 1)
                        .submit(move || n)
                        .map(drop)
                        .map_err(|e| (e.kind, e.into_inner()()))
                } else {
                    let submitting = rig.task().weight(n + 1).submit_async(move || n);
                    pollster::block_on(submitting).map(drop).map_err(|e| (e.kind, e.into_inner()()))
                };
                assert_eq!(refused, Err((SubmitErrorKind::Closed, n)));
            });
        }
        wait_until("all wait", || rig.stats().blocked == 4);
        assert!(rig.shutdown_timeout(Duration::ZERO).is_err(), "the worker is held");
        wait_until("no producer waits", || rig.stats().blocked == 0);
        gate.open();
    });
    rig.finish();
}

/// Tasks of a lane need permits of the pool like all other tasks, and no policy makes more of them run at a
/// time than the lane allows.
#[test]
fn a_lane_on_a_full_pool_keeps_its_limit() {
    for on_full in [OnFull::Block, OnFull::CallerRuns, OnFull::BlockFor(PATIENCE)] {
        let rig = Rig::with(Pool::builder().workers(3).queue_capacity(2).on_full(on_full));
        let lane = rig.lane(1).build().expect("a lane");
        let (running, hits) = (Arc::new(AtomicUsize::new(0)), Hits::new(300));
        let task = |n: usize| {
            let (running, hits) = (running.clone(), hits.clone());
            move || {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                hits.hit(n);
                running.fetch_sub(1, Ordering::SeqCst);
            }
        };
        thread::scope(|scope| {
            let (lane, task) = (&lane, &task);
            scope.spawn(move || (0..100).for_each(|n| lane.execute(task(n)).expect("open")));
            scope.spawn(move || (100..200).for_each(|n| drop(lane.submit(task(n)).expect("open"))));
            // Tasks of the pool submit to the lane.
            let inside: Vec<_> = (200..300).map(|n| (lane.clone(), task(n))).collect();
            for (lane, task) in inside {
                rig.execute(move || lane.execute(task).expect("open")).expect("open");
            }
        });
        wait_until("all have run", || hits.total() == 300);
        hits.assert_once_each();
        drop(lane);
        assert_eq!(rig.finish().panicked, 0);
    }
}

/// A group adds its tasks under a lock. A full pool must not wait for a task that needs that lock, by any
/// policy.
#[test]
fn a_group_on_a_full_pool() {
    for on_full in [OnFull::Block, OnFull::CallerRuns, OnFull::Drop] {
        let rig = Rig::with(Pool::builder().workers(1).queue_capacity(1).on_full(on_full));
        let group = rig.group::<usize, ()>();
        group
            .submit({
                let group = group.clone();
                move || {
                    // The group's own tasks run on the only worker, one inside the other.
                    (0..20).for_each(|n| group.submit(move || n).expect("open"));
                    20
                }
            })
            .expect("open");
        for n in 0..50 {
            group.submit(move || n).expect("open");
        }
        let results = group.join_all();
        assert_eq!(results.len(), 71);
        let ran = results.iter().filter(|result| result.is_ok()).count();
        assert!(ran == 71 || on_full == OnFull::Drop);
        drop(group);
        rig.finish();
    }
}

/// A waker whose drop panics does not lose what its future was granted.
#[test]
fn a_panic_in_the_drop_of_a_waker_loses_no_weight() {
    let rig = Rig::with(pool(1).budget(10));
    for _ in 0..3 {
        let mut submitting = std::pin::pin!(rig.task().weight(10).submit_async(|| 6 * 7));
        let waker = bad_waker();
        let polled =
            catch_unwind(AssertUnwindSafe(|| submitting.as_mut().poll(&mut Context::from_waker(&waker))));
        let Ok(Poll::Ready(Ok(handle))) = polled else { panic!("the weight is free, and was not granted") };
        assert_eq!(handle.join().expect("runs"), 42);
        wait_until("all have ended", || rig.stats().waiting + rig.stats().running == 0);
    }
    rig.shutdown().expect("shuts down");
    rig.finish();
}

/// A waker whose clones panic in their drop.
fn bad_waker() -> Waker {
    const CLONES: RawWakerVTable =
        RawWakerVTable::new(clone, drop, drop, |_| quiet_panic("a clone is dropped"));
    const FIRST: RawWakerVTable = RawWakerVTable::new(clone, drop, drop, drop);
    fn clone(_: *const ()) -> RawWaker {
        RawWaker::new(std::ptr::null(), &CLONES)
    }
    // SAFETY: the functions of the table do not use the pointer, and any thread may call them at any time.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &FIRST)) }
}
