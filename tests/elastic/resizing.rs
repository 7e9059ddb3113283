//! The number of workers is set by hand while tasks run.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use longshore::{BuildError, OnFull, PinStatus, Pinning, ResizeError, SubmitErrorKind, Workers};

use super::*;
use crate::alone::alone;
use crate::support::{AnyRig, Gate, Hits, Visitor, scaled, wait_until};

type Rig = AnyRig<Pool>;

#[test]
fn a_range_is_checked_when_the_pool_is_built() {
    let _alone = alone();
    let build = |workers: Workers| Pool::builder().workers(workers).build().expect_err("refused");
    assert!(matches!(build(Workers { min: 0, max: 4 }), BuildError::ZeroWorkers));
    assert!(matches!(build(Workers { min: 5, max: 4 }), BuildError::EmptyRange { min: 5, max: 4 }));
    let asked = 4097;
    assert!(matches!(build((1..=4097).into()), BuildError::TooManyWorkers { asked: a, .. } if a == asked));
    let error = Pool::builder().workers(1).blocking_limit(5000).build().expect_err("refused");
    assert!(error.to_string().contains("5000"), "{error}");
}

#[test]
fn a_new_pool_has_the_minimum_of_workers() {
    let alone = alone();
    let rig = Rig::with(Pool::builder().workers(3..=4000));
    assert_eq!(rig.workers(), 3);
    alone.wait_for_threads(3 + 1); // and the autoscaler
    let stats = rig.stats();
    assert_eq!((stats.live, stats.min, stats.max), (3, 3, 4000));
    assert_eq!(stats.workers.len(), 3, "only the present workers have records");
    let gate = Gate::new();
    gate.hold(&*rig, 3);
    gate.open();
    rig.finish();
    alone.wait_for_threads(0);
}

#[test]
fn bad_numbers_are_refused_and_named() {
    let _alone = alone();
    let rig = Rig::new(3);
    assert!(matches!(rig.set_workers(0), Err(ResizeError::ZeroWorkers)));
    let above = rig.set_workers(4).expect_err("refused");
    assert!(matches!(above, ResizeError::AboveMaximum { asked: 4, max: 3 }));
    assert!(above.to_string().contains("4 workers") && above.to_string().contains("maximum is 3"), "{above}");
    let empty = Workers { min: 3, max: 2 };
    assert!(matches!(rig.set_workers(empty), Err(ResizeError::EmptyRange { min: 3, max: 2 })));
    assert_eq!(rig.workers(), 3);
    rig.pool().shutdown().expect("shuts down");
    assert!(matches!(rig.set_workers(2), Err(ResizeError::Closed)));
}

#[test]
fn threads_really_end_and_start() {
    let alone = alone();
    let rig = Rig::new(8);
    for n in [1, 8, 3, 5, 1, 8] {
        rig.set_workers(n).expect("within the range");
        wait_until("the number of workers is right", || rig.workers() == n);
        alone.wait_for_threads(n);
        let gate = Gate::new();
        gate.hold(&*rig, n); // all of them work at the same time
    }
    let stats = rig.finish();
    assert_eq!((stats.grown, stats.retired), (7 + 2 + 7, 7 + 5 + 4));
    assert_eq!(stats.failed_starts, 0);
}

#[test]
fn a_busy_worker_retires_after_its_task() {
    let alone = alone();
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&*rig, 2);
    rig.set_workers(1).expect("within the range");
    let behind = rig.submit(|| 7).expect("open");
    assert_eq!(rig.workers(), 2, "both are in the middle of a task");
    gate.open();
    assert_eq!(behind.join().expect("ran"), 7);
    wait_until("one worker has retired", || rig.workers() == 1);
    alone.wait_for_threads(1);
    rig.finish();
}

#[test]
fn tasks_of_a_retired_worker_are_run_by_others() {
    let _alone = alone();
    let rig = Rig::new(4);
    let (gate, ran) = (Gate::new(), Arc::new(Hits::new(4_000)));
    gate.hold(&*rig, 4);
    // In the inboxes of all workers, and in the injector.
    for task in 0..2_000 {
        let ran = ran.clone();
        rig.execute(move || ran.hit(task)).expect("open");
    }
    let batch = (2_000..4_000).map(|task| {
        let ran = ran.clone();
        move || ran.hit(task)
    });
    rig.execute_batch(batch).expect("open");
    rig.set_workers(1).expect("within the range");
    gate.open();
    wait_until("three workers have retired", || rig.workers() == 1);
    rig.finish();
    ran.assert_once_each();
}

#[test]
fn a_task_may_resize_its_own_pool() {
    let _alone = alone();
    let rig = Rig::new(4);
    let (pool, workers) = (Arc::downgrade(rig.pool()), [1, 4, 2]);
    for n in workers {
        let pool = pool.clone();
        let resized = rig.submit(move || pool.upgrade().expect("alive").set_workers(n)).expect("open");
        resized.join().expect("no panic").expect("within the range");
        wait_until("the number is right", || rig.workers() == n);
    }
    rig.finish();
}

#[test]
fn a_shutdown_meets_workers_that_come_and_go() {
    let alone = alone();
    for round in 0..scaled(60) {
        let rig = Rig::new(6);
        let ran = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            let resizer = scope.spawn(|| {
                let mut n = 1;
                while rig.set_workers(n).is_ok() {
                    n = n % 6 + 1;
                }
            });
            let mut accepted = 0;
            for _ in 0..50 + round {
                let ran = ran.clone();
                rig.execute(move || _ = ran.fetch_add(1, Ordering::Relaxed)).expect("open");
                accepted += 1;
            }
            if round % 2 == 0 {
                rig.pool().shutdown().expect("shuts down");
                assert_eq!(ran.load(Ordering::Relaxed), accepted);
            } else {
                let discarded = rig.pool().shutdown_now().expect("shuts down") as usize;
                assert_eq!(ran.load(Ordering::Relaxed) + discarded, accepted);
            }
            resizer.join().expect("no panic");
        });
        rig.finish();
        alone.wait_for_threads(0);
    }
}

#[test]
fn hooks_are_called_in_pairs() {
    let _alone = alone();
    let (starts, exits) = (Arc::new(Hits::new(4)), Arc::new(Hits::new(4)));
    let (on_start, on_exit) = (starts.clone(), exits.clone());
    let builder = Pool::builder().workers(4);
    let rig = Rig::with(builder.on_start(move |n| on_start.hit(n)).on_exit(move |n| on_exit.hit(n)));
    for n in [1, 4, 2, 4] {
        rig.set_workers(n).expect("within the range");
        wait_until("the number is right", || rig.workers() == n);
        // A worker that retires runs its exit hook before its number is used again.
        wait_until("the other workers have retired", || starts.total() - exits.total() == n);
    }
    rig.finish();
    assert_eq!((starts.total(), exits.total()), (4 + 3 + 2, 4 + 3 + 2));
}

#[test]
fn a_task_of_an_exit_hook_runs() {
    let _alone = alone();
    let ran = Arc::new(AtomicUsize::new(0));
    let in_hook = ran.clone();
    let rig = Rig::with(Pool::builder().workers(3).on_exit(move |_| {
        let ran = in_hook.clone();
        // Refused if the pool has ended.
        let _ = longshore::execute(move || _ = ran.fetch_add(1, Ordering::Relaxed));
    }));
    rig.set_workers(1).expect("within the range");
    wait_until("the tasks of two hooks have run", || ran.load(Ordering::Relaxed) == 2);
    rig.finish();
}

#[test]
fn a_start_hook_that_panics_costs_one_worker() {
    let alone = alone();
    let fails = Arc::new(AtomicBool::new(false));
    let in_hook = fails.clone();
    let builder = Pool::builder().workers(4).on_start(move |_| {
        assert!(!in_hook.load(Ordering::Relaxed), "this hook is told to panic");
    });
    let rig = Rig::with(builder);
    rig.set_workers(1).expect("within the range");
    wait_until("one is left", || rig.workers() == 1);
    alone.wait_for_threads(1);
    fails.store(true, Ordering::Relaxed);
    rig.set_workers(3).expect("the threads start");
    wait_until("both have failed", || rig.stats().failed_starts == 2);
    alone.wait_for_threads(1);
    assert_eq!(rig.workers(), 1);
    assert_eq!(rig.submit(|| 5).expect("open").join().expect("ran"), 5);
    fails.store(false, Ordering::Relaxed);
    rig.set_workers(3).expect("within the range");
    let gate = Gate::new();
    gate.hold(&*rig, 3);
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.failed_starts, stats.hook_panics), (2, 2));
}

#[test]
fn a_number_keeps_its_core() {
    let _alone = alone();
    let rig = Rig::with(Pool::builder().workers(3).pinning(Pinning::Compact));
    let pins = || rig.stats().workers.iter().map(|worker| worker.pin).collect::<Vec<_>>();
    let before = pins();
    assert!(before.iter().all(|pin| matches!(pin, PinStatus::Pinned(_) | PinStatus::Refused(_))));
    for n in [1, 3] {
        rig.set_workers(n).expect("within the range");
        wait_until("the number is right", || rig.workers() == n);
    }
    let gate = Gate::new();
    gate.hold(&*rig, 3);
    assert_eq!(pins(), before);
    gate.open();
    rig.finish();
}

#[test]
fn a_paused_pool_is_resized() {
    let _alone = alone();
    let rig = Rig::new(4);
    assert!(rig.pause());
    let waits = rig.submit(|| 3).expect("accepted");
    rig.set_workers(1).expect("within the range");
    wait_until("three workers have retired", || rig.workers() == 1);
    assert!(!waits.is_finished());
    rig.resume();
    assert_eq!(waits.join().expect("ran"), 3);
    rig.finish();
}

/// A thread that ends slowly, because of the destructor of a thread-local, delays only the thread that joins
/// it.
#[test]
fn threads_that_end_do_not_wait_for_a_slow_one() {
    struct Slow(Arc<AtomicBool>, Visitor);
    impl Drop for Slow {
        fn drop(&mut self) {
            if !self.0.swap(true, Ordering::Relaxed) {
                self.1.pass();
            }
        }
    }
    thread_local! {
        static LOCAL: RefCell<Option<Slow>> = const { RefCell::new(None) };
    }
    let alone = alone();
    let rig = Rig::new(16);
    let (is_taken, gate) = (Arc::new(AtomicBool::new(false)), Gate::new());
    let visitor = gate.visitor();
    // The slow worker retires first.
    let slow = move |_| LOCAL.set(Some(Slow(is_taken.clone(), visitor.clone())));
    rig.broadcast(slow).expect("open").into_iter().for_each(|handle| handle.join().expect("ran"));
    rig.set_workers(1).expect("within the range");
    gate.wait_for(1);
    wait_until("the other threads have ended", || alone.threads() <= 3);
    wait_until("the other workers have retired", || rig.workers() == 1);
    for n in [16, 1, 16, 1] {
        rig.set_workers(n).expect("within the range");
        wait_until("the workers have joined and retired", || (n..=n + 2).contains(&alone.threads()));
    }
    gate.open();
    alone.wait_for_threads(1);
    rig.finish();
}

#[test]
fn tasks_are_sent_to_present_workers_only() {
    let alone = alone();
    let rig = Rig::new(4);
    for n in [4, 2, 4, 1, 3] {
        rig.set_workers(n).expect("within the range");
        alone.wait_for_threads(n);
        let sent = (0..4).filter(|&worker| match rig.task().worker(worker).submit(move || worker) {
            Ok(task) => task.join().is_ok(),
            Err(refused) => {
                assert_eq!(refused.kind, SubmitErrorKind::NoSuchWorker { worker });
                assert_eq!(refused.into_inner()(), worker);
                false
            }
        });
        assert_eq!(sent.count(), n);
    }
    rig.finish();
}

/// The worker for a key may retire at any moment; another worker then gets the task.
#[test]
fn a_key_always_has_a_worker() {
    let _alone = alone();
    let (rig, tasks) = (Rig::new(4), scaled(4_000));
    let (ran, is_over) = (Arc::new(Hits::new(tasks)), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for task in 0..tasks {
                rig.task().key(task % 50).execute(ran.task(task)).expect("open, and there is a worker");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let mut n = 0;
        while !is_over.load(Ordering::Relaxed) {
            n = n % 4 + 1;
            rig.set_workers(n).expect("within the range");
            thread::yield_now();
        }
    });
    rig.finish();
    ran.assert_once_each();
}

/// A broadcast leaves out a worker that is about to retire. That costs a bounded pool no permit.
#[test]
fn a_broadcast_takes_no_permit_for_a_worker_that_retires() {
    const CAPACITY: usize = 3;
    let _alone = alone();
    let leaving = Gate::new();
    let visitor = leaving.visitor();
    let bounded = Pool::builder().workers(2).queue_capacity(CAPACITY).on_full(OnFull::Reject);
    let rig = Rig::with(bounded.on_exit(move |_| visitor.pass()));
    let leaving = leaving; // opens before the pool is dropped
    rig.set_workers(1).expect("within the limits");
    leaving.wait_for(1);
    for _ in 0..CAPACITY {
        let handles = rig.broadcast(|worker| worker).expect("open");
        handles.into_iter().for_each(|handle| _ = handle.join().expect("it has begun"));
    }
    let gate = Gate::new();
    gate.hold(&*rig, 1);
    for _ in 0..CAPACITY {
        rig.execute(|| ()).expect("within the capacity");
    }
    assert_eq!(rig.execute(|| ()).expect_err("and no more").kind, SubmitErrorKind::Full);
    leaving.open();
    gate.open();
    rig.finish();
}
