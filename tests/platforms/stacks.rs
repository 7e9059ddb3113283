//! A thread's own stack is never used up, whether or not the system tells its size.

use std::sync::{Arc, mpsc};
use std::thread;

use longshore::{OnFull, Pool};

use crate::support::{Gate, PATIENCE, watchdog};

/// How many tasks submit each other. More than any stack has room for.
const CHAIN: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };

fn chain(pool: Arc<Pool>, left: usize, done: mpsc::Sender<()>) {
    let next = pool.clone();
    match left {
        0 => done.send(()).expect("the test waits"),
        _ => pool.execute(move || chain(next, left - 1, done)).expect("open"),
    }
}

/// A full pool makes a thread of the program run its tasks, and those submit further ones to the full pool.
#[test]
fn a_thread_that_runs_the_tasks_of_a_full_pool_nests_within_its_stack() {
    let _watchdog = watchdog("a chain of tasks on a full pool", PATIENCE);
    for size in [512 << 10, 2 << 20] {
        let pool = Pool::builder().workers(1).queue_capacity(1).on_full(OnFull::CallerRuns).build();
        let pool = Arc::new(pool.expect("starts"));
        let gate = Gate::new();
        gate.hold(&*pool, 1);
        pool.execute(|| ()).expect("the queue has a place");
        let (done, end) = mpsc::channel();
        let of_thread = pool.clone();
        let thread = thread::Builder::new().stack_size(size);
        let thread = thread.spawn(move || chain(of_thread, CHAIN, done)).expect("starts");
        thread.join().expect("has neither panicked nor used up its stack");
        gate.open();
        end.recv_timeout(PATIENCE).expect("the whole chain has run");
    }
}

/// Tasks that wait for tasks nest on the stack of the thread that acts as a worker.
#[test]
fn a_thread_that_acts_as_a_worker_nests_within_its_stack() {
    fn depth(left: usize) -> usize {
        match left {
            0 => 0,
            _ => 1 + longshore::submit(move || depth(left - 1)).expect("open").join().expect("no panic"),
        }
    }
    let _watchdog = watchdog("a recursion of waits", PATIENCE);
    let pool = Arc::new(Pool::builder().workers(1).stack_size(256 << 10).build().expect("starts"));
    let levels = 1_000;
    let of_thread = pool.clone();
    let thread = thread::Builder::new().stack_size(512 << 10);
    let thread = thread.spawn(move || of_thread.enter(|_| depth(levels))).expect("starts");
    assert_eq!(thread.join().expect("has neither panicked nor used up its stack"), levels);
}
