//! The start of a pool, as far as it depends on the process or is visible in all of it: names and number of
//! threads, the environment, a single core, threads that the system refuses.

#![cfg(target_os = "linux")]

mod support;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use longshore::{AnyPool as _, BuildError, DEFAULT_STACK_SIZE, MIN_STACK_SIZE, Pool, PullPool};

use support::child::{self, Child, THREADS};
use support::{quiet_panic, thread_count, thread_names, wait_until};

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().expect("starts")
}

#[track_caller]
fn works(pool: &Pool) {
    let handles = pool.submit_batch((0..500u64).map(|n| move || n)).expect("open");
    assert_eq!(handles.into_iter().map(|handle| handle.join().expect("ran")).sum::<u64>(), 124_750);
}

/// Waits, because a thread takes a moment to show its name.
fn wait_for_names(expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|&name| name.to_owned()).collect();
    let ours = || -> Vec<_> { thread_names().into_iter().filter(|name| name.contains('-')).collect() };
    let matches = || ours().iter().filter(|name| expected.contains(name)).count() == expected.len();
    wait_until(&format!("the names are {expected:?}"), matches);
}

#[test]
fn threads_have_names() {
    const NAME: &str = "threads_have_names";
    let plays = child::plays(NAME, |_| {
        let first = Pool::builder().workers(2).thread_name("resize").build().expect("starts");
        wait_for_names(&["resize-0", "resize-1"]);
        let second =
            Pool::builder().workers(12).thread_name("a-very-long-thread-name").build().expect("starts");
        wait_for_names(&["a-very-long-t-0", "a-very-long--11", "resize-1"]);
        let third = Pool::builder().workers(1).thread_name("").build().expect("starts");
        wait_for_names(&["longshore-0"]);
        drop((first, second, third));
        wait_until("the threads have ended", || thread_count() == THREADS);
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

/// There are as many threads as workers, none before and none afterwards, however the pool ends.
#[test]
fn no_thread_outlives_its_pool() {
    const NAME: &str = "no_thread_outlives_its_pool";
    let plays = child::plays(NAME, |_| {
        wait_until("the threads have ended", || thread_count() == THREADS);
        for workers in [1, 2, 8, 64] {
            for end in 0..5 {
                let pool = pool(workers);
                assert_eq!(thread_count(), THREADS + workers);
                works(&pool);
                match end {
                    0 => drop(pool),
                    1 => pool.shutdown().expect("shuts down"),
                    2 => pool.shutdown_timeout(Duration::MAX).expect("shuts down"),
                    3 => assert_eq!(pool.shutdown_now(), Ok(0)),
                    _ => {
                        let pool = Arc::new(pool);
                        let (last, barrier) = (pool.clone(), Arc::new(Barrier::new(2)));
                        let meets = barrier.clone();
                        let task = move || {
                            meets.wait();
                            drop(last);
                        };
                        pool.execute(task).expect("open");
                        drop(pool);
                        barrier.wait();
                        // A pool that is dropped by one of its own tasks cannot wait for its threads.
                        wait_until("the threads have gone", || thread_count() == THREADS);
                    }
                }
                wait_until("the threads have ended", || thread_count() == THREADS);
            }
        }
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

#[test]
fn a_panic_in_the_start_hook_leaves_no_thread() {
    const NAME: &str = "a_panic_in_the_start_hook_leaves_no_thread";
    let plays = child::plays(NAME, |_| {
        for (workers, bad) in [(1, 0), (8, 0), (8, 7), (64, 33)] {
            let hook = move |worker| {
                if worker == bad {
                    quiet_panic("no");
                }
            };
            let built = Pool::builder().workers(workers).on_start(hook).build();
            assert!(matches!(built, Err(BuildError::StartHookPanicked { worker, .. }) if worker == bad));
            wait_until("the threads have ended", || thread_count() == THREADS);
        }
        works(&pool(2));
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

fn stack_of_this_thread() -> usize {
    let mut attributes = std::mem::MaybeUninit::uninit();
    // SAFETY: `pthread_self` has no preconditions.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: `this` is the calling thread, which is alive, and the attributes are valid for a write.
    let result = unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) };
    assert_eq!(result, 0);
    let (mut address, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the attributes were initialised above, and both places are valid for writes.
    let result = unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &mut address, &mut size) };
    assert_eq!(result, 0);
    size
}

#[test]
fn stacks_have_the_size_asked_for() {
    const NAME: &str = "stacks_have_the_size_asked_for";
    let plays = child::plays(NAME, |_| {
        // Ascending sizes, because libc keeps stacks and may reuse a larger one for a thread that asks for
        // less.
        let cases = [
            (Some(1), MIN_STACK_SIZE),
            (Some(MIN_STACK_SIZE), MIN_STACK_SIZE),
            (Some(1 << 20), 1 << 20),
            (Some(0), DEFAULT_STACK_SIZE),
            (None, DEFAULT_STACK_SIZE),
            (Some(64 << 20), 64 << 20),
        ];
        for (asked, expected) in cases {
            let builder = Pool::builder().workers(1);
            let builder = match asked {
                None => builder,
                Some(bytes) => builder.stack_size(bytes),
            };
            let pool = builder.build().expect("starts");
            let size = pool.submit(stack_of_this_thread).expect("open").join().expect("ran");
            // The system may add what it needs itself (thread-locals, guard page).
            assert!((expected..expected + (256 << 10)).contains(&size), "{asked:?}: {size}, not {expected}");
        }
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

#[test]
fn the_environment_sets_the_default() {
    const NAME: &str = "the_environment_sets_the_default";
    let plays = child::plays(NAME, |expected| {
        let pool = Pool::new().expect("starts");
        assert_eq!(pool.workers(), expected.parse().expect("a number"));
        assert_eq!(thread_count(), THREADS + pool.workers());
        works(&pool);
        let explicit = Pool::builder().workers(3).build().expect("starts");
        assert_eq!(explicit.workers(), 3, "the builder takes precedence");
    });
    if plays {
        return;
    }
    for (value, workers) in [("1", 1), ("2", 2), ("37", 37), (" 5 ", 5), ("007", 7)] {
        Child::of(NAME).variable("LONGSHORE_THREADS", value).argument(workers).succeeds();
    }
}

#[test]
fn an_empty_environment_and_0_are_the_default() {
    const NAME: &str = "an_empty_environment_and_0_are_the_default";
    let plays = child::plays(NAME, |expected| {
        let expected: usize = expected.parse().expect("a number");
        assert_eq!(Pool::new().expect("starts").workers(), expected);
        assert_eq!(PullPool::new().expect("starts").workers(), expected);
    });
    if plays {
        return;
    }
    let default = Pool::builder().build().expect("starts").workers();
    for value in ["", " ", "0", " 0 ", "00"] {
        Child::of(NAME).variable("LONGSHORE_THREADS", value).argument(default).succeeds();
    }
}

#[test]
fn a_bad_environment_is_an_error_that_names_it() {
    const NAME: &str = "a_bad_environment_is_an_error_that_names_it";
    let plays = child::plays(NAME, |value| {
        let error = Pool::new().expect_err("refused");
        match &error {
            BuildError::InvalidEnvironment { variable, value: named } => {
                assert_eq!((*variable, named.as_str()), ("LONGSHORE_THREADS", value));
            }
            other => panic!("{other:?}"),
        }
        let message = error.to_string();
        assert!(message.contains("LONGSHORE_THREADS") && message.contains(value), "{message}");
        wait_until("the threads have ended", || thread_count() == THREADS);
        works(&pool(2));
    });
    if plays {
        return;
    }
    for value in ["-1", "4097", "many", "2.5", "0x10", "18446744073709551616", "1 2"] {
        Child::of(NAME).variable("LONGSHORE_THREADS", value).argument(value).succeeds();
    }
}

/// On a single core the default is one worker, and pools with any number of workers work.
#[test]
fn on_a_single_core() {
    const NAME: &str = "on_a_single_core";
    let plays = child::plays(NAME, |_| {
        assert_eq!(Pool::new().expect("starts").workers(), 1);
        for workers in [1, 2, 8] {
            let pool = pool(workers);
            works(&pool);
            for _ in 0..200 {
                let barrier = Arc::new(Barrier::new(workers));
                let meet = || {
                    let barrier = barrier.clone();
                    move || _ = barrier.wait()
                };
                let handles = pool.submit_batch((0..workers).map(|_| meet())).expect("open");
                handles.into_iter().for_each(|handle| handle.join().expect("met"));
            }
        }
    });
    if !plays && child::has("taskset", &["-c", "0", "true"]) {
        Child::of(NAME).under(&["taskset", "-c", "0"]).succeeds();
    }
}

/// An extreme spin limit: the pool works and ends.
#[test]
fn an_extreme_spin_limit() {
    const NAME: &str = "an_extreme_spin_limit";
    let plays = child::plays(NAME, |_| {
        for spin in [Duration::from_secs(u64::MAX / 2), Duration::MAX] {
            for workers in [1, 2] {
                let pool = Pool::builder().workers(workers).spin(spin).build().expect("starts");
                works(&pool);
                pool.shutdown().expect("shuts down");
            }
        }
    });
    if !plays {
        Child::of(NAME).succeeds();
    }
}

/// Builds a pool of four workers, of which the system refuses number `k`. No thread is left, and a smaller
/// pool works.
fn refused_from(k: usize) {
    let before = thread_count();
    let token = Arc::new(());
    let held = token.clone();
    match Pool::builder().workers(4).on_exit(move |_| _ = &held).build() {
        Err(BuildError::Spawn { worker, source }) => {
            assert_eq!(worker, k);
            assert_eq!(source.raw_os_error(), Some(libc::EAGAIN), "{source}");
        }
        other => panic!("{other:?}"),
    }
    wait_until("the threads have ended", || thread_count() == before);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn the_kth_thread_is_refused_by_injection() {
    const NAME: &str = "the_kth_thread_is_refused_by_injection";
    let plays = child::plays(NAME, |k| {
        // The calls of each thread are counted from 1, and the main thread of the harness has made one.
        std::thread::spawn(|| ()).join().expect("runs");
        refused_from(k.parse().expect("a number"));
        works(&pool(4)); // the next attempt is not refused
    });
    if plays || !child::has("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    for k in 0..4 {
        let fault = format!("inject=clone3:error=EAGAIN:when={}", k + 2);
        let strace = ["strace", "-f", "-qq", "-e", "trace=clone3", "-e", &fault, "-o", "/dev/null"];
        Child::of(NAME).argument(k).under(&strace).succeeds();
    }
}

/// The same with a limit of the user's processes. It does not hold for the superuser, and another process of
/// the user may use up a part of it, so any of the threads may be refused.
#[test]
fn a_thread_is_refused_by_a_limit() {
    const NAME: &str = "a_thread_is_refused_by_a_limit";
    let plays = child::plays(NAME, |_| {
        let built = Pool::builder().workers(100).build();
        let error = built.expect_err("more than the limit");
        assert!(matches!(error, BuildError::Spawn { worker: 0..30, .. }), "{error:?}");
        assert!(error.to_string().contains("could not be started"), "{error}");
        wait_until("the threads have ended", || thread_count() == THREADS);
    });
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    if plays || !child::has("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups", "true"]) {
        return;
    }
    // That user must be able to run the test binary.
    let this = std::env::current_exe().expect("has a path");
    let this = this.to_str().expect("is text");
    if child::has("setpriv", &[&user[1..], &["test", "-x", this]].concat())
        && child::has("prlimit", &["--nproc=30", "true"])
    {
        Child::of(NAME).under(&[&user[..], &["prlimit", "--nproc=30"]].concat()).succeeds();
    }
}
