//! Signals under load, a process that is stopped and continued, and the cost of an idle pool.

#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use longshore::{AnyPool, Pool, PullPool};

use support::child::{self, Child, with_each_kind};
use support::{Hits, assert_quiescent, cpu_time, scaled, wait_until};

static ALARMS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_alarm(_: libc::c_int) {
    ALARMS.fetch_add(1, Ordering::Relaxed);
}

/// Sends SIGALRM every millisecond to a thread that the system chooses, without `SA_RESTART`, so that system
/// calls are interrupted.
fn start_alarms() {
    let handler: extern "C" fn(libc::c_int) = count_alarm;
    // SAFETY: a `sigaction` of zeros is valid: no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    // SAFETY: `action` is valid and its handler only adds to an atomic, which is safe in a signal handler.
    // The old action may be null.
    let result = unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) };
    assert_eq!(result, 0);
    let millisecond = libc::timeval { tv_sec: 0, tv_usec: 1_000 };
    let every = libc::itimerval { it_interval: millisecond, it_value: millisecond };
    // SAFETY: `every` is valid for a read, and the old value may be null.
    let result = unsafe { libc::setitimer(libc::ITIMER_REAL, &every, std::ptr::null_mut()) };
    assert_eq!(result, 0);
}

/// No task is lost, and no wait returns too early.
#[test]
fn a_thousand_alarms_a_second_do_no_harm() {
    const NAME: &str = "a_thousand_alarms_a_second_do_no_harm";
    let plays = child::plays(NAME, |_| {
        start_alarms();
        let pool = Pool::builder().workers(4).build().expect("starts");
        let mut rounds = 0;
        while rounds < scaled(300) || ALARMS.load(Ordering::Relaxed) < 500 {
            rounds += 1;
            let hits = Hits::new(50);
            pool.execute_batch((0..50).map(|task| hits.task(task))).expect("open");
            assert_eq!(pool.submit(|| 1).expect("open").join().expect("ran"), 1);
            let (never, held) = mpsc::channel::<()>();
            let mut handle = pool.submit(move || held.recv().is_err()).expect("open");
            let before = Instant::now();
            assert!(handle.join_timeout(Duration::from_millis(3)).is_none());
            assert!(before.elapsed() >= Duration::from_millis(3), "a signal does not end the wait");
            drop(never);
            assert!(handle.join().expect("ran"));
            wait_until("the round has ended", || hits.total() == 50);
            hits.assert_once_each();
        }
        pool.shutdown().expect("shuts down");
        assert_eq!(assert_quiescent(&pool).completed, 52 * rounds as u64);
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

/// SIGSTOP while tasks run, and SIGCONT later.
#[test]
fn stopped_and_continued_under_load() {
    const NAME: &str = "stopped_and_continued_under_load";
    let plays = child::plays(NAME, |_| {
        let pool = Arc::new(Pool::builder().workers(4).build().expect("starts"));
        println!("at work");
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut tasks = 0;
        while Instant::now() < deadline {
            let handles = pool.submit_batch((0..100).map(|n| move || n)).expect("open");
            let inner = pool.clone();
            let nested = pool.submit(move || inner.submit(|| 3).expect("open").join().expect("ran"));
            assert!(handles.into_iter().map(|handle| handle.join().expect("ran")).eq(0..100));
            assert_eq!(nested.expect("open").join().expect("ran"), 3);
            tasks += 102;
        }
        pool.shutdown().expect("shuts down");
        assert_eq!(assert_quiescent(&pool).completed, tasks);
    });
    if plays {
        return;
    }
    let mut process = Child::of(NAME).spawn();
    let id = libc::pid_t::try_from(process.id()).expect("a process id");
    let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
    assert!(lines.any(|line| line.expect("text").contains("at work")));
    for _ in 0..10 {
        for (signal, millis) in [(libc::SIGSTOP, 50), (libc::SIGCONT, 30)] {
            // SAFETY: `kill` has no preconditions; the process is a child that was not waited for yet, so its
            // number is still its own.
            assert_eq!(unsafe { libc::kill(id, signal) }, 0);
            support::let_time_pass(Duration::from_millis(millis));
        }
    }
    assert!(lines.any(|line| line.expect("text").contains("has ended")), "it runs all tasks");
    assert!(process.wait().expect("our own child").success());
}

/// Without work all workers sleep and use no processor time, also while tasks wait.
#[test]
fn an_idle_pool_costs_nothing() {
    fn scenario<P: AnyPool>() {
        let pool = P::builder().workers(64).build().expect("starts");
        let other = P::builder().workers(1).build().expect("starts");
        let (go, wait) = mpsc::channel::<()>();
        let slow = other.submit(move || wait.recv().is_ok()).expect("open");
        let waits = pool.submit(move || slow.join().expect("ran")).expect("open");
        pool.submit_batch((0..1_000).map(|n| move || n)).expect("open").into_iter().for_each(drop);
        wait_until("the work is done", || pool.stats().completed == 1_000);
        // The time that the threads need to park is not measured.
        support::let_time_pass(Duration::from_millis(500));
        let before = cpu_time();
        support::let_time_pass(Duration::from_secs(2));
        let used = cpu_time() - before;
        // A single busy worker would use 2 s; a timer of 1 kHz in one worker some 20 ms.
        assert!(used < Duration::from_millis(20), "{used:?} of processor time in 2 s");
        go.send(()).expect("received");
        assert!(waits.join().expect("ran"));
    }
    with_each_kind("an_idle_pool_costs_nothing", scenario::<Pool>, scenario::<PullPool>);
}
