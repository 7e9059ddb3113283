//! Nothing in safe code overflows a stack because of the pool: yields, guests with small stacks, closed
//! pools.

#![cfg(not(longshore_no_recycling))] // AddressSanitizer makes frames many times larger, in other places

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use longshore::{Pool, Scope};

use crate::support::{PATIENCE, watchdog};

/// More levels of nesting than any stack here holds.
const MANY: u32 = 20_000;

#[test]
fn yields_do_not_nest_without_limit() {
    let _watchdog = watchdog("yields_do_not_nest_without_limit", PATIENCE);
    let pool = Pool::builder().workers(1).build().expect("starts");
    let (open, gate) = mpsc::channel::<()>();
    pool.execute(move || _ = gate.recv()).expect("open");
    for _ in 0..MANY {
        pool.execute(|| _ = longshore::yield_now()).expect("open");
    }
    drop(open);
    pool.shutdown().expect("from outside");
    assert_eq!(pool.stats().completed, u64::from(MANY) + 1);
}

#[test]
fn yields_to_children_do_not_nest_without_limit() {
    let _watchdog = watchdog("yields_to_children_do_not_nest_without_limit", PATIENCE);
    fn child(levels: u32) {
        if levels > 0 {
            longshore::execute(move || child(levels - 1)).expect("inside");
            longshore::yield_local();
        }
    }
    let pool = Pool::builder().workers(1).build().expect("starts");
    pool.execute(|| child(MANY)).expect("open");
    pool.shutdown().expect("from outside");
    assert_eq!(pool.stats().completed, u64::from(MANY) + 1);
}

/// Uses far more than a small stack, and far less than the pool's.
fn recurse(levels: u32) -> u64 {
    let frame = black_box([u64::from(levels); 16]);
    if levels == 0 { frame[3] } else { recurse(levels - 1) + frame[5] }
}

fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(256 << 10).spawn(body);
    thread.expect("starts").join().expect("no panic");
}

const LEVELS: u32 = 5_000;

/// Each way to do structured work, from a thread whose stack is smaller than the pool's.
fn structured_work(pool: &Pool) {
    let expected = pool.install(|| recurse(LEVELS));
    assert_eq!(pool.join(|| recurse(LEVELS), || recurse(LEVELS)), (expected, expected));
    assert_eq!(pool.enter(|_| recurse(LEVELS)), expected);
    assert_eq!(pool.scope(|_| recurse(LEVELS)), expected);
    let mut result = 0;
    pool.scope(|scope| {
        let result = &mut result;
        scope.spawn(move || *result = recurse(LEVELS));
    });
    assert_eq!(result, expected);
    pool.for_each(0..2, |_| assert_eq!(recurse(LEVELS), expected));
    assert_eq!(pool.map_reduce(0..2u32, || 0, |_| recurse(LEVELS), |a, b| a + b), 2 * expected);
}

#[test]
fn work_of_a_thread_with_a_small_stack_has_the_stack_of_the_pool() {
    let _watchdog = watchdog("work_of_a_thread_with_a_small_stack", PATIENCE);
    for close in [false, true] {
        on_a_small_stack(move || {
            let pool = Pool::builder().workers(2).stack_size(64 << 20).build().expect("starts");
            if close {
                pool.shutdown().expect("from outside");
            }
            structured_work(&pool);
        });
    }
}

#[test]
fn spawns_into_a_closed_pool_nest_on_further_stacks() {
    let _watchdog = watchdog("spawns_into_a_closed_pool_nest_on_further_stacks", PATIENCE);
    fn nest<'scope>(scope: &'scope Scope<'scope, '_>, levels: u32) {
        if levels > 0 {
            scope.spawn(move || nest(scope, levels - 1));
        }
    }
    let pool = Pool::builder().workers(1).build().expect("starts");
    pool.shutdown().expect("from outside");
    pool.scope(|scope| nest(scope, MANY));
    pool.in_place_scope(|scope| nest(scope, MANY));
}
