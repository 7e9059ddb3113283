//! Pools that follow their load. Both kinds share the code that decides, so the pools here push.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::{Pool, Release, Scaling};

use crate::alone::alone;
use crate::support::{Gate, PATIENCE, Rig, cpu_time, let_time_pass, wait_until, watchdog};

/// Longer than any test takes, so that workers stay.
const FOR_EVER: Duration = Duration::from_secs(3600);

#[test]
fn a_pool_may_end_before_its_autoscaler_has_begun() {
    let _watchdog = watchdog("pools that end at once", PATIENCE);
    for _ in 0..200 {
        drop(
            Pool::builder()
                .workers(1..=4)
                .scaling(Scaling::eager().spare_threads(1))
                .build()
                .expect("builds"),
        );
    }
}

#[test]
fn a_burst_makes_it_grow_and_idleness_makes_it_shrink() {
    let alone = alone();
    for release in [Release::EachByItself, Release::Together] {
        let scaling = Scaling::eager().idle_timeout(Duration::from_millis(20)).release(release);
        let rig = Rig::with(Pool::builder().workers(1..=32).scaling(scaling));
        for _ in 0..3 {
            let gate = Gate::new();
            gate.hold(&rig, 32); // held by 32 workers at the same time
            assert_eq!(rig.workers(), 32);
            gate.open();
            wait_until("it has the minimum of workers again", || rig.workers() == 1);
            alone.wait_for_threads(1 + 1);
        }
        let stats = rig.finish();
        assert_eq!((stats.grown, stats.retired), (3 * 31, 3 * 31));
    }
}

#[test]
fn a_balanced_pool_grows_when_tasks_are_long() {
    let _alone = alone();
    let rig = Rig::with(Pool::builder().workers(1..=8).scaling(Scaling::balanced().idle_timeout(FOR_EVER)));
    let gate = Gate::new();
    gate.hold(&rig, 8);
    gate.open();
    assert_eq!(rig.workers(), 8);
    rig.finish();
}

#[test]
fn a_lazy_pool_grows_too_if_its_workers_do_not_suffice() {
    let _alone = alone();
    let scaling = Scaling::lazy().period(Duration::from_millis(1)).idle_timeout(FOR_EVER);
    let rig = Rig::with(Pool::builder().workers(1..=4).scaling(scaling));
    let gate = Gate::new();
    gate.hold(&rig, 4);
    gate.open();
    rig.finish();
}

#[test]
fn spare_threads_are_no_workers() {
    let alone = alone();
    let scaling = Scaling::eager().spare_threads(2).idle_timeout(FOR_EVER);
    let rig = Rig::with(Pool::builder().workers(1..=4).scaling(scaling));
    alone.wait_for_threads(1 + 2 + 1);
    assert_eq!(rig.workers(), 1);
    let gate = Gate::new();
    gate.hold(&rig, 4);
    gate.open();
    alone.wait_for_threads(4 + 1);
    assert_eq!(rig.finish().grown, 3);
    alone.wait_for_threads(0);
}

#[test]
fn it_stays_within_a_changed_range() {
    let _alone = alone();
    let rig = Rig::with(Pool::builder().workers(1..=8).scaling(Scaling::eager().idle_timeout(FOR_EVER)));
    rig.set_workers(2..=3).expect("within the range");
    assert_eq!(rig.workers(), 2, "the minimum of workers is there");
    let gate = Gate::new();
    gate.hold(&rig, 3);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let ran = ran.clone();
        rig.execute(move || _ = ran.fetch_add(1, Ordering::Relaxed)).expect("open");
    }
    assert_eq!(rig.workers(), 3);
    rig.set_workers(1..=8).expect("within the range");
    wait_until("another worker runs the waiting tasks", || ran.load(Ordering::Relaxed) == 100);
    gate.open();
    rig.finish();
}

#[test]
fn a_pool_of_fixed_size_can_become_elastic() {
    let alone = alone();
    let scaling = Scaling::eager().idle_timeout(Duration::ZERO);
    let rig = Rig::with(Pool::builder().workers(4).scaling(scaling));
    alone.wait_for_threads(4);
    rig.set_workers(1..=4).expect("within the range");
    alone.wait_for_threads(1 + 1);
    let gate = Gate::new();
    gate.hold(&rig, 4);
    gate.open();
    rig.set_workers(4).expect("within the range");
    alone.wait_for_threads(4 + 1);
    rig.finish();
}

#[test]
fn forks_and_scopes_make_it_grow() {
    let _alone = alone();
    let rig = Rig::with(Pool::builder().workers(1..=2).scaling(Scaling::eager().idle_timeout(FOR_EVER)));
    // Neither side ends before both have begun, so there must be a second worker.
    let meet = std::sync::Barrier::new(2);
    rig.join(|| _ = meet.wait(), || _ = meet.wait());
    rig.scope(|scope| (0..2).for_each(|_| scope.spawn(|| _ = meet.wait())));
    rig.finish();
}

#[test]
fn structured_work_survives_workers_that_come_and_go() {
    let _alone = alone();
    let scaling = Scaling::eager().idle_timeout(Duration::ZERO);
    let rig = Rig::with(Pool::builder().workers(1..=6).scaling(scaling));
    fn sum(range: std::ops::Range<u64>) -> u64 {
        if range.end - range.start < 64 {
            return range.sum();
        }
        let middle = (range.start + range.end) / 2;
        let (a, b) = longshore::join(|| sum(range.start..middle), || sum(middle..range.end));
        a + b
    }
    for round in 0..200u64 {
        let n = 1_000 + round;
        assert_eq!(rig.join(|| sum(0..n), || sum(n..2 * n)), (n * (n - 1) / 2, (n..2 * n).sum()));
        let count = AtomicUsize::new(0);
        rig.scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(count.into_inner(), 20);
    }
    rig.finish();
}

#[test]
fn without_work_it_uses_no_processor_time() {
    let alone = alone();
    let scaling = Scaling::eager().idle_timeout(Duration::ZERO).release(Release::Together);
    let rig = Rig::with(Pool::builder().workers(2..=16).scaling(scaling));
    let gate = Gate::new();
    gate.hold(&rig, 16);
    gate.open();
    wait_until("it has the minimum of workers again", || rig.workers() == 2);
    alone.wait_for_threads(2 + 1);
    // The autoscaler takes one or two more samples.
    let quiet = || {
        let before = cpu_time();
        let_time_pass(Duration::from_millis(300));
        cpu_time() - before
    };
    wait_until("no thread does anything", || quiet() < Duration::from_millis(1));
    rig.finish();
}
