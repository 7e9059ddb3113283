//! Pools that try to grow and get no thread from the operating system: no task is lost and nothing hangs, the
//! pool continues with the workers that it has, and grows when threads are available again.
//!
//! `strace` refuses calls of `clone3`, which it counts for each thread separately. So every scenario states
//! which thread makes how many calls. The main thread of the harness makes one.

#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use longshore::{AnyPool, JoinError, Pool, PullPool, ResizeError, Scaling};

use support::child::{self, Child, THREADS};
use support::{Gate, assert_quiescent, thread_count, wait_until};

/// Runs a scenario with each kind of pool while the system refuses the `clone3` calls number `which` of every
/// thread.
#[track_caller]
fn with_refusals(name: &'static str, which: &str, push: fn(), pull: fn()) {
    if child::plays(name, |kind| if kind == "pull" { pull() } else { push() })
        || !child::has("strace", &["-f", "-o", "/dev/null", "true"])
    {
        return;
    }
    let fault = format!("inject=clone3:error=EAGAIN:when={which}");
    for kind in ["push", "pull"] {
        let strace = ["strace", "-f", "-qq", "-e", "trace=clone3", "-e", &fault, "-o", "/dev/null"];
        Child::of(name).argument(kind).under(&strace).succeeds();
    }
}

/// A pool with held workers and, behind the held tasks, `n` tasks that count.
fn held<P: AnyPool>(pool: &Arc<P>, workers: usize, n: usize) -> (Gate, Arc<AtomicUsize>) {
    let (gate, ran) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    gate.hold(pool, workers);
    for _ in 0..n {
        let ran = ran.clone();
        pool.execute(move || _ = ran.fetch_add(1, Ordering::Relaxed)).expect("open");
    }
    (gate, ran)
}

/// Ends a pool, and checks that none of its threads is left.
fn finish<P: AnyPool>(pool: &Arc<P>) -> longshore::PoolStats {
    pool.shutdown().expect("shuts down");
    wait_until("the threads have ended", || thread_count() == THREADS);
    let stats = assert_quiescent(pool);
    assert_eq!((stats.waiting, stats.running), (0, 0), "{stats:?}");
    stats
}

/// Stops the producers on drop, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls of the test's thread: the four workers, two producers, the second worker; then a hundred calls are
/// refused.
#[test]
fn a_resize_that_gets_no_thread_says_so_and_loses_nothing() {
    const REFUSED: usize = 100;
    fn scenario<P: AnyPool>() {
        let pool = Arc::new(P::builder().workers(4).build().expect("starts"));
        let (is_over, accepted, cancelled) =
            (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        // The point is what enters a worker's queues and mailboxes before the pool knows that there is no
        // thread for it.
        let produce = || {
            while !is_over.load(Ordering::Relaxed) {
                for _ in 0..20 {
                    let ran = ran.clone();
                    pool.execute(move || _ = ran.fetch_add(1, Ordering::Relaxed)).expect("open");
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
                for order in pool.broadcast(|worker| worker).expect("open") {
                    match order.join() {
                        Ok(_) => {}
                        Err(JoinError::Cancelled) => _ = cancelled.fetch_add(1, Ordering::Relaxed),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        };
        thread::scope(|scope| {
            (0..2).for_each(|_| _ = scope.spawn(produce));
            let _over = Over(&is_over);
            pool.set_workers(1).expect("within the range");
            // Workers that retire look for unserved work at the end, and would ask for threads as well.
            wait_until("three workers have retired", || thread_count() == THREADS + 2 + 1);
            for _ in 0..REFUSED {
                match pool.set_workers(4) {
                    Err(ResizeError::Spawn { live, source }) => {
                        assert_eq!(source.raw_os_error(), Some(libc::EAGAIN), "{source}");
                        assert_eq!((live, pool.workers()), (2, 2));
                    }
                    other => panic!("{other:?}"),
                }
            }
            pool.set_workers(4).expect("the calls are not refused any more");
            assert_eq!(pool.workers(), 4);
        });
        let gate = Gate::new();
        gate.hold(&pool, 4);
        gate.open();
        let stats = finish(&pool);
        assert_eq!(ran.load(Ordering::Relaxed), accepted.load(Ordering::Relaxed));
        assert_eq!(stats.cancelled as usize, cancelled.load(Ordering::Relaxed));
        assert_eq!((stats.failed_starts, stats.grown), (REFUSED as u64, 1 + 2));
    }
    let which = format!("{}..{}", 4 + 2 + 1 + 1, 4 + 2 + 1 + REFUSED);
    let name = "a_resize_that_gets_no_thread_says_so_and_loses_nothing";
    with_refusals(name, &which, scenario::<Pool>, scenario::<PullPool>);
}

/// Calls of the test's thread: worker and autoscaler. Of the autoscaler: the second and third worker, then
/// three are refused.
#[test]
fn growth_on_demand_is_tried_again() {
    fn scenario<P: AnyPool>() {
        let pool = P::builder().workers(1..=4).scaling(Scaling::eager()).build().expect("starts");
        let pool = Arc::new(pool);
        let (gate, ran) = held(&pool, 4, 100);
        assert_eq!(pool.stats().failed_starts, 3);
        gate.open();
        let stats = finish(&pool);
        assert_eq!((ran.load(Ordering::Relaxed), stats.grown), (100, 3));
    }
    with_refusals("growth_on_demand_is_tried_again", "3..5", scenario::<Pool>, scenario::<PullPool>);
}

/// The same, but all later calls are refused.
#[test]
fn a_pool_that_cannot_grow_does_its_work() {
    fn scenario<P: AnyPool>() {
        let pool = P::builder().workers(1..=64).scaling(Scaling::eager()).build().expect("starts");
        let pool = Arc::new(pool);
        let (gate, ran) = held(&pool, 3, 1_000);
        wait_until("it has tried more than once", || pool.stats().failed_starts > 1);
        assert_eq!((pool.workers(), ran.load(Ordering::Relaxed)), (3, 0));
        gate.open();
        let stats = finish(&pool);
        assert_eq!((ran.load(Ordering::Relaxed), stats.grown), (1_000, 2));
    }
    with_refusals("a_pool_that_cannot_grow_does_its_work", "3+", scenario::<Pool>, scenario::<PullPool>);
}

/// Calls of the test's thread: worker, autoscaler, and the spare thread, which is refused.
#[test]
fn a_pool_works_without_a_refused_spare_thread() {
    fn scenario<P: AnyPool>() {
        let scaling = Scaling::eager().spare_threads(1);
        let pool = Arc::new(P::builder().workers(1..=3).scaling(scaling).build().expect("starts"));
        assert_eq!(pool.stats().failed_starts, 1);
        assert_eq!(thread_count(), THREADS + 1 + 1);
        let (gate, ran) = held(&pool, 3, 10);
        gate.open();
        finish(&pool);
        assert_eq!(ran.load(Ordering::Relaxed), 10);
    }
    let name = "a_pool_works_without_a_refused_spare_thread";
    with_refusals(name, "3", scenario::<Pool>, scenario::<PullPool>);
}

/// Calls of the worker: one by its task, then one for a stand-in, which is refused, then another one.
#[test]
fn a_task_may_block_without_a_stand_in() {
    fn scenario<P: AnyPool>() {
        let pool = Arc::new(P::builder().workers(1).build().expect("starts"));
        let behind = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        let task = {
            let (pool, behind) = (Arc::downgrade(&pool), behind.clone());
            move || {
                thread::spawn(|| ()).join().expect("runs");
                let alone = longshore::blocking(|| {
                    let pool = pool.upgrade().expect("the test holds it");
                    for _ in 0..100 {
                        let behind = behind.clone();
                        let task = move || _ = behind.fetch_add(1, Ordering::Relaxed);
                        pool.execute(task).expect("open");
                    }
                    (pool.workers(), pool.stats().failed_starts)
                });
                assert_eq!((alone, behind.load(Ordering::Relaxed)), ((1, 1), 0));
                // The next call gets a stand-in.
                longshore::blocking(|| receiver.recv()).expect("sent")
            }
        };
        let blocked = pool.submit(task).expect("open");
        wait_until("the stand-in has run the other tasks", || behind.load(Ordering::Relaxed) == 100);
        pool.execute(move || sender.send(5).expect("the receiver waits")).expect("open");
        assert_eq!(blocked.join().expect("ran"), 5);
        let stats = finish(&pool);
        assert_eq!((stats.failed_starts, stats.stand_ins), (1, 1));
    }
    let name = "a_task_may_block_without_a_stand_in";
    with_refusals(name, "2", scenario::<Pool>, scenario::<PullPool>);
}

/// Sets how many processes and threads the user may have. `None` removes the limit.
fn limit_threads(most: Option<usize>) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for a write of an `rlimit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &mut limit) };
    assert_eq!(result, 0, "the limit exists");
    limit.rlim_cur = most.map_or(limit.rlim_max, |most| most as libc::rlim_t);
    // SAFETY: `limit` is valid for a read of an `rlimit`.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &limit) };
    assert_eq!(result, 0, "any user may set it up to the hard limit");
}

/// The same with a limit of the user's threads, which is removed later. Another process of the user may use
/// up a part of it, so the test does not know which thread is refused.
#[test]
fn a_limit_is_reached_and_removed() {
    const NAME: &str = "a_limit_is_reached_and_removed";
    let plays = child::plays(NAME, |_| {
        let pool = Arc::new(Pool::builder().workers(64).build().expect("starts"));
        pool.set_workers(1).expect("within the range");
        wait_until("the other workers have retired", || pool.workers() == 1 && thread_count() <= THREADS + 2);
        limit_threads(Some(20));
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            match pool.set_workers(64) {
                Err(ResizeError::Spawn { live: 1..20, source }) => {
                    assert_eq!(source.raw_os_error(), Some(libc::EAGAIN), "{source}");
                }
                other => panic!("{other:?}"),
            }
            for _ in 0..1_000 {
                let ran = ran.clone();
                pool.execute(move || _ = ran.fetch_add(1, Ordering::Relaxed)).expect("open");
            }
        }
        limit_threads(None);
        pool.set_workers(64).expect("the limit is removed");
        let gate = Gate::new();
        gate.hold(&pool, 64);
        gate.open();
        let stats = finish(&pool);
        assert_eq!((ran.load(Ordering::Relaxed), stats.failed_starts), (3_000, 3));
    });
    const USER: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    // That user must be able to run the test binary.
    let this = std::env::current_exe().expect("has a path");
    let this = this.to_str().expect("is text");
    if !plays && child::has(USER[0], &[&USER[1..], &["test", "-x", this]].concat()) {
        Child::of(NAME).under(&USER).succeeds();
    }
}
