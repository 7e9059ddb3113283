//! The stack: closures that are larger, and tasks that overflow it. In processes of their own, because an
//! overflow ends the process.

#![cfg(target_os = "linux")]

mod support;

use std::hint::black_box;
use std::thread;

use longshore::{JoinError, Pool};

use support::child::{self, Child};

/// Far above the stack of the workers, 64 KiB.
const HUGE: usize = 4 << 20;

fn pool() -> Pool {
    Pool::builder().workers(2).stack_size(64 << 10).thread_name("small").build().expect("starts")
}

/// Runs `body` on a thread whose stack holds the closure (more than once, without optimisation).
fn on_a_large_stack(body: impl FnOnce() + Send + 'static) {
    let caller = thread::Builder::new().stack_size(256 << 20).spawn(body);
    caller.expect("starts").join().expect("no panic");
}

fn execute() {
    let (pool, huge) = (pool(), [7u8; HUGE]);
    pool.execute(move || assert!(black_box(&huge).iter().all(|&byte| byte == 7))).expect("open");
    pool.shutdown().expect("shuts down");
    assert_eq!((pool.stats().completed, pool.stats().panicked), (1, 0));
}

fn submit() {
    let (pool, huge) = (pool(), [8u8; HUGE]);
    let sum = pool.submit(move || black_box(&huge).iter().map(|&byte| u64::from(byte)).sum::<u64>());
    assert_eq!(sum.expect("open").join().expect("ran"), 8 * HUGE as u64);
}

fn execute_batch() {
    let (pool, huge) = (pool(), [9u8; HUGE]);
    let batch = [move || assert_eq!(black_box(&huge)[HUGE - 1], 9)];
    assert_eq!(pool.execute_batch(batch).expect("open"), 1);
    pool.shutdown().expect("shuts down");
    assert_eq!((pool.stats().completed, pool.stats().panicked), (1, 0));
}

fn submit_batch() {
    let (pool, huge) = (pool(), [10u8; HUGE]);
    let handles = pool.submit_batch([move || black_box(&huge)[0]]).expect("open");
    assert!(handles.into_iter().all(|handle| handle.join().expect("ran") == 10));
}

/// Discarded by a worker, on its small stack, and by a handle.
fn discard() {
    let (pool, huge) = (pool(), [11u8; HUGE]);
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let outer = pool.submit(move || {
        let own: Vec<_> = (0..2).map(|_| longshore::submit(|| ()).expect("inside")).collect();
        wait.recv().is_ok() && own.len() == 2
    });
    let cancelled = pool.submit(move || black_box(&huge)[0]).expect("open");
    cancelled.cancel();
    pool.execute(move || _ = black_box(&huge)[0]).expect("open");
    go.send(()).expect("received");
    assert!(outer.expect("open").join().expect("ran"));
    pool.shutdown_now().expect("shuts down");
}

/// A closure far larger than a worker's stack is called where it is stored, also without optimisation.
#[test]
fn closures_of_four_mebibytes_by_value_on_a_stack_of_64_kibibytes() {
    const NAME: &str = "closures_of_four_mebibytes_by_value_on_a_stack_of_64_kibibytes";
    let ways: [(&str, fn()); 5] = [
        ("execute", execute),
        ("submit", submit),
        ("execute_batch", execute_batch),
        ("submit_batch", submit_batch),
        ("discard", discard),
    ];
    let plays = child::plays(NAME, |way| {
        let (_, play) = ways.into_iter().find(|(name, _)| *name == way).expect("one of them");
        on_a_large_stack(play);
    });
    if plays {
        return;
    }
    let outcomes = ways.map(|(way, _)| (way, Child::of(NAME).argument(way).outcome()));
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| !outcome.finished || !outcome.status.success())
        .map(|(way, outcome)| format!("{way}: {}", outcome.report()))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// A task that overflows its stack ends the process, with a message that names the worker. It does not hang.
#[test]
fn an_overflow_ends_the_process_and_names_the_worker() {
    const NAME: &str = "an_overflow_ends_the_process_and_names_the_worker";
    #[expect(unconditional_recursion, reason = "it overflows the stack")]
    fn overflow(depth: u64) -> u64 {
        let frame = black_box([depth; 64]);
        overflow(depth + 1) + black_box(&frame)[3]
    }
    if child::plays(NAME, |_| _ = pool().submit(|| overflow(0)).expect("open").join()) {
        return;
    }
    let outcome = Child::of(NAME).outcome();
    assert_eq!(outcome.signal(), Some(libc::SIGABRT), "{}", outcome.report());
    assert!(!outcome.finished, "{}", outcome.report());
    assert!(outcome.output.contains("has overflowed its stack"), "{}", outcome.report());
    assert!(outcome.output.contains("small-"), "{}", outcome.report());
}

fn descend(levels: u64) -> u64 {
    if levels == 0 {
        return 0;
    }
    let below = longshore::submit(move || descend(levels - 1)).expect("inside");
    match below.join() {
        Ok(depth) => depth + 1,
        Err(JoinError::NoStack(_)) => 0,
        Err(other) => panic!("{other}"),
    }
}

/// A recursion by submit and join continues on fresh stacks. If the system provides no more threads, the
/// deepest wait fails with an error, and all others return.
#[test]
fn a_recursion_without_further_threads_gets_an_error() {
    const NAME: &str = "a_recursion_without_further_threads_gets_an_error";
    let plays = child::plays(NAME, |_| {
        let pool = Pool::builder().workers(1).build().expect("starts");
        let shallow = pool.submit(|| descend(50)).expect("open").join().expect("ran");
        assert_eq!(shallow, 50);
        forbid_threads();
        let depth = pool.submit(|| descend(20_000)).expect("open").join().expect("ran");
        assert!((10..20_000).contains(&depth), "ended {depth} levels deep");
        let stats = pool.stats();
        assert_eq!(stats.panicked, 0, "{stats:?}");
        pool.shutdown().expect("shuts down");
        let stats = pool.stats();
        assert_eq!(stats.submitted, stats.completed, "{stats:?}");
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

/// Forbids new threads. The limit does not hold for the superuser, so the process changes its user first.
fn forbid_threads() {
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: `setuid` has no preconditions; glibc changes the user of all threads.
    let result = unsafe { libc::setuid(NOBODY) };
    if result != 0 {
        println!("not the superuser, so the user stays");
    }
    let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: `limit` is valid for a read of an `rlimit`.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &limit) };
    assert_eq!(result, 0, "a lower limit is always allowed");
}
