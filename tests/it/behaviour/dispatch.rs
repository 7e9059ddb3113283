//! Single tasks reach workers: from outside, from inside, and although some workers are blocked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use longshore::current_worker;

use super::*;
use crate::support::{Gate, Hits, wait_until};

#[test]
fn every_task_runs_once() {
    for workers in [1, 2, 3, 8, 64] {
        let rig = Rig::new(workers);
        let hits = Hits::new(3_000);
        for task in 0..2_000 {
            rig.execute(hits.task(task)).expect("open");
        }
        let handles: Vec<_> = (2_000..3_000).map(|task| rig.submit(hits.task(task)).expect("open")).collect();
        for handle in handles {
            handle.join().expect("runs");
        }
        let stats = rig.finish();
        hits.assert_once_each();
        assert_eq!((stats.submitted, stats.completed), (3_000, 3_000), "{workers} workers");
    }
}

#[test]
fn many_producers_lose_nothing() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let hits = Hits::new(8 * 500);
        thread::scope(|scope| {
            for producer in 0..8 {
                let (rig, hits) = (&rig, &hits);
                scope.spawn(move || {
                    for task in 0..500 {
                        rig.execute(hits.task(producer * 500 + task)).expect("open");
                    }
                });
            }
        });
        rig.finish();
        hits.assert_once_each();
    }
}

/// A binary tree of tasks: number `n` submits `2n + 1` and `2n + 2`.
fn grow(hits: Hits, n: usize, tasks: usize) {
    hits.hit(n);
    for child in [2 * n + 1, 2 * n + 2] {
        if child < tasks {
            let hits = hits.clone();
            longshore::execute(move || grow(hits, child, tasks)).expect("inside a task");
        }
    }
}

#[test]
fn tasks_submit_tasks() {
    const TASKS: usize = 10_000;
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let hits = Hits::new(TASKS);
        let root = hits.clone();
        rig.execute(move || grow(root, 0, TASKS)).expect("open");
        let stats = rig.finish();
        hits.assert_once_each();
        assert_eq!(stats.submitted, TASKS as u64);
    }
}

#[test]
fn a_task_runs_on_a_worker_and_knows_it() {
    assert_eq!(current_worker(), None);
    let rig = Rig::new(3);
    let here = thread::current().id();
    for _ in 0..100 {
        let task = rig.submit(|| (thread::current().id(), current_worker())).expect("open");
        let (there, worker) = task.join().expect("runs");
        assert_ne!(there, here);
        assert!(worker.is_some_and(|worker| worker < 3), "{worker:?}");
    }
    assert_eq!(current_worker(), None);
    rig.finish();
}

#[test]
fn the_free_functions_reach_the_pool_of_the_task() {
    let (outer, inner) = (Rig::new(1), Rig::new(1));
    let in_inner = inner
        .submit(|| longshore::submit(|| thread::current().id()).expect("inside").join().expect("runs"))
        .expect("open");
    let inner_thread = inner.submit(|| thread::current().id()).expect("open").join().expect("runs");
    assert_eq!(in_inner.join().expect("runs"), inner_thread);
    // A task of one pool may use the other pool by its name, and the free functions still reach its own pool.
    let pool = inner.pool().clone();
    let (own, other) = outer
        .submit(move || {
            let other = pool.submit(|| thread::current().id()).expect("open").join().expect("runs");
            let own = longshore::submit(|| thread::current().id()).expect("inside");
            (own.join().expect("runs"), other)
        })
        .expect("open")
        .join()
        .expect("runs");
    assert_eq!(other, inner_thread);
    assert_ne!(own, other);
    outer.finish();
    inner.finish();
}

/// 1,000 tasks in the inbox of a blocked worker, or in the injector, are run by the other worker. Either of
/// the two workers may be the home of the producer, so each of them stays blocked once.
#[test]
fn tasks_pushed_to_a_blocked_worker_are_run_by_its_peer() {
    for stays_blocked in [0, 1] {
        let rig = Rig::new(2);
        let gates = [Gate::new(), Gate::new()];
        for (worker, gate) in gates.iter().enumerate() {
            // Both workers are blocked. The test does not know which gate holds which worker.
            gate.hold(&rig, 1);
            assert!(worker < 2);
        }
        let hits = Hits::new(1_000);
        for task in 0..1_000 {
            rig.execute(hits.task(task)).expect("open");
        }
        assert_eq!(hits.total(), 0, "both workers are blocked");
        gates[1 - stays_blocked].open();
        wait_until("the free worker ran everything", || hits.total() == 1_000);
        hits.assert_once_each();
        gates[stays_blocked].open();
        rig.finish();
    }
}

/// One worker of eight is free. 2,000 tasks are submitted from outside and from inside.
#[test]
fn one_free_worker_of_eight_is_enough() {
    let rig = Rig::new(8);
    let gate = Gate::new();
    gate.hold(&rig, 7);
    let hits = Hits::new(2_000);
    for task in 0..1_000 {
        rig.execute(hits.task(task)).expect("open");
    }
    let inner = hits.clone();
    rig.execute(move || {
        for task in 1_000..2_000 {
            longshore::execute(inner.task(task)).expect("inside a task");
        }
    })
    .expect("open");
    wait_until("the free worker ran everything", || hits.total() == 2_000);
    hits.assert_once_each();
    gate.open();
    rig.finish();
}

/// More tasks than all inboxes hold are submitted while all workers are blocked. They spill into the
/// injector, and run later.
#[test]
fn tasks_that_no_inbox_holds_are_kept() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let hits = Hits::new(20_000);
        for task in 0..20_000 {
            rig.execute(hits.task(task)).expect("open");
        }
        let stats = rig.stats();
        assert_eq!((stats.waiting, stats.running), (20_000, workers as u64));
        gate.open();
        rig.finish();
        hits.assert_once_each();
    }
}

#[test]
fn zero_sized_and_function_tasks() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    fn call() {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    let rig = Rig::new(2);
    for _ in 0..100 {
        rig.execute(call).expect("open");
        rig.submit(call).expect("open").join().expect("runs");
        rig.execute(call as fn()).expect("open");
    }
    assert_eq!(rig.execute_batch([call; 50]).expect("open"), 50);
    rig.finish();
    assert_eq!(CALLS.load(Ordering::Relaxed), 350);
}

#[test]
fn pools_do_not_mix() {
    let pools: Vec<Pool> = (0..4).map(|_| Pool::builder().workers(2).build().expect("starts")).collect();
    // One producer submits to all pools in turn: what it remembers about one pool must not be used for
    // another.
    let (sender, receiver) = mpsc::channel();
    for round in 0..1_000 {
        for (number, pool) in pools.iter().enumerate() {
            let sender = sender.clone();
            pool.execute(move || sender.send((round, number)).expect("received")).expect("open");
        }
    }
    drop(sender);
    assert_eq!(receiver.iter().count(), 4_000);
    for pool in pools {
        pool.shutdown().expect("shuts down");
        assert_eq!(pool.stats().completed, 1_000);
    }
}
