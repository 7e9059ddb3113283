//! The global pool and the free functions outside of every pool. Each scenario in a process of its own,
//! because a process has one global pool.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::thread;

use longshore::{AnyPool, BuildError, Pool, PullPool, SubmitErrorKind};

#[path = "support/mod.rs"]
mod support;

use support::child::{Child, plays};

fn sum(numbers: &[u64]) -> u64 {
    if numbers.len() < 100 {
        return numbers.iter().sum();
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    let (a, b) = longshore::join(|| sum(left), || sum(right));
    a + b
}

/// Calls every free function, and looks at the results.
fn use_everything() {
    let ran = Arc::new(AtomicBool::new(false));
    let seen = ran.clone();
    let (sender, receiver) = mpsc::channel();
    longshore::execute(move || seen.store(true, Ordering::Release)).expect("open");
    longshore::spawn(move || sender.send(5).expect("received")).expect("open");
    assert_eq!(receiver.recv(), Ok(5));
    assert_eq!(longshore::submit(|| 6 * 7).expect("open").join().expect("ran"), 42);
    let numbers: Vec<u64> = (0..10_000).collect();
    assert_eq!(sum(&numbers), 49_995_000);
    let total = AtomicU64::new(0);
    longshore::scope(|scope| {
        for n in &numbers[..100] {
            let total = &total;
            scope.spawn(move || _ = total.fetch_add(*n, Ordering::Relaxed));
        }
    });
    assert_eq!(total.load(Ordering::Relaxed), 4_950);
    longshore::for_each(&numbers, |n| _ = total.fetch_add(*n, Ordering::Relaxed));
    assert_eq!(total.load(Ordering::Relaxed), 4_950 + 49_995_000);
    assert!(longshore::map(&numbers, |n| n + 1).into_iter().eq(1..10_001));
    assert_eq!(longshore::try_map(&["1", "x"], |text| text.parse::<u32>().map_err(drop)), Err(()));
}

#[test]
fn the_free_functions_use_the_global_pool() {
    const NAME: &str = "the_free_functions_use_the_global_pool";
    let scenario = |_: &str| {
        let pool = Pool::builder().workers(2).thread_name("global").build_global().expect("the first");
        assert!(std::ptr::eq(pool, Pool::global()));
        use_everything();
        // Also in a task of a pool that has no joins.
        let pull = PullPool::builder().workers(1).build().expect("starts");
        pull.submit(|| assert_eq!(sum(&[1; 1_000]), 1_000)).expect("open").join().expect("ran");
        let stats = pool.stats();
        assert_eq!((stats.name.as_str(), stats.live), ("global", 2));
        assert!(stats.submitted >= 3);
        pool.shutdown().expect("shuts down");
        assert_eq!(longshore::execute(|| ()).expect_err("ended").kind, SubmitErrorKind::Closed);
        assert_eq!(sum(&[1; 1_000]), 1_000); // by the calling thread
        assert_eq!(longshore::map(0..10, |n| n).len(), 10);
    };
    if !plays(NAME, scenario) {
        Child::of(NAME).succeeds();
    }
}

#[test]
fn it_is_built_once_at_the_first_use() {
    const NAME: &str = "it_is_built_once_at_the_first_use";
    let scenario = |_: &str| {
        let first = Barrier::new(8);
        let addresses = thread::scope(|scope| {
            let one = || {
                first.wait();
                std::ptr::from_ref(Pool::global()).addr()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        });
        assert!(addresses.iter().all(|address| *address == addresses[0]));
        let again = Pool::builder().workers(1).build_global().expect_err("it is there");
        assert!(matches!(again, BuildError::GlobalExists), "{again}");
        assert_eq!(Pool::global().workers(), 3);
        use_everything();
    };
    if !plays(NAME, scenario) {
        Child::of(NAME).variable("LONGSHORE_THREADS", "3").succeeds();
    }
}

#[test]
fn settings_that_are_refused_leave_no_global_pool() {
    const NAME: &str = "settings_that_are_refused_leave_no_global_pool";
    let scenario = |_: &str| {
        assert!(Pool::builder().build_global().is_err());
        assert_eq!(longshore::submit(|| 1).map(drop).expect_err("no pool").kind, SubmitErrorKind::NoPool);
        assert_eq!(sum(&[1; 1_000]), 1_000); // one side after the other
        assert!(std::panic::catch_unwind(|| longshore::map(0..3, |n| n)).is_err());
        Pool::builder().workers(2).build_global().expect("these settings do not ask the environment");
        use_everything();
    };
    if !plays(NAME, scenario) {
        Child::of(NAME).variable("LONGSHORE_THREADS", "many").succeeds();
    }
}

#[test]
fn the_end_of_the_process_says_what_was_lost() {
    const NAME: &str = "the_end_of_the_process_says_what_was_lost";
    let scenario = |argument: &str| {
        let (sender, receiver) = mpsc::channel();
        Pool::builder().workers(1).build_global().expect("the first");
        longshore::execute(move || {
            sender.send(()).expect("received");
            loop {
                thread::park();
            }
        })
        .expect("open");
        receiver.recv().expect("the task runs");
        (0..5).for_each(|_| longshore::execute(|| ()).expect("open"));
        if argument == "none" {
            Pool::global().purge();
        }
    };
    if plays(NAME, scenario) {
        return;
    }
    let words = "5 have not started, 1 are running";
    let text = Child::of(NAME).succeeds().output;
    assert!(text.contains(words), "{text}");
    let text = Child::of(NAME).argument("none").succeeds().output;
    assert!(text.contains("0 have not started, 1 are running"), "{text}");
    let text = Child::of(NAME).variable("LONGSHORE_EXIT_WARNING", "0").succeeds().output;
    assert!(!text.contains("have not started"), "{text}");
}

/// The same for a pool in a static, of either kind.
#[test]
fn the_end_of_the_process_looks_at_all_pools() {
    const NAME: &str = "the_end_of_the_process_looks_at_all_pools";
    static PUSH: OnceLock<Pool> = OnceLock::new();
    static PULL: OnceLock<PullPool> = OnceLock::new();
    let scenario = |argument: &str| {
        let warns = argument != "silent";
        let push = Pool::builder().workers(1).thread_name("first").exit_warning(warns);
        let pull = PullPool::builder().workers(1).thread_name("second").exit_warning(warns);
        let push = PUSH.get_or_init(|| push.build().expect("starts"));
        let pull = PULL.get_or_init(|| pull.build().expect("starts"));
        assert!(push.pause() && pull.pause());
        (0..3).for_each(|_| push.execute(|| ()).expect("open"));
        (0..4).for_each(|_| pull.execute(|| ()).expect("open"));
        if argument == "waits" {
            push.resume();
            pull.resume();
            push.wait_idle().expect("outside of the pool");
            pull.shutdown().expect("outside of the pool");
        }
    };
    if plays(NAME, scenario) {
        return;
    }
    let text = Child::of(NAME).succeeds().output;
    assert!(text.contains("the pool \"first\" (3 have not started"), "{text}");
    assert!(text.contains("the pool \"second\" (4 have not started"), "{text}");
    for quiet in [Child::of(NAME).argument("silent"), Child::of(NAME).argument("waits")] {
        let text = quiet.succeeds().output;
        assert!(!text.contains("have not started"), "{text}");
    }
    let text = Child::of(NAME).argument("waits").variable("LONGSHORE_STATS", "1").succeeds().output;
    assert!(text.contains("pool first") && text.contains("pool second"), "{text}");
}
