//! Deadlines and tokens: conditions that keep a task from starting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use longshore::{CancelToken, JoinError};

use super::*;
use crate::support::{Census, Gate, wait_until};

/// A time that does not pass during a test.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_task_in_time_runs() {
    let rig = Rig::new(2);
    let token = CancelToken::new();
    let in_time = rig.task().start_within(LONG).token(&token).submit(|| 1).expect("open");
    let endless = rig.task().start_within(Duration::MAX).submit(|| 2).expect("open");
    let dated = rig.task().deadline(Instant::now() + LONG).submit(|| 3).expect("open");
    assert_eq!(
        (in_time.join().expect("runs"), endless.join().expect("runs"), dated.join().expect("runs")),
        (1, 2, 3)
    );
    assert_eq!(rig.finish().completed, 3);
}

#[test]
fn a_task_past_its_deadline_never_begins() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let census = Census::default();
    let late = |captured: crate::support::Tracked| move || captured.check();
    let past = rig.task().deadline(Instant::now() - Duration::from_secs(1)).submit(late(census.citizen()));
    let zero = rig.task().start_within(Duration::ZERO).submit(late(census.citizen()));
    rig.task().start_within(Duration::ZERO).execute(late(census.citizen())).expect("accepted");
    // The worker is busy, and the handles do not wait for it.
    for handle in [past, zero] {
        let handle = handle.expect("accepted");
        assert!(handle.is_finished());
        assert!(matches!(handle.join(), Err(JoinError::Expired)));
    }
    gate.open();
    let stats = rig.finish();
    assert_eq!((stats.expired, stats.completed), (3, 1), "{stats:?}");
    census.assert_all_gone();
}

#[test]
fn a_wait_ends_with_the_chance_to_begin() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let late = rig.task().start_within(Duration::from_millis(20)).submit(|| ()).expect("open");
    assert!(matches!(late.join(), Err(JoinError::Expired)), "though no worker has taken it");
    let mut patient = rig.task().start_within(LONG).submit(|| ()).expect("open");
    assert!(patient.join_timeout(Duration::from_millis(1)).is_none());
    gate.open();
    patient.join().expect("runs");
    rig.finish();
}

#[test]
fn a_task_that_has_begun_is_not_stopped_by_its_deadline() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let (visitor, visited) = (gate.visitor(), gate.visitor());
    let at = Instant::now() + Duration::from_millis(30);
    let running = rig.task().deadline(at).submit(move || visitor.pass()).expect("open");
    // On a loaded machine the task may not begin in time. Then it must expire.
    wait_until("it has begun or expired", || running.is_finished() || visited.has_come(1));
    if running.is_finished() {
        assert!(matches!(running.join(), Err(JoinError::Expired)));
    } else {
        wait_until("the deadline has passed", || Instant::now() > at);
        assert!(!running.is_finished());
        gate.open();
        running.join().expect("runs to its end");
    }
}

#[test]
fn a_cancelled_token_keeps_queued_tasks_from_beginning() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let (token, other) = (CancelToken::new(), CancelToken::new());
    let child = token.child();
    let census = Census::default();
    let submit = |token: &CancelToken| {
        let captured = census.citizen();
        rig.task().token(token).submit(move || captured.check()).expect("open")
    };
    let queued: Vec<_> = [&token, &child].map(submit).into();
    let spared = submit(&other);
    assert!(token.cancel());
    assert!(!token.cancel() && !child.cancel(), "a second call is harmless");
    for handle in queued {
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    }
    let late = submit(&child);
    assert!(matches!(late.join(), Err(JoinError::Cancelled)), "accepted, but never starts");
    gate.open();
    spared.join().expect("another token");
    assert!(!other.is_cancelled());
    let stats = rig.finish();
    assert_eq!((stats.cancelled, stats.completed), (3, 2), "{stats:?}");
    census.assert_all_gone();
}

#[test]
fn cancelling_wakes_waiters_for_queued_tasks() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let token = CancelToken::new();
    let task = || rig.task().token(&token).submit(|| ()).expect("open");
    let (joined, mut awaited) = (task(), task());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| joined.join());
        let waker = futures_waker();
        let mut context = std::task::Context::from_waker(&waker.1);
        assert!(std::pin::Pin::new(&mut awaited).poll(&mut context).is_pending());
        token.cancel();
        assert!(matches!(waiting.join().expect("no panic"), Err(JoinError::Cancelled)));
        assert!(waker.0.load(Ordering::Acquire), "the future's task was woken");
        let Poll::Ready(result) = std::pin::Pin::new(&mut awaited).poll(&mut context) else {
            panic!("not ready")
        };
        assert!(matches!(result, Err(JoinError::Cancelled)));
    });
    gate.open();
    rig.finish();
}

fn futures_waker() -> (Arc<AtomicBool>, std::task::Waker) {
    struct Flag(Arc<AtomicBool>);
    impl std::task::Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), Arc::new(Flag(flag)).into())
}

#[test]
fn a_running_task_asks_its_token() {
    let rig = Rig::new(1);
    let token = CancelToken::new();
    let (inside, gate) = (token.clone(), Gate::new());
    let visitor = gate.visitor();
    let running = rig
        .task()
        .token(&token)
        .submit(move || {
            visitor.pass();
            wait_until("it is cancelled", || inside.is_cancelled());
            7
        })
        .expect("open");
    gate.open();
    gate.wait_for(1);
    token.cancel();
    assert_eq!(running.join().expect("it had begun"), 7);
    rig.finish();
}

#[test]
fn children_follow_their_parent_and_not_the_reverse() {
    let root = CancelToken::new();
    let mut chain = vec![root.clone()];
    // Longer than any stack could hold if it were walked by recursion.
    for _ in 0..100_000 {
        chain.push(chain.last().expect("one").child());
    }
    chain[70_000].cancel();
    assert!(chain[99_999].is_cancelled() && !chain[69_999].is_cancelled());
    root.cancel();
    assert!(chain.iter().all(CancelToken::is_cancelled));
    assert!(root.child().is_cancelled(), "a child of a cancelled token is cancelled");
    // Many children that are dropped do not accumulate in their parent. The test shows only that this ends.
    let parent = CancelToken::new();
    (0..200_000).for_each(|_| drop(parent.child()));
}

#[test]
fn cancelling_races_with_tasks_and_children() {
    let rig = Rig::new(2);
    let token = CancelToken::new();
    let handles: Vec<_> = thread::scope(|scope| {
        let producing = scope.spawn(|| {
            let submit = |_| rig.task().token(&token.child()).submit(|| ()).expect("open");
            (0..20_000).map(submit).collect()
        });
        scope.spawn(|| {
            wait_until("some have run", || rig.stats().completed > 500);
            token.cancel();
        });
        producing.join().expect("no panic")
    });
    let mut ends = [0u64; 2];
    for handle in handles {
        match handle.join() {
            Ok(()) => ends[0] += 1,
            Err(JoinError::Cancelled) => ends[1] += 1,
            Err(other) => panic!("{other}"),
        }
    }
    let stats = rig.finish();
    assert_eq!([stats.completed, stats.cancelled], ends);
}

#[test]
fn a_token_ends_a_pool() {
    let token = CancelToken::new();
    let pool = Arc::new(Pool::builder().workers(1).cancel_token(&token).build().expect("builds"));
    let gate = Gate::new();
    gate.hold(&pool, 1);
    let queued = pool.submit(|| ()).expect("open");
    token.cancel();
    assert!(matches!(queued.join(), Err(JoinError::Cancelled)));
    assert!(pool.submit(|| ()).is_err(), "it is closed");
    gate.open();
    pool.shutdown().expect("from outside");
    assert_eq!(pool.stats().completed, 1, "the running task has ended");

    let closed = Pool::builder().workers(1).cancel_token(&token).build().expect("builds");
    assert!(closed.submit(|| ()).is_err(), "from the beginning");
    drop(closed);
    token.cancel();
}

#[test]
fn a_pool_may_be_cancelled_by_its_own_task_and_outlive_its_token() {
    let token = CancelToken::new();
    let pool = Pool::builder().workers(2).cancel_token(&token).build().expect("builds");
    let inside = token.clone();
    pool.submit(move || inside.cancel()).expect("open").join().expect("runs");
    drop(pool);
    let pool = Pool::builder().workers(1).cancel_token(&CancelToken::new()).build().expect("builds");
    assert_eq!(pool.submit(|| 4).expect("open").join().expect("runs"), 4);
}

#[test]
fn large_closures_and_panics_under_conditions() {
    let rig = Rig::new(1);
    let token = CancelToken::new();
    let ballast = std::hint::black_box([3u8; 1600]);
    let sum = rig.task().token(&token).submit(move || ballast.iter().map(|&b| u64::from(b)).sum::<u64>());
    assert_eq!(sum.expect("open").join().expect("runs"), 4800);
    rig.task().token(&token).execute(move || assert!(ballast[7] == 3)).expect("open");
    let panics = rig.task().token(&token).submit(|| crate::support::quiet_panic("on purpose")).expect("open");
    assert!(panics.join().is_err_and(|error| error.is_panic()));
    rig.finish();
}
