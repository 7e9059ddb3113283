//! Joins that could deadlock on the stacks of workers. In processes of their own, so that a hang ends only
//! that process.

#![cfg(target_os = "linux")]

mod support;

use longshore::{AnyPool, JoinHandle, Pool, PullPool};

use support::child::with_each_kind;

/// Task `n` waits for task `n - 1`, which was submitted before it. No tasks wait in a cycle, so nothing
/// hangs, although a worker that waits starts other tasks of the chain on top of the waiting one.
fn chain(pool: &impl AnyPool, length: u64) -> JoinHandle<u64> {
    let first = pool.submit(|| 0).expect("open");
    (0..length)
        .fold(first, |previous, _| pool.submit(move || previous.join().expect("ran") + 1).expect("open"))
}

#[test]
fn a_chain_of_tasks_that_join_their_predecessors() {
    fn scenario<P: AnyPool>() {
        for workers in [1, 2, 8] {
            let pool = P::builder().workers(workers).build().expect("starts");
            for _ in 0..50 {
                assert_eq!(chain(&pool, 100).join().expect("ran"), 100);
                let several: Vec<_> = (0..4).map(|_| chain(&pool, 30)).collect();
                assert!(several.into_iter().all(|last| last.join().expect("ran") == 30));
            }
            pool.shutdown().expect("shuts down");
        }
    }
    with_each_kind("a_chain_of_tasks_that_join_their_predecessors", scenario::<Pool>, scenario::<PullPool>);
}

/// The same from inside: a task submits the chain and waits for its end.
#[test]
fn a_chain_made_by_a_task() {
    fn scenario<P: AnyPool>() {
        for workers in [1, 2, 8] {
            let pool = std::sync::Arc::new(P::builder().workers(workers).build().expect("starts"));
            for _ in 0..50 {
                let inside = pool.clone();
                let outer = pool.submit(move || chain(&*inside, 100).join().expect("ran"));
                assert_eq!(outer.expect("open").join().expect("ran"), 100);
            }
            pool.shutdown().expect("shuts down");
        }
    }
    with_each_kind("a_chain_made_by_a_task", scenario::<Pool>, scenario::<PullPool>);
}
