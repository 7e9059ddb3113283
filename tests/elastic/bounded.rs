//! Bounded pools whose number of workers changes: the capacity is that of the pool, however many workers
//! there are.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use longshore::{OnFull, Scaling, SubmitErrorKind};

use super::*;
use crate::alone::alone;
use crate::support::{AnyRig, Gate, Hits, PATIENCE, scaled, wait_until};

type Rig = AnyRig<Pool>;

const WORKERS: usize = 8;

fn bounded(capacity: usize, on_full: OnFull) -> Rig {
    Rig::with(Pool::builder().workers(WORKERS).queue_capacity(capacity).on_full(on_full))
}

#[test]
fn the_capacity_does_not_depend_on_the_number_of_workers() {
    let alone = alone();
    for capacity in [0, 1, 100] {
        let rig = bounded(capacity, OnFull::Block);
        let mut accepted = 0;
        for n in [8, 1, 5, 2, 8] {
            rig.set_workers(n).expect("within the range");
            alone.wait_for_threads(n);
            let gate = Gate::new();
            // Each of them must have begun before the next one gets a permit.
            (0..n).for_each(|_| gate.hold(&*rig, 1));
            for _ in 0..capacity {
                rig.try_execute(|| ()).expect("within the capacity");
            }
            for _ in 0..3 {
                assert_eq!(rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
            }
            let stats = rig.stats();
            assert_eq!((stats.waiting, stats.running), (capacity as u64, n as u64));
            accepted += n + capacity;
            gate.open();
            wait_until("all have ended", || rig.stats().waiting + rig.stats().running == 0);
        }
        assert_eq!(rig.finish().completed as usize, accepted);
    }
}

/// With a capacity of 0, a task that waits for another one would keep that one out if its blocked worker
/// counted.
#[test]
fn a_rendezvous_has_permits_for_stand_ins() {
    let _alone = alone();
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(0));
    for round in 0..50 {
        let (sender, receiver) = mpsc::channel();
        let blocked = rig.submit(move || longshore::blocking(|| receiver.recv())).expect("open");
        rig.execute(move || sender.send(round).expect("the receiver waits")).expect("open");
        assert_eq!(blocked.join().expect("ran"), Ok(round));
        // Then there is a permit for one task again, and no more.
        wait_until("both have ended", || rig.stats().running == 0);
        let gate = Gate::new();
        gate.hold(&*rig, 1);
        assert_eq!(rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        gate.open();
    }
    rig.finish();
}

/// A pool that follows its load grows by the tasks that it accepts, up to the present range.
#[test]
fn a_rendezvous_grows_with_the_tasks_that_it_accepts() {
    let _alone = alone();
    let scaling = Scaling::eager();
    let builder = Pool::builder().workers(1..=6).scaling(scaling).queue_capacity(0);
    let rig = Rig::with(builder);
    for most in [6, 2, 4] {
        rig.set_workers(1..=most).expect("within the range");
        let gate = Gate::new();
        gate.hold(&*rig, most);
        assert_eq!(rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        gate.open();
        wait_until("all have ended", || rig.stats().running == 0);
    }
    rig.finish();
}

/// Producers wait, are refused, or run the task themselves, while the pool is resized between 1 and 8
/// workers.
#[test]
fn the_capacity_holds_while_workers_come_and_go() {
    const PRODUCERS: usize = 4;
    let _alone = alone();
    for capacity in [0, 1, 100] {
        for on_full in [OnFull::Block, OnFull::BlockFor(PATIENCE), OnFull::Reject, OnFull::CallerRuns] {
            let (rig, each) = (bounded(capacity, on_full), scaled(400));
            let most = if capacity == 0 { WORKERS } else { capacity } as u64;
            let hits = Hits::new(PRODUCERS * each);
            let (refused, left) = (AtomicUsize::new(0), AtomicUsize::new(PRODUCERS));
            thread::scope(|scope| {
                for producer in 0..PRODUCERS {
                    let (rig, hits, refused, left) = (&rig, &hits, &refused, &left);
                    scope.spawn(move || {
                        for n in producer * each..(producer + 1) * each {
                            match rig.execute(hits.task(n)) {
                                Ok(()) => {}
                                Err(error) => {
                                    assert_eq!(error.kind, SubmitErrorKind::Full);
                                    refused.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                        }
                        left.fetch_sub(1, Ordering::Relaxed);
                    });
                }
                let mut sizes = [1, WORKERS].into_iter().cycle();
                while left.load(Ordering::Relaxed) > 0 {
                    rig.set_workers(sizes.next().expect("endless")).expect("within the range");
                    let stats = rig.stats();
                    assert!(stats.waiting <= most, "{on_full:?}: {stats:?}");
                    thread::yield_now();
                }
            });
            let stats = rig.finish();
            assert_eq!(stats.submitted + refused.into_inner() as u64, (PRODUCERS * each) as u64);
            assert_eq!(stats.completed, hits.total() as u64);
            hits.assert_at_most_once_each();
        }
    }
}
