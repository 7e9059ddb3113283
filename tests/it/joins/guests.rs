//! Threads from outside that act as workers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use longshore::Pool;
use rand::RngExt;

use super::fib;
use crate::support::{Hits, PATIENCE, Rig, quiet_panic, rng, scaled, seed, wait_until, watchdog};

/// A thread enters while another one pushes a task, and stays until somebody else has run that: if it borrows the very
/// worker on which the push relies, another one has to be woken.
#[test]
fn a_guest_takes_no_wake_up_with_it() {
    let rig = Rig::new(2);
    let (rounds, seed) = (scaled(10_000), seed());
    let ran = Arc::new(AtomicUsize::new(0));
    let together = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = rng(seed, 0);
            for _ in 0..rounds {
                together.wait();
                (0..rng.random_range(0..200)).for_each(|_| std::hint::spin_loop());
                let ran = ran.clone();
                rig.execute(move || _ = ran.fetch_add(1, Ordering::Release)).expect("open");
            }
        });
        let mut rng = rng(seed, 1);
        for round in 1..=rounds {
            together.wait();
            (0..rng.random_range(0..200)).for_each(|_| std::hint::spin_loop());
            rig.enter(|_| {
                while ran.load(Ordering::Acquire) < round {
                    thread::yield_now();
                }
            });
        }
    });
    assert_eq!(ran.load(Ordering::Acquire), rounds);
    rig.finish();
}

/// What is accepted while the pool closes runs, whoever submitted it.
#[test]
fn what_a_guest_submits_while_the_pool_closes_is_run_or_refused() {
    let _watchdog = watchdog("what_a_guest_submits_while_the_pool_closes_is_run_or_refused", PATIENCE);
    let seed = seed();
    for round in 0..scaled(1_000) {
        let pool = Pool::builder().workers(1 + round % 2).build().expect("starts");
        let hits = Hits::new(30);
        let together = Barrier::new(2);
        let accepted: usize = thread::scope(|scope| {
            let guest = scope.spawn(|| {
                together.wait();
                let mut accepted = 0;
                for visit in 0..10 {
                    // On a pool that is closed the thread does it alone, and accepts everything.
                    let submit = |task: usize| longshore::execute(hits.task(3 * visit + task)).is_ok();
                    accepted += pool.enter(|_| (0..3).map(submit).filter(|&accepted| accepted).count());
                }
                accepted
            });
            together.wait();
            (0..rng(seed, round as u64).random_range(0..2_000)).for_each(|_| std::hint::spin_loop());
            pool.shutdown().expect("ends");
            guest.join().expect("no panic")
        });
        hits.assert_at_most_once_each();
        assert_eq!(hits.total(), accepted, "round {round}");
    }
}

/// The worker is given back by whatever way the visit ends, with what it has in its queues.
#[test]
fn a_guest_that_panics_gives_its_worker_back() {
    let rig = Rig::new(1);
    for round in 0..500u64 {
        let left = std::sync::Mutex::new(None);
        let result = catch_unwind(AssertUnwindSafe(|| {
            rig.enter(|cx| {
                *left.lock().expect("not poisoned") = Some(longshore::submit(move || round).expect("inside"));
                cx.join(|_| quiet_panic(round), |cx| fib(cx, 5));
            });
        }));
        assert_eq!(result.expect_err("panics").downcast_ref(), Some(&round));
        let left = left.into_inner().expect("not poisoned").expect("submitted");
        assert_eq!(left.join().expect("ran"), round);
        assert_eq!(longshore::current_worker(), None);
    }
    rig.finish();
}

/// A guest runs what it waits for. What an earlier guest has left behind is for the pool's own threads.
#[test]
fn a_guest_runs_only_what_it_needs() {
    let rig = Rig::new(1);
    let here = thread::current().id();
    for _ in 0..1_000 {
        let stray = rig.enter(|_| longshore::submit(|| thread::current().id()).expect("inside"));
        let (me, it) = rig.enter(|_| {
            let own = longshore::submit(|| thread::current().id()).expect("inside");
            (thread::current().id(), own.join().expect("ran"))
        });
        assert_eq!(me, it, "the only worker waits");
        assert_ne!(stray.join().expect("ran"), here);
    }
    rig.finish();
}

/// A pool that runs on borrowed workers alone: all of them are out, and more threads come than there are.
#[test]
fn more_guests_than_workers() {
    let rig = Rig::new(2);
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..200 {
                    rig.enter(|_| {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            });
        }
    });
    let most = most.into_inner();
    assert!(most <= 2, "{most} at once in the place of two workers");
    wait_until("they are at home again", || rig.submit(|| ()).expect("open").join().is_ok());
    rig.finish();
}
