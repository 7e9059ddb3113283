//! Several pools, and pools entered from tasks, hooks and ending threads: no wait depends on itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use longshore::{AnyPool, Context, Pool, PullPool};

use super::{fib, free_fib};
use crate::support::{AnyRig, Rig, at_thread_exit, quiet_panic, wait_for_started_workers, wait_until};

fn closed() -> Pool {
    let pool = Pool::builder().workers(2).build().expect("starts");
    pool.shutdown().expect("ends");
    pool
}

/// Enters the two pools in turn, some levels deep.
fn by_turns(here: &Pool, there: &Pool, levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let below = match levels % 3 {
        0 => here.install(|| by_turns(there, here, levels - 1)),
        1 => here.enter(|_| by_turns(there, here, levels - 1)),
        _ => here.join(|| by_turns(there, here, levels - 1), || ()).0,
    };
    below + 1
}

/// Each pool has one worker, and each of the workers waits for the other.
#[test]
fn two_pools_enter_each_other() {
    let (a, b) = (Rig::new(1), Rig::new(1));
    for levels in 1..=20 {
        assert_eq!(by_turns(&a, &b, levels), levels);
    }
    a.finish();
    b.finish();
}

#[test]
fn two_pools_enter_each_other_from_both_ends() {
    for workers in [1, 2] {
        let (a, b) = (Rig::new(workers), Rig::new(workers));
        thread::scope(|scope| {
            for (here, there) in [(&a, &b), (&b, &a), (&a, &b), (&b, &a)] {
                scope.spawn(move || {
                    for round in 0..300 {
                        assert_eq!(by_turns(here, there, 1 + round % 5), 1 + round % 5);
                    }
                });
            }
        });
        a.finish();
        b.finish();
    }
}

#[test]
fn three_pools_in_a_ring() {
    fn around(pools: &[Rig; 3], step: usize) -> usize {
        if step == 9 {
            return 1;
        }
        let (a, b) = pools[step % 3].join(|| around(pools, step + 1), || around(pools, step + 1));
        a + b
    }
    let pools = [1, 2, 1].map(Rig::new);
    assert_eq!(around(&pools, 0), 512);
    pools.into_iter().for_each(|pool| _ = pool.finish());
}

/// The only worker of `outer` enters a pool whose task needs a task of `outer`. Whatever the way of waiting,
/// the worker serves its own pool.
fn serves_its_own<P: AnyPool>(outer: &Arc<P>, inner: &Pool) {
    let home = outer.clone();
    let ask = || home.submit(|| 7).expect("open").join().expect("ran");
    assert_eq!(inner.enter(|_| ask()), 7);
    assert_eq!(inner.install(ask), 7);
    assert_eq!(inner.join(ask, ask), (7, 7));
}

#[test]
fn a_worker_that_enters_another_pool_serves_its_own() {
    fn with<P: AnyPool>() {
        for inner in [1, 2] {
            let (outer, inner) = (AnyRig::<P>::new(1), Rig::new(inner));
            let (home, pool) = (outer.pool().clone(), inner.pool().clone());
            for _ in 0..50 {
                let (home, pool) = (home.clone(), pool.clone());
                outer.submit(move || serves_its_own(&home, &pool)).expect("open").join().expect("ran");
            }
            outer.finish();
            inner.finish();
        }
    }
    with::<Pool>();
    with::<PullPool>();
}

/// A closed pool leaves the work to the caller, which stays the worker that it is.
#[test]
fn a_worker_that_enters_a_closed_pool_serves_its_own() {
    fn with<P: AnyPool>() {
        let outer = AnyRig::<P>::new(1);
        let home = outer.pool().clone();
        let task = move || {
            let pool = closed();
            serves_its_own(&home, &pool);
            assert_eq!(pool.enter(|cx| fib(cx, 10)), 55);
            let here = thread::current().id();
            assert_eq!(pool.enter(|_| pool.join(|| thread::current().id(), || here)), (here, here));
            // Tasks submitted on the way go to the pool of this worker.
            assert_eq!(
                pool.enter(|_| longshore::submit(|| 8).expect("inside").join().expect("ran")),
                8,
                "runs"
            );
        };
        outer.submit(task).expect("open").join().expect("ran");
        assert_eq!(outer.finish().completed, 6);
    }
    with::<Pool>();
    with::<PullPool>();
}

/// An external thread that leases the only worker of a pool enters a closed pool.
#[test]
fn a_leased_worker_that_enters_a_closed_pool_serves_its_own() {
    let rig = Rig::new(1);
    for _ in 0..200 {
        rig.enter(|_| serves_its_own(&rig, &closed()));
    }
    rig.finish();
}

/// No task waits for the end of its own pool, also when it is inside another pool at that moment.
#[test]
fn a_task_cannot_shut_its_pool_down_from_within_another() {
    fn with<P: AnyPool>() {
        let (outer, inner) = (AnyRig::<P>::new(1), Rig::new(2));
        let (home, pool) = (outer.pool().clone(), inner.pool().clone());
        let task = move || {
            let closed = closed();
            closed.enter(|_| assert!(home.shutdown().is_err()));
            pool.enter(|_| assert!(pool.shutdown().is_err()));
            assert!(home.shutdown().is_err());
        };
        outer.submit(task).expect("open").join().expect("ran");
        inner.enter(|_| assert!(inner.shutdown().is_err()));
        outer.finish();
        inner.finish();
    }
    with::<Pool>();
    with::<PullPool>();
}

#[test]
fn joins_within_tasks_within_joins() {
    fn deep(cx: Context<'_>, levels: u64) -> u64 {
        if levels == 0 {
            return 1;
        }
        let (a, b) = cx.join(
            |cx| deep(cx, levels - 1),
            |_| {
                let task = longshore::submit(move || {
                    longshore::join(|| free_fib(3), || levels).1.pow(0) + free_fib(5) - 5
                });
                task.expect("inside").join().expect("ran")
            },
        );
        a + b
    }
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        for _ in 0..100 {
            assert_eq!(rig.install(|| rig.enter(|cx| deep(cx, 20))), 21);
            let task =
                rig.submit(|| longshore::submit(|| free_fib(10)).expect("inside").join().expect("ran"));
            assert_eq!(task.expect("open").join().expect("ran"), 55);
        }
        let stats = rig.finish();
        assert_eq!(stats.completed, 100 * (20 + 1 + 2), "joins are no tasks: {stats:?}");
    }
}

/// Hooks may do what tasks may: on their own pool while it starts and ends, and on another pool.
#[test]
fn joins_in_hooks() {
    static OWN: OnceLock<Arc<Pool>> = OnceLock::new();
    let other = Rig::new(1);
    let sums = Arc::new(Mutex::new(Vec::new()));
    let hook = |place: &'static str| {
        let (other, sums) = (other.pool().clone(), sums.clone());
        move || {
            let sum = free_fib(8) + other.enter(|cx| fib(cx, 8)) + other.install(|| free_fib(8));
            let own = OWN.get().map_or(21, |own| own.enter(|cx| fib(cx, 8)));
            sums.lock().expect("not poisoned").push((place, sum + own));
        }
    };
    let (start, exit, panic) = (hook("start"), hook("exit"), hook("panic"));
    let rig = Rig::with(
        Pool::builder()
            .workers(2)
            .on_start(move |_| start())
            .on_exit(move |_| exit())
            .panic_handler(move |_| panic()),
    );
    OWN.set(rig.pool().clone()).expect("once");
    rig.execute(|| quiet_panic("for the handler")).expect("open");
    assert_eq!(rig.finish().hook_panics, 0);
    let sums = std::mem::take(&mut *sums.lock().expect("not poisoned"));
    assert!(sums.iter().all(|&(_, sum)| sum == 84), "{sums:?}");
    let count = |wanted| sums.iter().filter(|&&(place, _)| place == wanted).count();
    // The handler waits for the other pool. When that lasts, a stand-in starts, and calls both hooks as well.
    assert_eq!((count("panic"), count("exit")), (1, count("start")), "{sums:?}");
    assert!(count("start") >= 2, "{sums:?}");
    other.finish();
}

/// A destructor of a thread-local enters pools: on an external thread, and on a worker whose pool has ended.
#[test]
fn dying_threads_enter_pools() {
    let (rig, other) = (Rig::new(2), Rig::new(1));
    wait_for_started_workers(&rig);
    wait_for_started_workers(&other);
    let entered = Arc::new(AtomicUsize::new(0));
    let last_act = || {
        let pools = [rig.pool().clone(), other.pool().clone()];
        let entered = entered.clone();
        move || {
            for pool in &pools {
                assert_eq!(pool.enter(|cx| fib(cx, 8)), 21);
                assert_eq!(pool.install(|| free_fib(8)), 21);
                assert_eq!(pool.join(|| free_fib(8), || free_fib(9)), (21, 34));
            }
            entered.fetch_add(1, Ordering::Relaxed);
        }
    };
    for _ in 0..50 {
        let act = last_act();
        thread::spawn(move || at_thread_exit(act)).join().expect("no panic in the destructor");
    }
    let act = last_act();
    rig.submit(move || at_thread_exit(act)).expect("open").join().expect("ran");
    rig.finish();
    wait_until("the worker's thread has ended", || entered.load(Ordering::Relaxed) == 51);
    other.finish();
}
