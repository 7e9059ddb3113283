//! Pools built from good values. Names and stack sizes as the operating system shows them, the environment
//! variable and threads that cannot be started are tested in `process_start.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use longshore::{DEFAULT_STACK_SIZE, MAX_STACK_SIZE, MAX_WORKERS, MIN_STACK_SIZE, PoolBuilder};

use super::*;
use crate::support::Hits;

/// Starts a pool, runs 100 tasks once each, and ends the pool. Returns its number of workers.
#[track_caller]
fn works(builder: PoolBuilder<Pool>) -> usize {
    let rig = Rig::with(builder);
    let workers = rig.workers();
    let hits = Hits::new(100);
    for task in 0..50 {
        rig.execute(hits.task(task)).expect("open");
    }
    rig.execute_batch((50..100).map(|task| hits.task(task))).expect("open");
    let stats = rig.finish();
    hits.assert_once_each();
    assert_eq!(stats.workers.len(), workers);
    assert!(stats.workers.iter().enumerate().all(|(index, worker)| worker.index == index));
    workers
}

#[test]
fn numbers_of_workers() {
    for workers in [1, 2, 3, 7, 8, 64, 200] {
        assert_eq!(works(Pool::builder().workers(workers)), workers);
    }
    assert_eq!(works(Pool::builder().workers(5).workers(2)), 2, "the last call counts");
}

#[test]
fn the_default_has_workers() {
    let workers = works(Pool::builder());
    assert!((1..=MAX_WORKERS).contains(&workers));
    let pool = Pool::new().expect("starts");
    assert_eq!(pool.workers(), workers);
    assert_eq!(pool.submit(|| 1).expect("open").join().expect("runs"), 1);
}

#[test]
fn seeds_and_spin_limits() {
    for seed in [0, 1, u64::MAX] {
        works(Pool::builder().workers(3).seed(seed));
    }
    for spin in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1)] {
        works(Pool::builder().workers(2).spin(spin));
    }
}

#[test]
fn stack_sizes() {
    for bytes in
        [0, 1, 4096, MIN_STACK_SIZE, MIN_STACK_SIZE + 1, DEFAULT_STACK_SIZE, 64 << 20, MAX_STACK_SIZE]
    {
        works(Pool::builder().workers(2).stack_size(bytes));
    }
}

#[inline(never)]
fn use_stack(bytes: usize) -> usize {
    let page = std::hint::black_box([1u8; 4096]);
    let below = if bytes > 4096 { use_stack(bytes - 4096) } else { 0 };
    below + std::hint::black_box(&page).len()
}

/// At least a quarter of the requested size can be used: without optimisation a frame takes two or three
/// times its array.
#[test]
fn the_requested_stack_can_be_used() {
    for bytes in [1 << 20, 16 << 20] {
        let rig = Rig::with(Pool::builder().workers(1).stack_size(bytes));
        let used = rig.submit(move || use_stack(bytes / 4)).expect("open").join().expect("runs");
        assert!(used >= bytes / 4);
        rig.finish();
    }
}

#[test]
fn names_of_every_kind_are_accepted() {
    let long = "n".repeat(10_000);
    for name in
        ["", "a", "fifteen-letters", "with spaces / and: signs", "ünïcödé-名前-🦀🦀🦀🦀", long.as_str()]
    {
        works(Pool::builder().workers(2).thread_name(name));
    }
    works(Pool::builder().workers(2).thread_name(String::from("owned")));
}

#[test]
fn builders_and_pools_are_printable() {
    let builder = Pool::builder().workers(2).thread_name("printed").on_start(|_| ());
    assert!(format!("{builder:?}").contains("printed"));
    let pool = builder.build().expect("starts");
    assert!(format!("{pool:?}").contains("Pool"));
}

/// The captures of hooks are dropped with a builder that is never built.
#[test]
fn a_builder_that_is_not_used_leaves_nothing() {
    let token = Arc::new(AtomicUsize::new(0));
    let (start, exit, panic) = (token.clone(), token.clone(), token.clone());
    let builder = Pool::builder()
        .on_start(move |_| _ = start.fetch_add(1, Ordering::Relaxed))
        .on_exit(move |_| _ = exit.fetch_add(1, Ordering::Relaxed))
        .panic_handler(move |_| _ = panic.fetch_add(1, Ordering::Relaxed));
    drop(builder);
    assert_eq!((token.load(Ordering::Relaxed), Arc::strong_count(&token)), (0, 1));
}
