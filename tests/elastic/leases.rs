//! External threads lease workers that are to retire.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::alone::alone;
use crate::resizer::resize_until_none_is_left;
use crate::support::{Gate, Rig, scaled, seed, wait_until};

/// The worker that is to retire is leased, and the other one is busy: it retires when the lease has ended,
/// and not before.
#[test]
fn a_leased_worker_retires_when_the_lease_has_ended() {
    const TASKS: usize = 100;
    let alone = alone();
    let (rig, here) = (Rig::new(2), thread::current().id());
    for round in 1..=20 {
        rig.set_workers(2).expect("within the range");
        let gate = Gate::new();
        gate.hold(&*rig, 1);
        let ran = AtomicUsize::new(0);
        // If the other worker is awake it cannot be leased, and the scope is sent in.
        wait_until("the scope ran in a lease", || {
            rig.scope(|scope| {
                if thread::current().id() != here {
                    return false;
                }
                rig.set_workers(1).expect("within the range");
                for _ in 0..TASKS {
                    scope.spawn(|| _ = ran.fetch_add(1, Ordering::Relaxed));
                }
                assert_eq!(rig.workers(), 2, "one is busy, and the other is this thread");
                true
            })
        });
        assert_eq!(ran.into_inner(), TASKS);
        wait_until("the worker has retired", || rig.workers() == 1);
        alone.wait_for_threads(1);
        gate.open();
        assert_eq!(rig.stats().retired, round);
    }
    rig.finish();
}

/// Scopes and joins of external threads, with scopes inside, while workers come and go.
#[test]
fn external_threads_finish_their_scopes_while_workers_retire() {
    const THREADS: usize = 3;
    let alone = alone();
    let (rig, seed, rounds) = (Rig::new(6), seed(), scaled(150));
    let inside = AtomicUsize::new(THREADS);
    let visit = || {
        for round in (0..rounds).map(|round| round % 500) {
            let count = AtomicUsize::new(0);
            rig.scope(|scope| {
                for _ in 0..20 {
                    scope.spawn(|| {
                        let again = || _ = count.fetch_add(1, Ordering::Relaxed);
                        longshore::scope(|inner| (0..3).for_each(|_| inner.spawn(again)));
                    });
                }
            });
            assert_eq!(count.into_inner(), 60);
            let sum = |range: std::ops::Range<usize>| range.sum::<usize>();
            let halves = rig.join(|| sum(0..round), || longshore::join(|| sum(round..500), || sum(500..900)));
            assert_eq!(halves.0 + halves.1.0 + halves.1.1, sum(0..900));
        }
        inside.fetch_sub(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        (0..THREADS).for_each(|_| _ = scope.spawn(visit));
        resize_until_none_is_left(&**rig, 6, seed, &inside);
    });
    rig.set_workers(1).expect("within the range");
    alone.wait_for_threads(1);
    rig.finish();
}
