//! The environment changes after a pool was built, or is narrow from the beginning: a sandbox that takes a
//! system call back, signals that are meant for the main thread, threads that the system refuses,
//! thread-locals that only the start hook prepares, a token of the parker that the program needs itself.

#![cfg(target_os = "linux")]

mod support;

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use longshore::{AnyPool, JoinError, OnFull, Pool, PullPool};

use support::child::{self, Child, with_each_kind};
use support::{Gate, PATIENCE, wait_until};

/// Forbids the whole process the system call `membarrier`, as a sandbox does.
fn forbid_membarrier() {
    // Loads the number of the call; if it is `membarrier`, returns EPERM; else allows the call.
    let program = [
        libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: libc::SYS_membarrier as u32 },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::EPERM as u32 },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
    ];
    let filter =
        libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_ptr().cast_mut() };
    // SAFETY: the call takes integers only.
    let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(result, 0);
    const SET_MODE_FILTER: libc::c_uint = 1;
    const ALL_THREADS: libc::c_uint = 1;
    // SAFETY: `filter` and the program that it points to are alive during the call, which copies them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, ALL_THREADS, &raw const filter) };
    assert_eq!(result, 0, "the filter is installed");
    // SAFETY: the call takes integers only.
    assert_eq!(unsafe { libc::syscall(libc::SYS_membarrier, 0, 0, 0) }, -1, "the call is refused");
}

fn sandboxed<P: AnyPool>() {
    let pool = Arc::new(P::builder().workers(1).queue_capacity(1).build().expect("starts"));
    let gate = Gate::new();
    gate.hold(&pool, 1);
    pool.execute(|| ()).expect("one place");
    forbid_membarrier();
    // Waits for a place in each way; no wake-up is lost.
    let waiting: Vec<_> = (0..3)
        .map(|way| {
            let pool = pool.clone();
            thread::spawn(move || match way {
                0 => pool.execute(|| ()).is_ok(),
                1 => pool.execute_timeout(|| (), PATIENCE).is_ok(),
                _ => pollster::block_on(pool.submit_async(|| ())).is_ok(),
            })
        })
        .collect();
    wait_until("all wait", || pool.stats().blocked == 3);
    gate.open();
    assert!(waiting.into_iter().all(|waiting| waiting.join().expect("no panic")));
    // The pool is of use, and so is a new one.
    for _ in 0..1_000 {
        pool.execute(|| ()).expect("open");
    }
    let other = P::builder().workers(2).queue_capacity(2).build().expect("starts");
    for _ in 0..1_000 {
        other.execute(|| ()).expect("open");
    }
    other.shutdown().expect("ends");
    pool.shutdown().expect("ends");
    assert_eq!(pool.stats().completed, 1_005);
}

#[test]
fn a_sandbox_that_comes_later_makes_a_pool_slower_and_no_more() {
    with_each_kind(
        "a_sandbox_that_comes_later_makes_a_pool_slower_and_no_more",
        sandboxed::<Pool>,
        sandboxed::<PullPool>,
    );
}

/// The signals that each thread of this process blocks, by the end of its name.
fn blocked_signals(ending: &str) -> Vec<u64> {
    let mut masks = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").expect("Linux lists them") {
        let path = task.expect("readable").path();
        let Ok(status) = std::fs::read_to_string(path.join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map(|line| line.trim_start_matches(':').trim().to_owned())
        };
        if field("Name").is_some_and(|name| name.ends_with(ending)) {
            let mask = field("SigBlk").expect("it is reported");
            masks.push(u64::from_str_radix(&mask, 16).expect("hexadecimal"));
        }
    }
    masks
}

fn signals<P: AnyPool>() {
    let pool = Arc::new(P::builder().workers(1..=3).thread_name("t").build().expect("starts"));
    let gate = Gate::new();
    for helper in ["-scale", "-clock"] {
        wait_until(helper, || {
            // An hour from now: the helper for deadlines starts, and has nothing to do. A task that begins
            // before its deadline is registered needs no helper, therefore more than one.
            pool.task().start_within(Duration::from_secs(3600)).execute(|| ()).expect("open");
            blocked_signals(helper).len() == 1
        });
        let mask = blocked_signals(helper)[0];
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGCHLD] {
            assert_ne!(mask & 1 << (signal - 1), 0, "{helper} blocks signal {signal}: {mask:x}");
        }
    }
    // A worker that the helper has started runs the program's code, with the program's mask.
    wait_until("the worker shows", || blocked_signals("t-0").len() == 1);
    let own = blocked_signals("t-0")[0];
    for _ in 0..3 {
        gate.hold(&pool, 1);
    }
    wait_until("the pool has grown", || pool.workers() == 3);
    for worker in ["t-1", "t-2"] {
        wait_until("the worker shows", || blocked_signals(worker).len() == 1);
        assert_eq!(blocked_signals(worker), [own], "{worker}");
    }
    gate.open();
    pool.shutdown().expect("ends");
}

#[test]
fn helper_threads_block_all_signals_and_workers_do_not() {
    with_each_kind(
        "helper_threads_block_all_signals_and_workers_do_not",
        signals::<Pool>,
        signals::<PullPool>,
    );
}

/// The watchdog for waits is a helper too.
#[test]
fn the_watchdog_blocks_all_signals() {
    const NAME: &str = "the_watchdog_blocks_all_signals";
    let plays = child::plays(NAME, |_| {
        let pool = Arc::new(Pool::builder().workers(1).build().expect("starts"));
        let gate = Gate::new();
        gate.hold(&pool, 1);
        let last = pool.submit(|| ()).expect("open");
        let waiting = std::thread::spawn(|| last.join());
        wait_until("the watchdog shows", || blocked_signals("-stall").len() == 1);
        let mask = blocked_signals("-stall")[0];
        assert_ne!(mask & 1 << (libc::SIGTERM - 1), 0, "{mask:x}");
        gate.open();
        waiting.join().expect("no panic").expect("it ran");
    });
    if !plays {
        Child::of(NAME).variable("LONGSHORE_STALL", "3600s").succeeds();
    }
}

thread_local! {
    static PREPARED: Cell<bool> = const { Cell::new(false) };
}

static UNPREPARED: AtomicUsize = AtomicUsize::new(0);
static OPEN_HOOKS: AtomicUsize = AtomicUsize::new(0);

fn look() {
    if !PREPARED.get() {
        UNPREPARED.fetch_add(1, Ordering::Relaxed);
    }
}

fn recursion(depth: u32) {
    look();
    if depth > 0 {
        longshore::submit(move || recursion(depth - 1)).expect("inside").join().expect("runs");
    }
}

fn deep<P: AnyPool>() {
    let pool = P::builder()
        .workers(2)
        .stack_size(128 << 10)
        .on_start(|_| {
            OPEN_HOOKS.fetch_add(1, Ordering::Relaxed);
            PREPARED.set(true);
        })
        .on_exit(|_| {
            OPEN_HOOKS.fetch_sub(1, Ordering::Relaxed);
            PREPARED.set(false);
        })
        .build()
        .expect("starts");
    pool.submit(|| recursion(2_000)).expect("open").join().expect("runs");
    assert_eq!(UNPREPARED.load(Ordering::Relaxed), 0);
    pool.shutdown().expect("ends");
    assert_eq!(OPEN_HOOKS.load(Ordering::Relaxed), 0, "an exit for each start");
}

#[test]
fn a_deep_recursion_finds_what_the_start_hook_prepares() {
    with_each_kind("a_deep_recursion_finds_what_the_start_hook_prepares", deep::<Pool>, deep::<PullPool>);
}

/// The token that `unpark` sets during a wait of the library is there after it. `unpark` is called when the
/// wait has begun, and long before it ends.
fn keeps_its_token(what: &str, wait: impl FnOnce(&dyn Fn() -> Box<dyn FnOnce() + Send>)) {
    let me = thread::current();
    let unpark = move || -> Box<dyn FnOnce() + Send> {
        let me = me.clone();
        Box::new(move || {
            support::let_time_pass(Duration::from_millis(30)); // so that the wait has parked
            me.unpark();
            support::let_time_pass(Duration::from_millis(30));
        })
    };
    wait(&unpark);
    let begin = Instant::now();
    thread::park_timeout(PATIENCE);
    assert!(begin.elapsed() < PATIENCE / 2, "{what}: the token is gone");
    // Takes what a late wake-up of the library may have left.
    thread::park_timeout(Duration::from_millis(1));
}

fn tokens<P: AnyPool>() {
    let pool = P::builder().workers(2).build().expect("starts");
    keeps_its_token("join", |unpark| pool.submit(unpark()).expect("open").join().expect("runs"));
    keeps_its_token("join_timeout", |unpark| {
        let mut handle = pool.submit(unpark()).expect("open");
        handle.join_timeout(PATIENCE).expect("in time").expect("runs");
    });
    keeps_its_token("group", |unpark| {
        let group = pool.group::<(), ()>();
        group.submit(unpark()).expect("open");
        group.join().expect("runs");
    });
    keeps_its_token("a place", |unpark| {
        let small = P::builder().workers(1).queue_capacity(1).on_full(OnFull::Block).build().expect("starts");
        let (begun, has_begun) = mpsc::channel();
        let unpark = unpark();
        small
            .execute(move || {
                begun.send(()).expect("received");
                unpark();
            })
            .expect("open");
        has_begun.recv().expect("begun");
        small.execute(|| ()).expect("a place");
        small.execute(|| ()).expect("waits for a place");
    });
}

fn tokens_of_structured_work() {
    tokens::<Pool>();
    let pool = Pool::builder().workers(2).build().expect("starts");
    keeps_its_token("scope", |unpark| pool.in_place_scope(|scope| scope.spawn(unpark())));
    keeps_its_token("stream", |unpark| {
        pool.map_unordered([unpark()], |unpark| unpark()).for_each(drop);
    });
    keeps_its_token("join of two closures", |unpark| {
        let (begun, has_begun) = mpsc::channel();
        let unpark = unpark();
        let first = move || has_begun.recv().expect("stolen");
        let second = move || {
            begun.send(()).expect("received");
            unpark();
        };
        pool.join(first, second);
    });
}

#[test]
fn a_wait_gives_the_park_token_back() {
    with_each_kind("a_wait_gives_the_park_token_back", tokens_of_structured_work, tokens::<PullPool>);
}

/// Without a thread for the deadlines, the worker and the handle find them.
#[test]
fn deadlines_hold_without_a_thread_for_them() {
    const NAME: &str = "deadlines_hold_without_a_thread_for_them";
    let plays = child::plays(NAME, |_| {
        let pool = Pool::builder().workers(1).build().expect("starts");
        let gate = Gate::new();
        gate.hold(&pool, 1);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `none` is valid for reads.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &none) }, 0);
        if thread::Builder::new().spawn(|| ()).is_ok() {
            println!("this user may start any number of threads");
            gate.open();
            return;
        }
        let late = pool.task().start_within(Duration::from_millis(20)).submit(|| ()).expect("open");
        let unseen = pool.task().start_within(Duration::from_millis(20)).execute(|| ());
        unseen.expect("open");
        assert!(matches!(late.join(), Err(JoinError::Expired)), "the handle finds it");
        gate.open();
        pool.shutdown().expect("ends");
        assert_eq!((pool.stats().expired, pool.stats().completed), (2, 1));
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}
