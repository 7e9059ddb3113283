//! Waiting until a pool has no task: `wait_idle`, with a time limit, as a future, and in every phase of a
//! pool of either kind.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use longshore::{AnyPool, CancelToken, IdleError, Pool, Priority, PullPool};
use rand::RngExt;

#[path = "support/mod.rs"]
mod support;

use support::{AnyRig, Gate, rng, scaled, seed, wait_until};

/// A task that submits `children` tasks, each of which does the same with one less level.
fn tree(levels: u32, children: u32, ended: Arc<AtomicU64>) {
    if levels > 0 {
        for _ in 0..children {
            let ended = ended.clone();
            longshore::execute(move || tree(levels - 1, children, ended)).expect("inside");
        }
    }
    ended.fetch_add(1, Ordering::Relaxed);
}

fn everything_has_ended_when_the_wait_returns<P: AnyPool>() {
    let seed = seed();
    for workers in [1, 2, 4] {
        let rig = AnyRig::<P>::new(workers);
        assert_eq!(rig.wait_idle(), Ok(()), "no task was submitted yet");
        let mut rng = rng(seed, workers as u64);
        let mut expected = 0;
        let ended = Arc::new(AtomicU64::new(0));
        for _ in 0..scaled(150) {
            let (levels, children) = (rng.random_range(0..4), rng.random_range(1..5));
            expected += (0..=levels).map(|level| u64::from(children).pow(level)).sum::<u64>();
            let root = ended.clone();
            rig.execute(move || tree(levels, children, root)).expect("open");
            if rng.random_bool(0.5) {
                rig.wait_idle().expect("idle");
                // Nothing else synchronises this thread with the tasks.
                assert_eq!(ended.load(Ordering::Relaxed), expected);
            }
        }
        pollster::block_on(rig.wait_idle_async()).expect("idle");
        assert_eq!(ended.load(Ordering::Relaxed), expected);
        rig.finish();
    }
}

/// Each thread submits and waits; what it has submitted has ended, whatever the others do.
fn each_of_many_waits_sees_its_own_tasks<P: AnyPool>() {
    let rig = AnyRig::<P>::new(2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let ended = Arc::new(AtomicU64::new(0));
                for round in 1..=scaled(100) as u64 {
                    let root = ended.clone();
                    rig.execute(move || tree(1, 3, root)).expect("open");
                    rig.wait_idle().expect("idle");
                    assert_eq!(ended.load(Ordering::Relaxed), 4 * round);
                }
            });
        }
    });
    rig.finish();
}

fn a_task_that_runs_or_waits_keeps_the_pool_busy<P: AnyPool>() {
    let rig = AnyRig::<P>::new(2);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let outer = rig
        .submit(move || {
            // Waits, so that its worker parks inside of the task.
            let inner = longshore::submit(move || visitor.pass()).expect("inside");
            let again = longshore::submit(move || inner.join().expect("ran")).expect("inside");
            again.join().expect("ran");
        })
        .expect("open");
    let short = Duration::from_millis(20);
    assert_eq!(rig.wait_idle_timeout(short), Err(IdleError::TimedOut));
    assert_eq!(rig.wait_idle_timeout(Duration::ZERO), Err(IdleError::TimedOut));
    let mut pending = pin!(rig.wait_idle_async());
    assert!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(rig.wait_idle_async()); // ends its wait
    gate.open();
    pollster::block_on(pending).expect("idle");
    assert!(outer.is_finished());
    outer.join().expect("ran");
    rig.finish();
}

fn who_may_not_wait<P: AnyPool>() {
    let rig = AnyRig::<P>::new(1);
    let pool = Arc::downgrade(rig.pool());
    let inside = move || {
        let pool = pool.upgrade().expect("the test has it");
        (pool.wait_idle(), pool.wait_idle_timeout(Duration::ZERO), pollster::block_on(pool.wait_idle_async()))
    };
    let refused = Err(IdleError::FromWorker);
    assert_eq!(rig.submit(inside).expect("open").join().expect("ran"), (refused, refused, refused));
    // A task of another pool may, and its worker serves its own pool meanwhile: here the awaited task needs
    // it.
    let other = Arc::new(AnyRig::<P>::new(1).pool().clone());
    let (here, there) = (rig.pool().clone(), other.clone());
    for is_async in [false, true] {
        let (here, there) = (here.clone(), there.clone());
        let waits = rig.submit(move || {
            let back = here.clone();
            let task = move || back.submit(|| 7).expect("open").join().expect("ran");
            let task = there.submit(task).expect("open");
            let waited = match is_async {
                false => there.wait_idle(),
                true => pollster::block_on(there.wait_idle_async()),
            };
            waited.expect("idle");
            assert!(task.is_finished());
            task.join().expect("ran")
        });
        assert_eq!(waits.expect("open").join().expect("ran"), 7);
    }
    other.shutdown().expect("shuts down");
    rig.finish();
}

fn a_closed_pool_becomes_idle<P: AnyPool>() {
    for discards in [false, true] {
        let rig = AnyRig::<P>::new(2);
        let gate = Gate::new();
        gate.hold(&rig, 2);
        (0..10).for_each(|_| rig.execute(|| ()).expect("open"));
        let pool = rig.pool().clone();
        let closes = thread::spawn(move || match discards {
            false => pool.shutdown(),
            true => pool.shutdown_now().map(drop),
        });
        let future = rig.wait_idle_async();
        let pool = rig.pool().clone();
        let waits = thread::spawn(move || pool.wait_idle());
        gate.open();
        assert_eq!(waits.join().expect("no panic"), Ok(()));
        assert_eq!(pollster::block_on(future), Ok(()));
        closes.join().expect("no panic").expect("shuts down");
        assert_eq!(rig.wait_idle(), Ok(()), "it stays idle");
        rig.finish();
    }
}

fn discarded_tasks_are_gone<P: AnyPool>() {
    let rig = AnyRig::<P>::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let token = CancelToken::new();
    for n in 0..20 {
        match n % 2 {
            0 => drop(rig.submit(|| ()).expect("open")),
            _ => rig.task().token(&token).execute(|| ()).expect("open"),
        }
    }
    token.cancel();
    rig.purge();
    let pool = rig.pool().clone();
    let waits = thread::spawn(move || pool.wait_idle());
    gate.open();
    waits.join().expect("no panic").expect("idle");
    let stats = rig.stats();
    assert_eq!((stats.waiting, stats.running), (0, 0));
    rig.finish();
}

/// A task of another pool polls, and only a broadcast task of its worker ends what it waits for.
fn a_pending_poll_runs_broadcast_tasks<P: AnyPool>() {
    let rig = AnyRig::<P>::new(1);
    let other = Arc::new(P::builder().workers(1).build().expect("starts"));
    let (there, back) = (other.clone(), rig.pool().clone());
    let waits = rig.submit(move || {
        let broadcasts = move || {
            let handles = back.broadcast(|worker| worker).expect("open");
            handles.into_iter().for_each(|handle| _ = handle.join());
        };
        there.execute(broadcasts).expect("open");
        pollster::block_on(there.wait_idle_async())
    });
    assert_eq!(waits.expect("open").join().expect("ran"), Ok(()));
    rig.finish();
}

/// Polls a wait that must be pending, ends the last task by `end`, and waits both ways.
#[track_caller]
fn rests_after<P: AnyPool>(rig: &AnyRig<P>, end: impl FnOnce()) {
    let mut pending = pin!(rig.wait_idle_async());
    assert!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(rig.wait_idle_timeout(Duration::from_millis(1)), Err(IdleError::TimedOut));
    end();
    pollster::block_on(pending).expect("idle");
    rig.wait_idle().expect("still idle");
    assert!(rig.is_paused());
}

fn a_paused_pool_is_idle_when_its_running_tasks_have_ended<P: AnyPool>() {
    for workers in [1, 2] {
        let rig = AnyRig::<P>::new(workers);
        for running in 1..=workers {
            let gate = Gate::new();
            gate.hold(&rig, running);
            rig.pause();
            rests_after(&rig, || gate.open());
            rig.resume();
        }
        rig.finish();
    }
}

/// Whatever ends a queued task of a paused pool: its entry stays, or does not.
fn a_paused_pool_is_idle_when_its_queued_tasks_are_gone<P: AnyPool>() {
    for workers in [1, 2] {
        let rig = AnyRig::<P>::new(workers);
        rig.wait_idle().expect("idle");
        rig.pause();
        (0..5).for_each(|_| rig.execute(|| ()).expect("open"));
        rests_after(&rig, || _ = rig.purge());

        let handles = [0, 1, 2].map(|n| {
            let task = rig.task();
            let task = if n == 1 { task.priority(Priority::High) } else { task };
            task.submit(|| ()).expect("open")
        });
        handles[..2].iter().for_each(|handle| assert!(handle.cancel()));
        rests_after(&rig, || assert!(handles[2].cancel()));

        let token = CancelToken::new();
        (0..3).for_each(|_| rig.task().token(&token).execute(|| ()).expect("open"));
        rests_after(&rig, || assert!(token.cancel()));

        let end = rig.submit(|| ()).expect("open");
        rig.task().start_within(Duration::from_millis(1)).execute(|| ()).expect("open");
        wait_until("the task expires", || rig.stats().expired == 1);
        rests_after(&rig, || assert!(end.cancel()));
        rig.task().start_within(Duration::from_millis(1)).execute(|| ()).expect("open");
        rig.wait_idle().expect("the task expires");

        let lane = rig.lane(1).build().expect("a limit");
        let handles: Vec<_> = (0..3).map(|_| lane.submit(|| ()).expect("open")).collect();
        assert!(handles[0].cancel(), "it has the only pass");
        rests_after(&rig, || _ = rig.purge());
        let handles: Vec<_> = (0..3).map(|_| lane.submit(|| ()).expect("open")).collect();
        handles[..2].iter().for_each(|handle| assert!(handle.cancel()));
        rests_after(&rig, || assert!(handles[2].cancel()));

        drop(rig.broadcast(|worker| worker).expect("open"));
        rests_after(&rig, || _ = rig.purge());

        let queued = rig.submit(|| 7).expect("open");
        assert_eq!(rig.wait_idle_timeout(Duration::from_millis(20)), Err(IdleError::TimedOut));
        rig.resume();
        rig.wait_idle().expect("idle");
        assert!(queued.is_finished());
        rig.finish();
    }
}

fn a_paused_pool_without_threads_becomes_idle<P: AnyPool>() {
    let rig = AnyRig::<P>::with(P::builder().in_caller());
    rig.pause();
    rig.wait_idle().expect("idle");
    let handle = rig.submit(|| ()).expect("open");
    rests_after(&rig, || assert!(handle.cancel()));
    rig.execute(|| ()).expect("open");
    rests_after(&rig, || _ = rig.purge());
    rig.finish();
}

/// A wait neither ends before the tasks of its thread nor misses their end, while pauses begin and end and
/// tasks end early.
fn pauses_and_early_ends_at_any_time<P: AnyPool>() {
    let rig = AnyRig::<P>::new(2);
    let lane = rig.lane(1).build().expect("a limit");
    let ran = Arc::new(AtomicU64::new(0));
    let mut rng = rng(seed(), 7);
    for round in 0..scaled(300) {
        let is_paused_throughout = round % 2 == 0;
        if is_paused_throughout {
            rig.pause();
        }
        let handles: Vec<_> = (0..rng.random_range(1..6))
            .map(|n| {
                let ran = ran.clone();
                let task = move || _ = ran.fetch_add(1, Ordering::Relaxed);
                if n % 2 == 0 { rig.submit(task).expect("open") } else { lane.submit(task).expect("open") }
            })
            .collect();
        let purges = rng.random_bool(0.5);
        let ran_before = thread::scope(|scope| {
            scope.spawn(|| match (is_paused_throughout, purges) {
                (true, true) => _ = rig.purge(),
                (true, false) => handles.iter().for_each(|handle| _ = handle.cancel()),
                (false, _) => {
                    for handle in &handles {
                        rig.pause();
                        handle.cancel();
                        rig.resume();
                    }
                }
            });
            rig.wait_idle().expect("idle");
            ran.load(Ordering::Relaxed)
        });
        rig.resume();
        handles.into_iter().for_each(|handle| _ = handle.join());
        assert_eq!(ran.load(Ordering::Relaxed), ran_before, "no task runs after the wait, round {round}");
    }
    rig.finish();
}

macro_rules! with_each_kind {
    ($($name:ident),* $(,)?) => {
        mod push {
            $(#[test] fn $name() { super::$name::<super::Pool>(); })*
        }
        mod pull {
            $(#[test] fn $name() { super::$name::<super::PullPool>(); })*
        }
    };
}

with_each_kind!(
    everything_has_ended_when_the_wait_returns,
    each_of_many_waits_sees_its_own_tasks,
    a_task_that_runs_or_waits_keeps_the_pool_busy,
    who_may_not_wait,
    a_closed_pool_becomes_idle,
    discarded_tasks_are_gone,
    a_pending_poll_runs_broadcast_tasks,
    a_paused_pool_is_idle_when_its_running_tasks_have_ended,
    a_paused_pool_is_idle_when_its_queued_tasks_are_gone,
    a_paused_pool_without_threads_becomes_idle,
    pauses_and_early_ends_at_any_time,
);

/// Loops and scopes of an external thread, which acts as a worker meanwhile.
#[test]
fn a_lease_keeps_the_pool_busy() {
    let rig = AnyRig::<Pool>::new(2);
    for _ in 0..scaled(100) {
        rig.enter(|_| {
            longshore::execute(|| ()).expect("inside");
            assert_eq!(rig.wait_idle(), Err(IdleError::FromWorker));
        });
        rig.wait_idle().expect("idle");
        assert_eq!(rig.stats().running, 0);
    }
    let gate = Gate::new();
    let visitor = gate.visitor();
    thread::scope(|scope| {
        let (visitor, rig) = (&visitor, &rig);
        let entered = scope.spawn(move || rig.enter(|_| visitor.pass()));
        gate.wait_for(1);
        let mut pending = pin!(rig.wait_idle_async());
        assert_eq!(pending.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        gate.open();
        pollster::block_on(pending).expect("idle");
        entered.join().expect("no panic");
    });
    rig.finish();
}

/// Workers come and go while a thread waits.
#[test]
fn a_pool_that_changes_its_size_becomes_idle() {
    let rig = AnyRig::<Pool>::with(Pool::builder().workers(4));
    for round in 0..scaled(50) {
        rig.set_workers(1 + round % 4).expect("open");
        (0..20).for_each(|_| rig.execute(|| ()).expect("open"));
        rig.set_workers(1 + (round + 1) % 4).expect("open");
        rig.wait_idle().expect("idle");
        assert_eq!(rig.stats().completed, 20 * (round as u64 + 1));
    }
    rig.finish();
}
