//! Pinning when the process is confined to some cores, or the system refuses a pin.

#![cfg(target_os = "linux")]

mod support;

use longshore::{BuildError, PinStatus, Pinning, Pool};

use support::child::{self, Child};

fn build(workers: usize, pinning: Pinning) -> Result<Pool, BuildError> {
    Pool::builder().workers(workers).pinning(pinning).build()
}

fn statuses(pool: &Pool) -> Vec<PinStatus> {
    pool.stats().workers.iter().map(|worker| worker.pin).collect()
}

#[track_caller]
fn works(pool: &Pool) {
    let handles = pool.submit_batch((0..500u64).map(|n| move || n)).expect("open");
    assert_eq!(handles.into_iter().map(|handle| handle.join().expect("ran")).sum::<u64>(), 124_750);
}

/// The process may run on one core only. No worker is pinned elsewhere, and a configured other core is an
/// error.
#[test]
fn inside_the_mask_of_the_process() {
    const NAME: &str = "inside_the_mask_of_the_process";
    let plays = child::plays(NAME, |core| {
        let core = core.parse().expect("a number");
        for pinning in [Pinning::Compact, Pinning::Spread, Pinning::Cores(vec![core])] {
            let pool = build(3, pinning).expect("starts");
            assert_eq!(statuses(&pool), [PinStatus::Pinned(core); 3]);
            works(&pool);
        }
        let other = if core == 0 { 1 } else { 0 };
        for cores in [vec![other], vec![core, other]] {
            match build(2, Pinning::Cores(cores)) {
                Err(BuildError::CoreNotAllowed { core }) => assert_eq!(core, other),
                built => panic!("{built:?}"),
            }
        }
        let free = build(2, Pinning::None).expect("starts");
        assert_eq!(statuses(&free), [PinStatus::Unpinned; 2]);
        works(&free);
    });
    if plays {
        return;
    }
    for core in ["0", "1"] {
        if child::has("taskset", &["-c", core, "true"]) {
            Child::of(NAME).argument(core).under(&["taskset", "-c", core]).succeeds();
        }
    }
}

/// The system refuses every pin. The statistics show that, and nothing else changes.
#[test]
fn a_refused_pin_is_visible_and_not_fatal() {
    const NAME: &str = "a_refused_pin_is_visible_and_not_fatal";
    let plays = child::plays(NAME, |_| {
        for pinning in [Pinning::Compact, Pinning::Spread, Pinning::Cores(vec![0])] {
            let pool = build(3, pinning.clone()).expect("starts without pins");
            for status in statuses(&pool) {
                assert!(matches!(status, PinStatus::Refused(_)), "{pinning:?}: {status}");
            }
            works(&pool);
            pool.shutdown().expect("shuts down");
        }
        let pool = build(2, Pinning::None).expect("starts");
        assert_eq!(statuses(&pool), [PinStatus::Unpinned; 2]);
        works(&pool);
    });
    if plays || !child::has("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    for error in ["EPERM", "EINVAL"] {
        let fault = format!("inject=sched_setaffinity:error={error}");
        let strace =
            ["strace", "-f", "-qq", "-e", "trace=sched_setaffinity", "-e", &fault, "-o", "/dev/null"];
        Child::of(NAME).under(&strace).succeeds();
    }
}

/// A sandbox that reports success and does nothing is detected. The process must have more than one core;
/// otherwise there is no difference.
#[test]
fn a_pin_that_does_nothing_is_visible() {
    const NAME: &str = "a_pin_that_does_nothing_is_visible";
    let plays = child::plays(NAME, |_| {
        let pool = build(2, Pinning::Compact).expect("starts without pins");
        let statuses = statuses(&pool);
        assert!(statuses.iter().all(|status| matches!(status, PinStatus::Refused(_))), "{statuses:?}");
        works(&pool);
    });
    if plays || !child::has("strace", &["-f", "-o", "/dev/null", "true"]) {
        return;
    }
    if !child::has("sh", &["-c", "test $(nproc) -ge 2"]) {
        return;
    }
    let fault = "inject=sched_setaffinity:retval=0";
    let strace = ["strace", "-f", "-qq", "-e", "trace=sched_setaffinity", "-e", fault, "-o", "/dev/null"];
    Child::of(NAME).under(&strace).succeeds();
}
