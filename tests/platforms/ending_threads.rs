//! A pool is dropped while its thread ends. On Windows no thread of the process can start or end meanwhile,
//! so the drop must not wait.

use std::sync::mpsc;
use std::thread;

use longshore::{AnyPool, Pool, PullPool, ShutdownError};

use crate::support::{PATIENCE, at_thread_exit, wait_for_started_workers, watchdog};

/// Which thread-local is initialised first decides which of the destructors runs first.
#[derive(Clone, Copy)]
enum First {
    Local,
    Pool,
}

fn dropped_at_thread_exit<P: AnyPool + 'static>(build: fn() -> P) {
    let _watchdog = watchdog("pools that are dropped by threads that end", PATIENCE);
    for first in [First::Local, First::Pool] {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            if let First::Local = first {
                at_thread_exit(|| ());
            }
            let pool = build();
            for task in 0..100 {
                let sender = sender.clone();
                pool.execute(move || sender.send(task).expect("the test waits")).expect("open");
            }
            at_thread_exit(move || drop(pool));
        });
        thread.join().expect("has ended");
        let mut tasks: Vec<_> = (0..100).map(|_| receiver.recv_timeout(PATIENCE).expect("runs")).collect();
        tasks.sort_unstable();
        assert!(tasks.into_iter().eq(0..100), "every accepted task has run");
        thread::spawn(|| ()).join().expect("other threads start and end");
    }
}

#[test]
fn a_push_pool_is_dropped_by_a_thread_that_ends() {
    dropped_at_thread_exit(|| Pool::builder().workers(2).build().expect("starts"));
}

#[test]
fn a_pull_pool_is_dropped_by_a_thread_that_ends() {
    dropped_at_thread_exit(|| PullPool::builder().workers(2).build().expect("starts"));
}

#[test]
fn a_shutdown_by_a_thread_that_ends_waits_or_says_why_not() {
    let _watchdog = watchdog("a shutdown by a thread that ends", PATIENCE);
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let pool = Pool::builder().workers(2).build().expect("starts");
        wait_for_started_workers(&pool);
        let answer = pool.submit(|| 6 * 7).expect("open");
        at_thread_exit(move || {
            let ended = pool.shutdown();
            sender.send((ended, pool.submit(|| ()).is_err(), answer.join().ok())).expect("the test waits");
        });
    });
    thread.join().expect("has ended");
    let (ended, is_closed, answer) = receiver.recv_timeout(PATIENCE).expect("has ended");
    let expected =
        if cfg!(all(windows, not(longshore_portable))) { Err(ShutdownError::ThreadEnding) } else { Ok(()) };
    assert_eq!((ended, is_closed), (expected, true));
    assert_eq!(answer, Some(42));
}
