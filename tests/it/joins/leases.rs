//! External threads that lease a worker.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use longshore::Pool;
use rand::RngExt;

use super::fib;
use crate::support::{Hits, PATIENCE, Rig, quiet_panic, rng, scaled, seed, wait_until, watchdog};

/// A thread enters the pool while another thread pushes a task, and stays until a worker has run that task.
/// If it leases the very worker on which the push relies, another worker must be woken.
#[test]
fn a_lease_does_not_lose_a_wake_up() {
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

/// Tasks that are accepted while the pool closes run, whichever thread submits them.
#[test]
fn tasks_of_a_lease_in_a_closing_pool_run_or_are_refused() {
    let _watchdog = watchdog("tasks_of_a_lease_in_a_closing_pool_run_or_are_refused", PATIENCE);
    let seed = seed();
    for round in 0..scaled(1_000) {
        let pool = Pool::builder().workers(1 + round % 2).build().expect("starts");
        let hits = Hits::new(30);
        let together = Barrier::new(2);
        let accepted: usize = thread::scope(|scope| {
            let entering = scope.spawn(|| {
                together.wait();
                let mut accepted = 0;
                for visit in 0..10 {
                    // In a closed pool the thread does all of the work itself, and every task is accepted.
                    let submit = |task: usize| longshore::execute(hits.task(3 * visit + task)).is_ok();
                    accepted += pool.enter(|_| (0..3).map(submit).filter(|&accepted| accepted).count());
                }
                accepted
            });
            together.wait();
            (0..rng(seed, round as u64).random_range(0..2_000)).for_each(|_| std::hint::spin_loop());
            pool.shutdown().expect("ends");
            entering.join().expect("no panic")
        });
        hits.assert_at_most_once_each();
        assert_eq!(hits.total(), accepted, "round {round}");
    }
}

/// The lease ends when the call ends in whatever way, and tasks in the worker's queues remain.
#[test]
fn a_panic_ends_the_lease() {
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

/// A thread that leases a worker runs what it waits for. Tasks that an earlier lease has left behind are run
/// by the pool's own threads.
#[test]
fn an_external_thread_runs_only_what_it_awaits() {
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

/// All workers of a pool are leased, and more external threads come than there are workers.
#[test]
fn more_external_threads_than_workers() {
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
    assert!(most <= 2, "{most} threads acted as two workers at once");
    wait_until("the workers are back", || rig.submit(|| ()).expect("open").join().is_ok());
    rig.finish();
}
