//! Lanes: parts of a pool with a concurrency limit of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use longshore::{BuildError, JoinError, Priority, SubmitErrorKind};

use super::*;
use crate::support::{Census, Gate, Hits, quiet_panic, wait_until};

/// How many tasks of a lane run now, and the most that ran at a time.
#[derive(Default)]
struct Width {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Width {
    fn task(self: &Arc<Self>) -> impl FnOnce() + Send + use<> {
        let width = self.clone();
        move || {
            let now = width.now.fetch_add(1, Ordering::SeqCst) + 1;
            width.most.fetch_max(now, Ordering::SeqCst);
            thread::yield_now();
            width.now.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn no_more_tasks_than_the_limit_run_at_a_time() {
    for limit in [1, 2, 3] {
        let rig = Rig::new(4);
        let lane = rig.lane(limit).build().expect("a limit");
        let width = Arc::new(Width::default());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..1000).for_each(|_| lane.execute(width.task()).expect("open")));
            }
        });
        wait_until("all have ended", || lane.stats().finished == 3000);
        assert!(width.most.load(Ordering::SeqCst) <= limit);
        let stats = lane.stats();
        assert_eq!((stats.submitted, stats.waiting, stats.running), (3000, 0, 0));
        assert_eq!(rig.finish().completed, 3000);
    }
}

#[test]
fn a_full_lane_refuses_tasks_and_does_not_block_the_pool() {
    let rig = Rig::new(2);
    let lane = rig.lane(1).queue_capacity(2).build().expect("a limit");
    let gate = Gate::new();
    let visitor = gate.visitor();
    lane.execute(move || visitor.pass()).expect("free");
    gate.wait_for(1);
    let waiting = [(); 2].map(|()| lane.submit(|| 1).expect("within the capacity"));
    let census = Census::default();
    let captured = census.citizen();
    let refused = lane.submit(move || captured.check()).expect_err("full");
    assert_eq!(refused.kind, SubmitErrorKind::Full);
    (refused.into_inner())();
    assert_eq!(rig.submit(|| 2).expect("open").join().expect("runs beside the lane"), 2);
    gate.open();
    waiting.into_iter().for_each(|handle| assert_eq!(handle.join().expect("runs"), 1));
    rig.finish();
    census.assert_all_gone();
}

#[test]
fn tasks_of_a_lane_may_wait_for_each_other_on_one_worker() {
    let rig = Rig::new(1);
    let lane = rig.lane(2).build().expect("a limit");
    let inner = lane.clone();
    let outer = lane.submit(move || inner.submit(|| 3).expect("open").join().expect("runs") + 1);
    assert_eq!(outer.expect("open").join().expect("runs"), 4);
    // And a task of the pool waits for a task of the lane.
    let inner = lane.clone();
    let outer = rig.submit(move || inner.submit(|| 5).expect("open").join().expect("runs"));
    assert_eq!(outer.expect("open").join().expect("runs"), 5);
    rig.finish();
}

#[test]
fn a_waiter_does_not_break_the_limit() {
    let rig = Rig::new(3);
    let lane = rig.lane(1).build().expect("a limit");
    let width = Arc::new(Width::default());
    let waiters: Vec<_> = (0..200)
        .map(|_| {
            let (lane, task) = (lane.clone(), width.task());
            rig.submit(move || lane.submit(task).expect("open").join().expect("runs")).expect("open")
        })
        .collect();
    waiters.into_iter().for_each(|waiter| waiter.join().expect("runs"));
    assert_eq!(width.most.load(Ordering::SeqCst), 1);
    rig.finish();
}

#[test]
fn panicked_and_cancelled_tasks_free_their_place() {
    let rig = Rig::new(2);
    let lane = rig.lane(1).build().expect("a limit");
    for i in 0..300 {
        match i % 3 {
            0 => lane.execute(|| quiet_panic("on purpose")).expect("open"),
            1 => assert!(lane.submit(|| ()).expect("open").cancel() || i > 0),
            _ => lane.execute(|| ()).expect("open"),
        }
    }
    assert_eq!(lane.submit(|| 6).expect("open").join().expect("the lane still works"), 6);
    wait_until("all have ended", || lane.stats().finished == 301);
    rig.finish();
}

#[test]
fn a_shutdown_drains_a_lane() {
    let rig = Rig::new(2);
    let lane = rig.lane(1).build().expect("a limit");
    let hits = Hits::new(500);
    (0..500).for_each(|i| lane.execute(hits.task(i)).expect("open"));
    rig.shutdown().expect("from outside");
    hits.assert_once_each();
    assert_eq!(lane.submit(|| ()).expect_err("closed").kind, SubmitErrorKind::Closed);
    rig.finish();
}

#[test]
fn a_stop_cancels_the_queued_tasks_of_a_lane() {
    let rig = Rig::new(1);
    let lane = rig.lane(1).build().expect("a limit");
    let gate = Gate::new();
    let visitor = gate.visitor();
    let running = lane.submit(move || visitor.pass()).expect("free");
    gate.wait_for(1);
    let waiting: Vec<_> = (0..100).map(|_| lane.submit(|| ()).expect("within the capacity")).collect();
    thread::scope(|scope| {
        let ending = scope.spawn(|| rig.shutdown_now());
        wait_until("the pool is closed", || rig.execute(|| ()).is_err());
        gate.open();
        ending.join().expect("no panic").expect("from outside");
    });
    running.join().expect("it had started");
    assert!(waiting.into_iter().all(|handle| handle.join().is_err_and(|error| error.is_cancelled())));
    assert_eq!(lane.stats().finished, 101);
    rig.finish();
}

#[test]
fn a_lane_may_be_used_while_its_pool_is_closed() {
    for _ in 0..100 {
        let pool = Pool::builder().workers(2).build().expect("builds");
        let lane = pool.lane(1).build().expect("a limit");
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let lane = lane.clone();
                thread::spawn(move || {
                    let mut handles = Vec::new();
                    while let Ok(handle) = lane.submit(|| ()) {
                        handles.push(handle);
                    }
                    // Each of them ends.
                    handles.into_iter().map(|handle| handle.join()).filter(Result::is_ok).count()
                })
            })
            .collect();
        wait_until("some have run", || lane.stats().finished > 10);
        drop(pool);
        let ran: usize = producers.into_iter().map(|producer| producer.join().expect("no panic")).sum();
        assert!(ran > 10);
        let stats = lane.stats();
        assert_eq!((stats.submitted, stats.waiting, stats.running), (stats.finished, 0, 0));
    }
}

#[test]
fn bad_limits_and_extreme_options() {
    let rig = Rig::new(1);
    let error = rig.lane(0).build().expect_err("no task could run");
    assert!(matches!(error, BuildError::ZeroLimit) && error.to_string().contains('0'));
    let lane = rig.lane(usize::MAX).priority(Priority::High).queue_capacity(0).build().expect("a limit");
    assert_eq!(lane.submit(|| 8).expect("open").join().expect("runs"), 8);
    assert!(format!("{lane:?}").contains("limit"));
    rig.finish();
}

#[test]
fn a_pool_that_is_stopped_counts_the_tasks_that_wait_in_its_lanes() {
    for (limit, cancelled_before) in [(1, 0), (1, 2), (1, 10), (3, 0), (3, 10)] {
        let rig = Rig::new(1);
        let gate = Gate::new();
        gate.hold(&rig, 1);
        let lane = rig.lane(limit).build().expect("a limit");
        let handles: Vec<_> = (0..10).map(|_| lane.submit(|| ()).expect("open")).collect();
        handles[..cancelled_before].iter().for_each(|handle| assert!(handle.cancel()));
        assert_eq!(rig.stats().submitted, 11);
        let probes = AtomicUsize::new(0);
        let discarded = thread::scope(|scope| {
            let stop = scope.spawn(|| rig.shutdown_now().expect("shuts down"));
            let is_closed = || rig.execute(|| ()).map(|()| probes.fetch_add(1, Ordering::Relaxed)).is_err();
            wait_until("the pool is closed", is_closed);
            gate.open();
            stop.join().expect("no panic")
        });
        let probes = probes.into_inner() as u64;
        assert_eq!(discarded, probes + 10 - cancelled_before as u64);
        assert!(handles.into_iter().all(|handle| matches!(handle.join(), Err(JoinError::Cancelled))));
        let stats = rig.finish();
        let counts = (stats.submitted - probes, stats.cancelled - probes, stats.completed);
        assert_eq!(counts, (11, 10, 1), "{stats:?}");
        let lane = lane.stats();
        assert_eq!((lane.submitted, lane.finished, lane.waiting + lane.running), (10, 10, 0), "{lane:?}");
    }
}
