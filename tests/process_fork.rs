//! `fork()` with a live pool: the child has the pool, and none of its workers. Every call there is an error
//! at once, nothing hangs, and the parent is not affected.

#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use longshore::{
    AnyPool, JoinError, Pool, PullPool, ResizeError, Scaling, ShutdownError, SubmitErrorKind, Workers,
};

use support::Gate;
use support::child::with_each_kind;

/// Runs `body` in a forked child and demands that it succeeds. The process has no threads but the pool's,
/// which are blocked and hold no lock of the allocator, so the child may allocate.
#[track_caller]
fn in_fork(body: impl FnOnce()) {
    // SAFETY: the other threads are blocked and hold no lock that the child takes (see above). The child
    // leaves by `_exit` and never returns to the harness.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "forks");
    if child == 0 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        // SAFETY: `_exit` has no preconditions. It runs no destructor and no handler of the parent's.
        unsafe { libc::_exit(i32::from(outcome.is_err())) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid for a write of an `int`.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!((waited, status), (child, 0), "the child has failed, see its output above");
}

/// A pool whose workers are all blocked at the gate.
fn blocked_pool<P: AnyPool>(workers: usize) -> (Arc<P>, Gate) {
    let pool = Arc::new(P::builder().workers(workers).build().expect("starts"));
    let gate = Gate::new();
    gate.hold(&pool, workers);
    (pool, gate)
}

fn submissions_are_refused(pool: &impl AnyPool) {
    let refused = pool.execute(|| ()).expect_err("forked");
    assert_eq!(refused.kind, SubmitErrorKind::Forked);
    let refused = pool.submit(|| 7).expect_err("forked");
    assert_eq!((refused.kind, (refused.into_inner())()), (SubmitErrorKind::Forked, 7));
    let batch = pool.execute_batch([|| (), || ()]).expect_err("forked");
    assert_eq!((batch.accepted.len(), batch.rejected()), (0, 2));
    assert_eq!(batch.kind, SubmitErrorKind::Forked);
    let batch = pool.submit_batch((0..3).map(|n| move || n)).expect_err("forked");
    assert!(batch.accepted.is_empty() && batch.into_rejected().into_iter().map(|task| task()).eq(0..3));
}

#[test]
fn in_the_child_everything_is_an_error() {
    fn scenario<P: AnyPool>() {
        let (pool, gate) = blocked_pool::<P>(2);
        let queued = pool.submit(|| 5).expect("open");
        let mut both = Some((pool, queued));
        in_fork(|| {
            let (pool, mut queued) = both.take().expect("there");
            submissions_are_refused(&*pool);
            assert_eq!(pool.shutdown(), Err(ShutdownError::Forked));
            assert_eq!(pool.shutdown_timeout(Duration::ZERO), Err(ShutdownError::Forked));
            assert_eq!(pool.shutdown_timeout(Duration::MAX), Err(ShutdownError::Forked));
            assert_eq!(pool.shutdown_now(), Err(ShutdownError::Forked));
            assert!(queued.try_join().is_none());
            assert!(matches!(queued.join_timeout(Duration::MAX), Some(Err(JoinError::Forked))));
            let polled = pollster::block_on(&mut queued);
            assert!(matches!(polled, Err(JoinError::Forked)));
            assert!(matches!(queued.join(), Err(JoinError::Forked)));
            assert_eq!((pool.workers(), pool.stats().running), (2, 2));
            assert!(format!("{pool:?}").contains("Pool"));
            drop(pool);
        });
        gate.open();
        let (_pool, queued) = both.take().expect("the pools of the parent");
        assert_eq!(queued.join().expect("ran"), 5);
    }
    with_each_kind("in_the_child_everything_is_an_error", scenario::<Pool>, scenario::<PullPool>);
}

#[test]
fn a_result_from_before_the_fork_can_be_taken() {
    fn scenario<P: AnyPool>() {
        let pool = Arc::new(P::builder().workers(1).build().expect("starts"));
        let ready = pool.submit(|| 5).expect("open");
        support::wait_until("the task has ended", || ready.is_finished());
        let gate = Gate::new();
        gate.hold(&pool, 1);
        let queued = pool.submit(|| 6).expect("open");
        in_fork(|| {
            assert_eq!(ready.join().expect("ready before the fork"), 5);
            // A task that will never run in this process can be cancelled.
            assert!(queued.cancel());
            assert!(matches!(queued.join(), Err(JoinError::Cancelled)));
        });
    }
    with_each_kind("a_result_from_before_the_fork_can_be_taken", scenario::<Pool>, scenario::<PullPool>);
}

#[test]
fn the_child_may_build_a_pool_of_its_own() {
    fn scenario<P: AnyPool>() {
        let (parents, _gate) = blocked_pool::<P>(2);
        in_fork(|| {
            let own = P::builder().workers(2).build().expect("starts");
            assert_eq!(own.submit(|| 8).expect("open").join().expect("ran"), 8);
            submissions_are_refused(&*parents);
            // A pool from before the fork is refused inside the tasks of the new one as well.
            own.shutdown().expect("shuts down");
            // One generation further.
            let (childs, its_gate) = blocked_pool::<P>(1);
            in_fork(|| {
                submissions_are_refused(&*childs);
                submissions_are_refused(&*parents);
                let own = P::builder().workers(1).build().expect("starts");
                assert_eq!(own.submit(|| 9).expect("open").join().expect("ran"), 9);
            });
            its_gate.open();
            childs.shutdown().expect("the child's own pool still works");
        });
    }
    with_each_kind("the_child_may_build_a_pool_of_its_own", scenario::<Pool>, scenario::<PullPool>);
}

#[test]
fn the_parent_is_not_affected() {
    fn scenario<P: AnyPool>() {
        let (pool, gate) = blocked_pool::<P>(2);
        let queued: Vec<_> = (0..100).map(|n| pool.submit(move || n).expect("open")).collect();
        for _ in 0..10 {
            in_fork(|| submissions_are_refused(&*pool));
        }
        gate.open();
        for (n, handle) in queued.into_iter().enumerate() {
            assert_eq!(handle.join().expect("ran"), n);
        }
        assert_eq!(pool.submit(|| 1).expect("open").join().expect("ran"), 1);
        pool.shutdown().expect("shuts down");
        assert_eq!(support::assert_quiescent(&pool).completed, 103);
    }
    with_each_kind("the_parent_is_not_affected", scenario::<Pool>, scenario::<PullPool>);
}

/// A task forks: the single thread of the child is a copy of a worker's, in the middle of that task.
#[test]
fn a_task_may_fork() {
    fn scenario<P: AnyPool>() {
        let pool = Arc::new(P::builder().workers(1).build().expect("starts"));
        let forks = || {
            let local = longshore::submit(|| 1).expect("inside");
            in_fork(|| {
                assert_eq!(longshore::execute(|| ()).expect_err("forked").kind, SubmitErrorKind::Forked);
                assert_eq!(
                    longshore::submit(|| ()).map(drop).expect_err("forked").kind,
                    SubmitErrorKind::Forked
                );
                assert!(matches!(local.join(), Err(JoinError::Forked)));
            });
        };
        pool.submit(forks).expect("open").join().expect("ran");
        pool.shutdown().expect("shuts down");
        assert_eq!(support::assert_quiescent(&pool).completed, 2);
    }
    with_each_kind("a_task_may_fork", scenario::<Pool>, scenario::<PullPool>);
}

/// The same for fixed, shrunk and elastic pools. Those of the parent are not affected.
#[test]
fn in_the_child_no_pool_is_resized() {
    fn scenario<P: AnyPool>() {
        for workers in [Workers::from(2), Workers::from(2..=8)] {
            let pool =
                Arc::new(P::builder().workers(workers).scaling(Scaling::eager()).build().expect("starts"));
            let gate = Gate::new();
            gate.hold(&pool, 2);
            in_fork(|| {
                // The pool may have grown before the fork, because its tasks wait at the gate.
                let before = (pool.workers(), pool.stats().grown);
                for n in [1, 2, workers.max] {
                    assert!(matches!(pool.set_workers(n), Err(ResizeError::Forked)));
                    assert!(matches!(pool.set_workers(1..=n), Err(ResizeError::Forked)));
                }
                assert!(matches!(pool.set_workers(0), Err(ResizeError::Forked)));
                assert_eq!(pool.blocking(|| 3), 3);
                assert_eq!((pool.workers(), pool.stats().grown), before);
            });
            gate.open();
            pool.set_workers(1).expect("within the range");
            support::wait_until("one worker has retired", || pool.workers() == 1);
            assert_eq!(pool.submit(|| 6).expect("open").join().expect("ran"), 6);
            pool.shutdown().expect("shuts down");
            support::assert_quiescent(&pool);
        }
    }
    with_each_kind("in_the_child_no_pool_is_resized", scenario::<Pool>, scenario::<PullPool>);
}

/// A task that forks gets no stand-in in the child.
#[test]
fn in_the_child_there_is_no_stand_in() {
    fn scenario<P: AnyPool>() {
        let pool = Arc::new(P::builder().workers(1).build().expect("starts"));
        let forks = || in_fork(|| assert_eq!(longshore::blocking(|| 4), 4));
        pool.submit(forks).expect("open").join().expect("ran");
        pool.shutdown().expect("shuts down");
        assert_eq!(support::assert_quiescent(&pool).stand_ins, 0);
    }
    with_each_kind("in_the_child_there_is_no_stand_in", scenario::<Pool>, scenario::<PullPool>);
}
