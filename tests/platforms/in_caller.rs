//! A pool that starts no thread: everything means what it means in a pool of one worker.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use longshore::{
    AnyPool, CancelToken, JoinError, OnFull, Pool, PoolBuilder, Priority, PullPool, SubmitErrorKind,
    WorkerState,
};

use crate::support::{PATIENCE, quiet_panic, watchdog};

/// Runs tests that are generic over the kind of pool with both kinds.
macro_rules! with_both_kinds {
    ($($test:ident)*) => {
        mod push {
            $(#[test] fn $test() {
                let _watchdog = super::watchdog(stringify!($test), super::PATIENCE);
                super::$test(|settings| {
                    settings(super::Settings::default()).apply(super::Pool::builder()).build().expect("valid")
                });
            })*
        }
        mod pull {
            $(#[test] fn $test() {
                let _watchdog = super::watchdog(stringify!($test), super::PATIENCE);
                super::$test(|settings| {
                    let settings = settings(super::Settings::default());
                    settings.apply(super::PullPool::builder()).build().expect("valid")
                });
            })*
        }
    };
}

/// What the tests set, for either kind.
#[derive(Default)]
struct Settings {
    capacity: Option<usize>,
    on_full: OnFull,
    token: Option<CancelToken>,
}

impl Settings {
    fn apply<P>(self, mut builder: PoolBuilder<P>) -> PoolBuilder<P> {
        builder = builder.in_caller().on_full(self.on_full);
        if let Some(capacity) = self.capacity {
            builder = builder.queue_capacity(capacity);
        }
        if let Some(token) = &self.token {
            builder = builder.cancel_token(token);
        }
        builder
    }
}

type Make<P> = fn(fn(Settings) -> Settings) -> P;

with_both_kinds! {
    tasks_run_on_the_thread_that_submits_them
    every_way_to_submit_runs_the_task
    tasks_of_tasks_run_when_the_task_has_ended_or_waits
    a_bounded_pool_takes_any_number_of_tasks_in_turn
    a_paused_pool_runs_its_tasks_when_it_is_resumed
    panics_are_counted_and_delivered
    a_closed_pool_refuses
    a_drop_runs_what_is_queued
    threads_share_the_worker
    statistics_add_up
    a_deep_recursion_ends
}

fn tasks_run_on_the_thread_that_submits_them<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    let here = thread::current().id();
    let (sender, receiver) = mpsc::channel();
    pool.execute(move || sender.send((thread::current().id(), longshore::current_worker())).expect("sent"))
        .expect("open");
    assert_eq!(receiver.try_recv(), Ok((here, Some(0))), "it has run before `execute` has returned");
    let handle = pool.submit(|| 6 * 7).expect("open");
    assert!(handle.is_finished());
    assert_eq!(handle.join().expect("no panic"), 42);
    assert_eq!((pool.workers(), longshore::current_worker()), (1, None));
}

fn every_way_to_submit_runs_the_task<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    let runs = Arc::new(AtomicUsize::new(0));
    let task = || {
        let runs = runs.clone();
        move || runs.fetch_add(1, Ordering::Relaxed)
    };
    let unit = || {
        let task = task();
        move || _ = task()
    };
    let ran = |expected: usize| assert_eq!(runs.swap(0, Ordering::Relaxed), expected);
    pool.execute(unit()).expect("open");
    ran(1);
    pool.try_execute(unit()).expect("open");
    ran(1);
    drop(pool.submit_timeout(task(), Duration::from_secs(1)).expect("open"));
    ran(1);
    pool.execute_batch((0..100).map(|_| unit())).expect("open");
    ran(100);
    let handles = pool.submit_batch((0..100).map(|_| task())).expect("open");
    assert!(handles.into_iter().all(|handle| handle.join().is_ok()));
    ran(100);
    pool.task().priority(Priority::High).execute(unit()).expect("open");
    pool.task().deadline(Instant::now() + PATIENCE).submit(task()).expect("open").join().expect("ran");
    ran(2);
    pollster::block_on(async { pool.submit_async(task()).await.expect("open").await.expect("ran") });
    ran(1);
    let lane = pool.lane(1).build().expect("valid");
    lane.execute(unit()).expect("open");
    lane.submit(task()).expect("open").join().expect("ran");
    ran(2);
    let group = pool.group::<usize, ()>();
    for _ in 0..10 {
        group.submit(task()).expect("open");
    }
    ran(10);
    assert!(group.join_all().iter().all(Result::is_ok));
    let handles = pool.broadcast(|worker| worker).expect("open");
    let workers: Vec<_> = handles.into_iter().map(|handle| handle.join().expect("ran")).collect();
    assert_eq!(workers, [0]);
    pool.wait_idle().expect("no task calls it");
    pool.shutdown().expect("ends");
}

fn tasks_of_tasks_run_when_the_task_has_ended_or_waits<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = {
        let order = order.clone();
        move |step: &'static str| order.lock().expect("no panic").push(step)
    };
    let outer = note.clone();
    pool.submit(move || {
        let inner = outer.clone();
        longshore::execute(move || inner("later")).expect("open");
        let inner = outer.clone();
        let awaited = longshore::submit(move || inner("awaited")).expect("open");
        outer("first");
        awaited.join().expect("no panic");
        outer("after the wait");
    })
    .expect("open")
    .join()
    .expect("no panic");
    let order = order.lock().expect("no panic");
    let place = |step| order.iter().position(|known| *known == step).expect("has run");
    assert_eq!(order.len(), 4, "{order:?}");
    assert!(place("first") < place("awaited") && place("awaited") < place("after the wait"), "{order:?}");
}

fn a_bounded_pool_takes_any_number_of_tasks_in_turn<P: AnyPool>(make: Make<P>) {
    for pool in [
        make(|settings| Settings { capacity: Some(2), ..settings }),
        make(|settings| Settings { capacity: Some(0), ..settings }),
        make(|settings| Settings { capacity: Some(1), on_full: OnFull::Reject, ..settings }),
    ] {
        let runs = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let runs = runs.clone();
            pool.execute(move || _ = runs.fetch_add(1, Ordering::Relaxed)).expect("never full");
        }
        let of_batch = runs.clone();
        let task = move || {
            let runs = of_batch.clone();
            move || _ = runs.fetch_add(1, Ordering::Relaxed)
        };
        assert_eq!(pool.execute_batch((0..100).map(|_| task())).expect("never full"), 100);
        assert_eq!(runs.load(Ordering::Relaxed), 200);
        // A task that submits to its own full pool never waits for it.
        let inner = runs.clone();
        pool.execute(move || {
            for _ in 0..100 {
                let runs = inner.clone();
                let _ = longshore::execute(move || _ = runs.fetch_add(1, Ordering::Relaxed));
            }
        })
        .expect("never full");
        pool.shutdown().expect("ends");
        let stats = pool.stats();
        assert_eq!(stats.submitted, stats.completed);
    }
}

fn a_paused_pool_runs_its_tasks_when_it_is_resumed<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    let runs = Arc::new(AtomicUsize::new(0));
    assert!(pool.pause());
    for _ in 0..10 {
        let runs = runs.clone();
        pool.execute(move || _ = runs.fetch_add(1, Ordering::Relaxed)).expect("open");
    }
    assert_eq!((runs.load(Ordering::Relaxed), pool.stats().waiting), (0, 10));
    pool.resume();
    assert_eq!((runs.load(Ordering::Relaxed), pool.stats().waiting), (10, 0));
    assert!(pool.pause());
    let runs_at_end = runs.clone();
    pool.execute(move || _ = runs_at_end.fetch_add(1, Ordering::Relaxed)).expect("open");
    pool.shutdown().expect("a pool that ends is not paused");
    assert_eq!(runs.load(Ordering::Relaxed), 11);
}

fn panics_are_counted_and_delivered<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    pool.execute(|| quiet_panic("unobserved")).expect("open");
    let handle = pool.submit(|| quiet_panic("observed")).expect("open");
    let Err(JoinError::Panicked(payload)) = handle.join() else { panic!("the panic is lost") };
    assert_eq!(payload.message(), Some("observed"));
    assert_eq!(pool.submit(|| 1).expect("open").join().expect("no panic"), 1);
    pool.shutdown().expect("ends");
    assert_eq!((pool.stats().panicked, pool.stats().completed), (2, 1));
}

fn a_closed_pool_refuses<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    pool.pause();
    let waiting = pool.submit(|| ()).expect("open");
    assert_eq!(pool.shutdown_now().expect("ends"), 1);
    assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    assert_eq!(pool.execute(|| ()).expect_err("closed").kind, SubmitErrorKind::Closed);
    assert_eq!(pool.shutdown(), Ok(()), "again");
}

fn a_drop_runs_what_is_queued<P: AnyPool>(make: Make<P>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let pool = make(|settings| settings);
    pool.pause();
    let outer = runs.clone();
    pool.execute(move || {
        let inner = outer.clone();
        longshore::execute(move || _ = inner.fetch_add(1, Ordering::Relaxed)).expect("a task may submit");
        outer.fetch_add(1, Ordering::Relaxed);
    })
    .expect("open");
    drop(pool);
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

/// One thread acts as the worker at a time. It runs the tasks of the other threads as well, or they do so
/// later, and none is left.
fn threads_share_the_worker<P: AnyPool>(make: Make<P>) {
    const THREADS: usize = 4;
    const TASKS: usize = 2_000;
    let pool = make(|settings| settings);
    let (runs, inside) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for n in 0..TASKS {
                    let (runs, inside) = (runs.clone(), inside.clone());
                    let task = move || {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "one task at a time");
                        runs.fetch_add(1, Ordering::Relaxed);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    };
                    if n % 2 == 0 {
                        pool.execute(task).expect("open");
                    } else {
                        pool.submit(task).expect("open").join().expect("one task at a time");
                    }
                }
            });
        }
    });
    pool.wait_idle().expect("no task calls it");
    assert_eq!(runs.load(Ordering::Relaxed), THREADS * TASKS);
    assert_eq!(pool.stats().completed, (THREADS * TASKS) as u64);
}

fn statistics_add_up<P: AnyPool>(make: Make<P>) {
    let pool = make(|settings| settings);
    pool.execute_batch((0..100).map(|_| || ())).expect("open");
    let stats = pool.stats();
    assert_eq!((stats.submitted, stats.completed, stats.waiting, stats.running), (100, 100, 0, 0));
    assert_eq!((stats.live, stats.min, stats.max, stats.capacity), (1, 1, 1, None));
    assert_eq!(stats.workers[0].executed, 100);
    assert_eq!(stats.workers[0].state, WorkerState::Gone, "no thread acts as the worker");
}

/// Waits nest. Where the stack of the calling thread ends, they go on elsewhere, if there are threads.
fn a_deep_recursion_ends<P: AnyPool>(make: Make<P>) {
    fn depth(left: usize) -> usize {
        match left {
            0 => 0,
            _ => 1 + longshore::submit(move || depth(left - 1)).expect("open").join().expect("no panic"),
        }
    }
    let pool = make(|settings| settings);
    assert_eq!(pool.submit(|| depth(300)).expect("open").join().expect("no panic"), 300);
}

#[test]
fn structured_work_runs_on_the_calling_thread() {
    let _watchdog = watchdog("structured work in the caller", PATIENCE);
    let pool = Pool::in_caller();
    let here = thread::current().id();
    let numbers: Vec<u64> = (0..10_000).collect();
    assert_eq!(pool.map(&numbers, |n| n + 1).len(), 10_000);
    assert_eq!(pool.map_reduce(&numbers, || 0, |n| *n, |a, b| a + b), 49_995_000);
    let mut sorted: Vec<u64> = numbers.iter().rev().copied().collect();
    pool.sort(&mut sorted);
    assert_eq!(sorted, numbers);
    pool.for_each(0..100, |_| assert_eq!(thread::current().id(), here));
    assert_eq!(pool.join(|| 1, || 2), (1, 2));
    assert_eq!(pool.install(|| thread::current().id()), here);
    let (runs, mut lengths) = (AtomicUsize::new(0), [0; 3]);
    pool.scope(|scope| {
        for (word, length) in ["a", "bc", "def"].into_iter().zip(&mut lengths) {
            scope.spawn(move || *length = word.len());
        }
        scope.spawn(|| {
            longshore::scope(|inner| inner.spawn(|| _ = runs.fetch_add(1, Ordering::Relaxed)));
        });
    });
    assert_eq!((lengths, runs.load(Ordering::Relaxed)), ([1, 2, 3], 1));
    let mut sum = 0;
    pool.in_place_scope(|scope| scope.spawn(|| sum += 1));
    assert_eq!(sum, 1);
    assert_eq!(pool.map_unordered(0..100, |n| n).sum::<i32>(), 4_950);
    assert!(pool.map_ordered(0..100, |n| n).eq(0..100));
    // In a task, and from a task of another pool.
    let pool = Arc::new(pool);
    let inner = pool.clone();
    let in_task = pool.submit(move || inner.map(0..4, |n| n * n)).expect("open").join().expect("no panic");
    assert_eq!(in_task, [0, 1, 4, 9]);
    let other = Pool::builder().workers(1).build().expect("starts");
    let inner = pool.clone();
    let from_other =
        other.submit(move || inner.map(0..4, |n| n * n)).expect("open").join().expect("no panic");
    assert_eq!(from_other, [0, 1, 4, 9]);
    pool.shutdown().expect("ends");
    assert_eq!(pool.map(0..4, |n| n * n), [0, 1, 4, 9], "structured work cannot be refused");
}

/// Structured work of several threads: one acts as the worker, and the others leave their work to it.
#[test]
fn threads_with_structured_work_share_the_worker() {
    let _watchdog = watchdog("structured work of several callers", PATIENCE);
    let pool = Pool::in_caller();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..500_u64 {
                    assert_eq!(pool.map_reduce(0..n, || 0, |n| n, |a, b| a + b), n * n.saturating_sub(1) / 2);
                }
            });
        }
    });
    pool.shutdown().expect("ends");
}

#[test]
fn a_panic_of_structured_work_leaves_the_worker_free() {
    let pool = Pool::in_caller();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.for_each(0..10, |n| {
            if n == 5 {
                quiet_panic("five");
            }
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(pool.map(0..3, |n| n), [0, 1, 2]);
}

#[test]
fn a_cancelled_token_stops_the_pool() {
    let token = CancelToken::new();
    let pool = Settings { token: Some(token.clone()), ..Settings::default() }.apply(Pool::builder());
    let pool = pool.build().expect("valid");
    pool.pause();
    let waiting = pool.submit(|| ()).expect("open");
    token.cancel();
    assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
    assert!(pool.submit(|| ()).is_err());
    pool.shutdown().expect("ends");
}
