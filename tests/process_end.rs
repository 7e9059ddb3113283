//! Ends of processes and threads with a live pool: exit, abort, and destructors of a worker's own
//! thread-locals.

#![cfg(target_os = "linux")]

mod support;

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use longshore::{AnyPool, Pool, PullPool, ShutdownError};

use support::child::{self, Child, THREADS, with_each_kind};
use support::{Gate, at_thread_exit, thread_count, wait_until};

/// The process ends with a busy pool, an idle pool, and a pool in a static: with status 0, at once.
#[test]
fn exit_with_live_pools() {
    const NAME: &str = "exit_with_live_pools";
    static POOL: OnceLock<Pool> = OnceLock::new();
    let plays = child::plays(NAME, |way| {
        let at_rest = Pool::builder().workers(4).build().expect("starts");
        let at_work = Pool::builder().workers(2).build().expect("starts");
        let forever = Pool::builder().workers(2).build().expect("starts");
        let forever = POOL.get_or_init(|| forever);
        forever.submit(|| ()).expect("open").join().expect("ran");
        let gate = Gate::new();
        gate.hold(&at_work, 2);
        at_work.execute_batch((0..1_000).map(|_| || ())).expect("open");
        if way == "exit" {
            std::process::exit(0);
        }
        // Returns to the harness, which returns from `main` while these pools exist.
        std::mem::forget((at_rest, at_work, gate));
    });
    if plays {
        return;
    }
    let outcome = Child::of(NAME).argument("exit").outcome();
    assert!(outcome.status.success() && !outcome.finished, "{}", outcome.report());
    Child::of(NAME).argument("return").succeeds();
}

/// A panic while another one unwinds ends the process, by Rust's rules. It does not hang.
#[test]
fn a_panic_within_a_panic_aborts() {
    const NAME: &str = "a_panic_within_a_panic_aborts";
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the second");
        }
    }
    let plays = child::plays(NAME, |_| {
        let pool = Pool::builder().workers(2).build().expect("starts");
        let task = || {
            let _bomb = Bomb;
            panic!("the first");
        };
        let _ = pool.submit(task).expect("open").join();
    });
    if plays {
        return;
    }
    let outcome = Child::of(NAME).outcome();
    assert_eq!(outcome.signal(), Some(libc::SIGABRT), "{}", outcome.report());
    assert!(!outcome.finished, "{}", outcome.report());
}

/// The last owner of a pool is a thread-local of one of its own workers: no worker waits for itself.
#[test]
fn a_pool_dropped_by_a_thread_local_of_its_own_worker() {
    const NAME: &str = "a_pool_dropped_by_a_thread_local_of_its_own_worker";
    let plays = child::plays(NAME, |workers| {
        for _ in 0..20 {
            let workers: usize = workers.parse().expect("a number");
            let pool = Arc::new(Pool::builder().workers(workers).build().expect("starts"));
            let gate = Gate::new();
            let (last, visitor) = (pool.clone(), gate.visitor());
            let task = move || {
                at_thread_exit(move || drop(last));
                visitor.pass();
            };
            pool.execute(task).expect("open");
            gate.wait_for(1);
            assert_eq!(pool.shutdown_timeout(Duration::ZERO), Err(ShutdownError::TimedOut));
            drop(pool);
            gate.open();
            wait_until("the threads have gone", || thread_count() == THREADS);
        }
    });
    if plays {
        return;
    }
    for workers in [1, 2, 8] {
        Child::of(NAME).argument(workers).succeeds();
    }
}

/// A thread-local of a worker shuts the pool down while another thread waits for its end: an error or a
/// success, but no hang.
#[test]
fn a_shutdown_by_a_thread_local_of_its_own_worker() {
    const NAME: &str = "a_shutdown_by_a_thread_local_of_its_own_worker";
    let plays = child::plays(NAME, |workers| {
        for _ in 0..20 {
            let workers: usize = workers.parse().expect("a number");
            let pool = Arc::new(Pool::builder().workers(workers).build().expect("starts"));
            let answers = Arc::new(Mutex::new(Vec::new()));
            let (inside, pushes) = (Arc::downgrade(&pool), answers.clone());
            let task = move || {
                at_thread_exit(move || {
                    let pool = inside.upgrade().expect("the test still has it");
                    let answer = [pool.shutdown(), pool.shutdown_now().map(|_| ())];
                    pushes.lock().expect("not poisoned").push(answer);
                });
            };
            pool.submit(task).expect("open").join().expect("ran");
            pool.shutdown().expect("shuts down");
            wait_until("the threads have ended", || thread_count() == THREADS);
            let answers = answers.lock().expect("not poisoned");
            assert_eq!(
                *answers,
                [[Err(ShutdownError::FromWorker); 2]],
                "a thread counts as a worker until it has ended"
            );
        }
    });
    if plays {
        return;
    }
    for workers in [1, 2] {
        Child::of(NAME).argument(workers).succeeds();
    }
}

/// Threads, memory mappings and file descriptors do not grow with the number of pools that have ended.
#[test]
fn two_thousand_pools_leave_nothing() {
    fn scenario<P: AnyPool>() {
        let count = |path: &str| std::fs::read_dir(path).expect("Linux").count();
        let mappings = || std::fs::read_to_string("/proc/self/maps").expect("Linux").lines().count();
        let live = |number: usize| {
            for n in 0..number {
                let pool = P::builder().workers(2).build().expect("starts");
                assert_eq!(pool.submit(move || n).expect("open").join().expect("ran"), n);
            }
            // The system lists a thread for a moment after it has been joined.
            wait_until("the threads have ended", || thread_count() == THREADS);
            (count("/proc/self/fd"), mappings())
        };
        let (files, before) = live(100);
        let (files_after, after) = live(2_000);
        assert_eq!(files_after, files);
        assert!(after <= before + 20, "{before} mappings became {after}");
    }
    with_each_kind("two_thousand_pools_leave_nothing", scenario::<Pool>, scenario::<PullPool>);
}

/// With `LONGSHORE_STATS=1` a pool prints its statistics when it is shut down: once, also if that is called
/// again.
#[test]
fn statistics_are_printed_at_the_end_if_requested() {
    const NAME: &str = "statistics_are_printed_at_the_end_if_requested";
    fn scenario<P: AnyPool>() {
        let pool = P::builder().workers(2).thread_name("printed").build().expect("starts");
        (0..10).for_each(|_| pool.execute(|| ()).expect("open"));
        pool.shutdown().expect("shuts down");
        pool.shutdown().expect("harmless");
        drop(pool);
    }
    let plays = child::plays(NAME, |kind| match kind {
        "pull" => scenario::<PullPool>(),
        _ => scenario::<Pool>(),
    });
    if !plays {
        for kind in ["push", "pull"] {
            let of = || Child::of(NAME).argument(kind);
            let printed = of().variable("LONGSHORE_STATS", 1).succeeds().output;
            assert_eq!(printed.matches("pool printed, 2 workers").count(), 1, "{printed}");
            assert!(printed.contains("submitted 10") && printed.contains("completed 10"), "{printed}");
            for silent in ["0", "", "yes"] {
                let output = of().variable("LONGSHORE_STATS", silent).succeeds().output;
                assert!(!output.contains("pool printed"), "{silent}: {output}");
            }
        }
    }
}
