//! `join`, `enter` and `install`: both sides run, results and panics are returned, external threads take
//! part.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use longshore::{Context, Pool};
use rand::RngExt;

use crate::support::{Census, Gate, Rig, let_time_pass, quiet_panic, rng, seed, text, wait_until};

mod isolation;
mod leases;
mod panics;
mod pools;

fn fib(cx: Context<'_>, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = cx.join(|cx| fib(cx, n - 1), |cx| fib(cx, n - 2));
    a + b
}

fn free_fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let (a, b) = longshore::join(|| free_fib(n - 1), || free_fib(n - 2));
    a + b
}

#[test]
fn a_recursion_gives_the_same_with_any_number_of_workers() {
    for workers in [1, 2, 3, 8] {
        let rig = Rig::new(workers);
        for _ in 0..50 {
            assert_eq!(rig.enter(|cx| fib(cx, 18)), 2584);
            assert_eq!(rig.install(|| free_fib(15)), 610);
            assert_eq!(rig.submit(|| free_fib(15)).expect("open").join().expect("ran"), 610);
        }
        rig.finish();
    }
}

#[test]
fn an_external_thread_leases_a_worker_and_install_uses_a_worker_thread() {
    let rig = Rig::new(2);
    let here = thread::current().id();
    let there = rig.install(|| (thread::current().id(), longshore::current_worker()));
    assert!(there.0 != here && there.1.is_some());
    // The thread can lease a worker only if one is parked.
    wait_until("a worker is parked", || rig.enter(|_| thread::current().id() == here));
    assert_eq!(longshore::current_worker(), None);
    rig.finish();
}

/// On a single worker a join is two calls, one after the other.
#[test]
fn on_one_worker_the_first_side_comes_first() {
    fn walk(cx: Context<'_>, number: u32, order: &Mutex<Vec<u32>>) {
        order.lock().expect("not poisoned").push(number);
        if number < 64 {
            cx.join(|cx| walk(cx, 2 * number, order), |cx| walk(cx, 2 * number + 1, order));
        }
    }
    fn preorder(number: u32) -> Vec<u32> {
        let below = |number| if number < 128 { preorder(number) } else { Vec::new() };
        [vec![number], below(2 * number), below(2 * number + 1)].concat()
    }
    let rig = Rig::new(1);
    for _ in 0..20 {
        for from_inside in [false, true] {
            let order = Mutex::new(Vec::new());
            let root = |cx: Context<'_>| walk(cx, 1, &order);
            if from_inside {
                rig.install(|| rig.enter(root))
            } else {
                rig.enter(root)
            }
            assert_eq!(order.into_inner().expect("not poisoned"), preorder(1));
        }
    }
    rig.finish();
}

/// The sides borrow from the frame around the join, and return any value that can be sent.
#[test]
fn sides_borrow_and_return_what_they_like() {
    fn sort(cx: Context<'_>, numbers: &mut [u64]) {
        let Some((pivot, rest)) = numbers.split_first_mut() else { return };
        let small = partition(rest, |number| *number < *pivot);
        numbers.swap(0, small);
        let (left, right) = numbers.split_at_mut(small);
        cx.join(|cx| sort(cx, left), |cx| sort(cx, &mut right[1..]));
    }
    /// Moves the numbers for which `first` returns true to the front. Returns how many there are.
    fn partition(numbers: &mut [u64], first: impl Fn(&u64) -> bool) -> usize {
        let mut small = 0;
        for i in 0..numbers.len() {
            if first(&numbers[i]) {
                numbers.swap(small, i);
                small += 1;
            }
        }
        small
    }
    let seed = seed();
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let mut rng = rng(seed, workers as u64);
        let mut numbers: Vec<u64> = (0..20_000).map(|_| rng.random_range(0..5_000)).collect();
        let mut expected = numbers.clone();
        expected.sort_unstable();
        rig.enter(|cx| sort(cx, &mut numbers));
        assert_eq!(numbers, expected);
        let census = Census::default();
        for _ in 0..100 {
            let (a, b) = rig.join(|| (census.citizen(), [1u8; 500]), || vec![census.citizen()]);
            a.0.check();
            b[0].check();
        }
        census.assert_all_gone();
        rig.finish();
    }
}

/// The sides wait for each other, so two threads must take part.
#[test]
fn both_sides_of_a_join_run_at_the_same_time() {
    let rig = Rig::new(2);
    for _ in 0..200 {
        let (left, right) = (Gate::new(), Gate::new());
        rig.join(
            || {
                left.open();
                right.visitor().pass();
            },
            || {
                right.open();
                left.visitor().pass();
            },
        );
    }
    rig.finish();
}

#[test]
fn the_panic_of_the_first_side_continues_and_both_sides_have_run() {
    for workers in [1, 2, 4] {
        let rig = Rig::new(workers);
        for round in 0..200u64 {
            let runs = AtomicUsize::new(0);
            let side = |fails: bool, name: &'static str| {
                runs.fetch_add(1, Ordering::Relaxed);
                if fails {
                    quiet_panic(name);
                }
            };
            let (a, b) = (round & 1 == 0, round & 2 == 0);
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                rig.join(|| side(a, "a"), || side(b, "b"));
            }));
            assert_eq!(runs.load(Ordering::Relaxed), 2);
            match caught {
                Ok(()) => assert!(!a && !b),
                Err(payload) => assert_eq!(text(&*payload), if a { "a" } else { "b" }),
            }
        }
        rig.finish();
    }
}

#[test]
fn a_long_serial_part_hides_only_the_younger_forks() {
    let rig = Rig::new(2);
    let taken = Gate::new();
    // The second side is in the fork slot, although the first side does nothing for that.
    rig.join(|| taken.visitor().pass(), || taken.open());
    rig.finish();
}

#[test]
fn one_pool_waits_for_another_and_serves_its_own() {
    let a = Rig::new(1);
    let b = Rig::new(1);
    let (pool_a, pool_b) = (a.pool().clone(), b.pool().clone());
    let seven = a
        .submit(move || {
            // The only worker of `a` waits for `b`, whose task needs a task of `a`.
            pool_b.enter(|_| pool_a.submit(|| 7).expect("open").join().expect("ran"))
        })
        .expect("open");
    assert_eq!(seven.join().expect("ran"), 7);
    let (pool_a, pool_b) = (a.pool().clone(), b.pool().clone());
    assert_eq!(a.install(move || pool_b.install(|| pool_a.install(|| 8))), 8);
    a.finish();
    b.finish();
}

#[test]
fn a_closed_pool_leaves_the_work_to_the_caller() {
    let pool = Pool::builder().workers(2).build().expect("starts");
    pool.shutdown().expect("ends");
    let here = thread::current().id();
    assert_eq!(pool.enter(|cx| fib(cx, 15)), 610);
    assert_eq!(pool.install(|| thread::current().id()), here);
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    pool.enter(|_| {
        longshore::execute(move || _ = counted.fetch_add(1, Ordering::Relaxed)).expect("accepted")
    });
    assert_eq!(ran.load(Ordering::Relaxed), 1, "the accepted task has run");
}

#[test]
fn tasks_submitted_during_a_lease_run() {
    let rig = Rig::new(1);
    for round in 0..2000 {
        let handle = rig.enter(|_| longshore::submit(move || round).expect("on the pool"));
        assert_eq!(handle.join().expect("ran"), round);
        let inside = rig.enter(|_| rig.submit(move || round).expect("open").join().expect("ran"));
        assert_eq!(inside, round);
    }
    rig.finish();
}

#[test]
fn a_shutdown_waits_for_the_end_of_a_lease() {
    for now in [false, true] {
        let rig = Rig::new(2);
        let pool = rig.pool().clone();
        let go = Gate::new();
        let entering = {
            let (pool, go) = (pool.clone(), go.visitor());
            thread::spawn(move || {
                pool.enter(|cx| {
                    go.pass();
                    fib(cx, 15)
                })
            })
        };
        go.wait_for(1);
        let closer = thread::spawn(move || {
            if now { pool.shutdown_now().map(|_| ()) } else { pool.shutdown() }.expect("ends");
        });
        let_time_pass(std::time::Duration::from_millis(2));
        go.open();
        assert_eq!(entering.join().expect("no panic"), 610);
        closer.join().expect("no panic");
        rig.finish();
    }
}

#[test]
fn many_threads_enter_at_once() {
    let rig = Rig::new(2);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(rig.enter(|cx| fib(cx, 10)), 55);
                }
            });
        }
    });
    rig.finish();
}
