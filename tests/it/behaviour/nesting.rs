//! Tasks that wait for tasks: by join, during which the worker runs tasks, and by blocking, during which it
//! does not; deeply nested, and across pools.

use std::sync::mpsc;
use std::time::Duration;

use longshore::JoinHandle;

use super::*;
use crate::support::{Gate, wait_until};

fn submit<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    longshore::submit(task).expect("inside a task")
}

/// AddressSanitizer stores locals on the heap, so the library cannot tell how much stack is used
/// (`sys/stack.rs`), and it makes frames many times larger. So deep recursions are left out of that run,
/// which this switch marks.
const fn levels(deep: u64) -> u64 {
    if cfg!(longshore_no_recycling) { 10 } else { deep }
}

/// Each level submits the next one and joins it.
fn descend(levels: u64) -> u64 {
    if levels == 0 {
        return 0;
    }
    submit(move || descend(levels - 1)).join().expect("ran") + 1
}

/// A single worker with the default stack, in each mode of compilation: the recursion continues on the stacks
/// of further threads.
#[test]
fn a_recursion_100_000_deep_on_one_worker() {
    let rig = Rig::new(1);
    let deep = levels(100_000);
    let depth = rig.submit(move || descend(deep)).expect("open").join().expect("ran");
    assert_eq!(depth, deep);
    // The worker's own thread acts as the worker again.
    assert_eq!(rig.submit(|| descend(10)).expect("open").join().expect("ran"), 10);
    let stats = rig.finish();
    assert_eq!(stats.completed, deep + 1 + 11);
}

#[test]
fn deep_recursions_with_small_stacks_and_several_workers() {
    for workers in [1, 2, 4] {
        let rig = Rig::with(Pool::builder().workers(workers).stack_size(128 << 10));
        let handles: Vec<_> =
            (0..4u64).map(|n| rig.submit(move || descend(levels(1_000) + n)).expect("open")).collect();
        for (n, handle) in (0..).zip(handles) {
            assert_eq!(handle.join().expect("ran"), levels(1_000) + n);
        }
        rig.finish();
    }
}

fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let left = submit(move || fibonacci(n - 1));
    let right = fibonacci(n - 2);
    left.join().expect("ran") + right
}

#[test]
fn fork_and_join() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let result = rig.submit(|| fibonacci(18)).expect("open").join().expect("ran");
        assert_eq!(result, 2_584);
        rig.finish();
    }
}

#[test]
fn a_worker_that_joins_what_it_submitted_through_the_pool() {
    let rig = Rig::new(1);
    let pool = rig.pool().clone();
    let sum = rig.submit(move || {
        let handles = pool.submit_batch((0..100u64).map(|n| move || n)).expect("open");
        handles.into_iter().map(|handle| handle.join().expect("ran")).sum::<u64>()
    });
    assert_eq!(sum.expect("open").join().expect("ran"), 4_950);
    rig.finish();
}

/// A wait that the pool does not know about: another worker must steal the task from the blocked worker.
#[test]
fn a_worker_that_submits_and_blocks_on_a_channel() {
    let rig = Rig::new(2);
    for n in 0..2_000u32 {
        let pool = rig.pool().clone();
        let outer = rig.submit(move || {
            let (sender, receiver) = mpsc::channel();
            let task = move || sender.send(n).expect("received");
            if n % 2 == 0 {
                longshore::execute(task).expect("inside");
            } else {
                pool.execute_batch([task]).expect("inside");
            }
            receiver.recv().expect("sent")
        });
        assert_eq!(outer.expect("open").join().expect("ran"), n);
    }
    rig.finish();
}

/// All workers but one are blocked until a task has run on the remaining worker.
#[test]
fn seven_of_eight_block_on_channels() {
    let rig = Rig::new(8);
    for _ in 0..200 {
        let (results, all) = mpsc::channel();
        for n in 0..7 {
            let results = results.clone();
            let task = move || {
                let (sender, receiver) = mpsc::channel();
                longshore::execute(move || sender.send(n).expect("received")).expect("inside");
                results.send(receiver.recv().expect("sent")).expect("received");
            };
            rig.execute(task).expect("open");
        }
        drop(results);
        assert_eq!(all.iter().sum::<i32>(), 21);
    }
    rig.finish();
}

/// Two pools with one worker each: A waits for B, whose task waits for A, and so on.
fn ping(here: std::sync::Arc<Pool>, there: std::sync::Arc<Pool>, times: u32) -> u32 {
    if times == 0 {
        return 0;
    }
    let (back, home) = (here.clone(), there.clone());
    let pong = there.submit(move || ping(home, back, times - 1)).expect("open");
    pong.join().expect("ran") + 1
}

#[test]
fn two_pools_of_one_worker_wait_for_each_other() {
    let (one, other) = (Rig::new(1), Rig::new(1));
    for times in [1, 2, 3, 10, 200] {
        let (here, there) = (one.pool().clone(), other.pool().clone());
        let from_one = one.submit(move || ping(here, there, times)).expect("open");
        let (here, there) = (other.pool().clone(), one.pool().clone());
        let from_other = other.submit(move || ping(here, there, times)).expect("open");
        assert_eq!(from_one.join().expect("ran"), times);
        assert_eq!(from_other.join().expect("ran"), times);
    }
    one.finish();
    other.finish();
}

/// A worker whose task waits for another pool still runs tasks of its own pool.
#[test]
fn a_wait_for_another_pool_serves_the_own_pool() {
    let (one, other) = (Rig::new(1), Rig::new(1));
    let gate = Gate::new();
    let visitor = gate.visitor();
    let slow = other.submit(move || visitor.pass()).expect("open");
    let waits = one.submit(move || slow.join().expect("ran")).expect("open");
    gate.wait_for(1);
    for n in 0..1_000 {
        assert_eq!(one.submit(move || n).expect("open").join().expect("ran"), n);
    }
    assert!(!waits.is_finished());
    gate.open();
    waits.join().expect("ran");
    one.finish();
    other.finish();
}

#[test]
fn timeouts_inside_tasks() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let slow = rig.submit(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    let outer = rig.submit(move || {
        let mut slow = slow;
        let helped = submit(|| 1);
        assert!(slow.join_timeout(Duration::ZERO).is_none());
        assert!(slow.join_timeout(Duration::from_millis(5)).is_none());
        assert!(helped.is_finished() || helped.cancel() || helped.join().is_ok());
        slow
    });
    let slow = outer.expect("open").join().expect("ran");
    gate.open();
    slow.join().expect("ran");
    rig.finish();
}

#[test]
fn a_timeout_inside_the_only_worker_ends() {
    let rig = Rig::new(1);
    let (sender, receiver) = mpsc::channel::<()>();
    let other = Rig::new(1);
    let never = other.submit(move || receiver.recv().is_ok()).expect("open");
    let outer = rig.submit(move || {
        let mut never = never;
        (never.join_timeout(Duration::from_millis(3)).is_none(), never)
    });
    let (timed_out, never) = outer.expect("open").join().expect("ran");
    assert!(timed_out);
    sender.send(()).expect("received");
    assert!(never.join().expect("ran"));
    rig.finish();
    other.finish();
}

/// Tasks on all workers wait at the same time, and a task from outside runs all the same.
#[test]
fn waiting_in_the_middle_of_tasks() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    let other = Rig::new(1);
    let waits: Vec<_> = (0..20)
        .map(|_| {
            let visitor = gate.visitor();
            let slow = other.submit(move || visitor.pass()).expect("open");
            rig.submit(move || slow.join().expect("ran")).expect("open")
        })
        .collect();
    wait_until("all of them wait", || rig.stats().running == 20);
    for n in 0..200 {
        assert_eq!(rig.submit(move || n).expect("open").join().expect("ran"), n);
    }
    gate.open();
    waits.into_iter().for_each(|handle| handle.join().expect("ran"));
    rig.finish();
    other.finish();
}

/// A wait inside a task ends if that task has cancelled the awaited one, on the same worker.
#[test]
fn a_cancelled_child() {
    let rig = Rig::new(1);
    let outer = rig.submit(|| {
        let child = submit(|| 1);
        assert!(child.cancel());
        child.join().is_err_and(|error| error.is_cancelled())
    });
    assert!(outer.expect("open").join().expect("ran"));
    assert_eq!(rig.finish().cancelled, 1);
}
