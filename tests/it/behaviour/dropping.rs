//! The last owner of a pool is dropped in unlikely places: inside its own tasks and hooks, and inside tasks
//! of another pool. Its threads end all the same. The captures of a hook, which the threads share, tell when
//! the last thread has ended.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use longshore::PoolBuilder;

use super::*;
use crate::support::{Gate, Hits, PATIENCE, quiet_panic, wait_until, watchdog};

/// A builder, and a token whose count is 1 again when the pool and all its threads have ended.
fn traced(workers: usize) -> (PoolBuilder<Pool>, Arc<()>) {
    let token = Arc::new(());
    let held = token.clone();
    let builder = Pool::builder().workers(workers).on_exit(move |_| _ = &held);
    (builder, token)
}

fn wait_until_ended(token: &Arc<()>) {
    wait_until("the pool and its threads have ended", || Arc::strong_count(token) == 1);
}

#[test]
fn inside_a_task_of_its_own() {
    let _watchdog = watchdog("inside_a_task_of_its_own", PATIENCE);
    for workers in [1, 2, 8] {
        for _ in 0..50 {
            let (builder, token) = traced(workers);
            let pool = Arc::new(builder.build().expect("starts"));
            let hits = Hits::new(100);
            let gate = Gate::new();
            let (last, visitor) = (pool.clone(), gate.visitor());
            pool.execute(move || {
                visitor.pass();
                drop(last);
            })
            .expect("open");
            for task in 0..100 {
                pool.execute(hits.task(task)).expect("open");
            }
            drop(pool);
            gate.open();
            wait_until_ended(&token);
            hits.assert_once_each();
        }
    }
}

/// The drop closes the pool. Tasks submitted by its own tasks are still accepted and run.
#[test]
fn the_task_that_dropped_it_continues() {
    let _watchdog = watchdog("the_task_that_dropped_it_continues", PATIENCE);
    for workers in [1, 2] {
        let (builder, token) = traced(workers);
        let pool = Arc::new(builder.build().expect("starts"));
        let gate = Gate::new();
        let hits = Hits::new(10);
        let (last, visitor, inner) = (pool.clone(), gate.visitor(), hits.clone());
        let handle = pool
            .submit(move || {
                visitor.pass();
                drop(last);
                let sum: usize = (0..10)
                    .map(|task| {
                        let run = inner.task(task);
                        let handle = longshore::submit(move || {
                            run();
                            task
                        });
                        handle.expect("a draining pool accepts from tasks").join().expect("runs")
                    })
                    .sum();
                sum
            })
            .expect("open");
        drop(pool);
        gate.open();
        assert_eq!(handle.join().expect("ran"), 45);
        wait_until_ended(&token);
        hits.assert_once_each();
    }
}

/// The last owner is captured by a closure that never runs, or that panics.
#[test]
fn with_a_closure() {
    let _watchdog = watchdog("with_a_closure", PATIENCE);
    for panics in [false, true] {
        let (builder, token) = traced(1);
        let pool = Arc::new(builder.build().expect("starts"));
        let gate = Gate::new();
        gate.hold(&pool, 1);
        let last = pool.clone();
        let task = move || {
            let _last = last;
            if panics {
                quiet_panic("with the pool in hand");
            }
        };
        let handle = pool.submit(task).expect("open");
        if !panics {
            // Cancelled by this thread, which still owns the pool: the capture is dropped here.
            assert!(handle.cancel());
        }
        drop(pool.submit(|| ()).expect("open"));
        drop(pool_into_thread(pool, &gate));
        assert!(handle.join().is_err());
        wait_until_ended(&token);
    }
}

/// Drops this thread's share of the pool. Another thread opens the gate meanwhile, because the drop of the
/// last share waits.
fn pool_into_thread(pool: Arc<Pool>, gate: &Gate) -> thread::Result<()> {
    thread::scope(|scope| {
        let drops = scope.spawn(move || drop(pool));
        gate.open();
        drops.join()
    })
}

#[test]
fn inside_its_exit_hook() {
    let _watchdog = watchdog("inside_its_exit_hook", PATIENCE);
    for workers in [1, 4] {
        let last = Arc::new(Mutex::new(None::<Arc<Pool>>));
        let (hook, token) = (last.clone(), Arc::new(()));
        let held = token.clone();
        let builder = Pool::builder().workers(workers).on_exit(move |_| {
            let _held = &held;
            // The pool is dropped after the lock is released.
            let pool = hook.lock().expect("not poisoned").take();
            drop(pool);
        });
        let pool = Arc::new(builder.build().expect("starts"));
        let gate = Gate::new();
        gate.hold(&pool, 1);
        *last.lock().expect("not poisoned") = Some(pool.clone());
        pool.shutdown_timeout(std::time::Duration::ZERO).expect_err("a worker is held");
        drop(pool);
        gate.open();
        wait_until_ended(&token);
        assert!(last.lock().expect("not poisoned").is_none());
    }
}

#[test]
fn inside_its_panic_handler() {
    let _watchdog = watchdog("inside_its_panic_handler", PATIENCE);
    let last = Arc::new(Mutex::new(None::<Arc<Pool>>));
    let (hook, token) = (last.clone(), Arc::new(()));
    let held = token.clone();
    let builder = Pool::builder().workers(2).panic_handler(move |_| {
        let _held = &held;
        let pool = hook.lock().expect("not poisoned").take();
        drop(pool);
    });
    let pool = Arc::new(builder.build().expect("starts"));
    let gate = Gate::new();
    let visitor = gate.visitor();
    *last.lock().expect("not poisoned") = Some(pool.clone());
    pool.execute(move || {
        visitor.pass();
        quiet_panic("for the handler");
    })
    .expect("open");
    drop(pool);
    gate.open();
    wait_until_ended(&token);
}

#[test]
fn inside_a_task_of_another_pool() {
    let _watchdog = watchdog("inside_a_task_of_another_pool", PATIENCE);
    let other = Pool::builder().workers(1).build().expect("starts");
    for _ in 0..100 {
        let (builder, token) = traced(2);
        let pool = builder.build().expect("starts");
        let hits = Hits::new(50);
        pool.execute_batch((0..50).map(|task| hits.task(task))).expect("open");
        other.submit(move || drop(pool)).expect("open").join().expect("ran");
        assert_eq!(Arc::strong_count(&token), 1, "a drop outside of the pool's own threads waits");
        hits.assert_once_each();
    }
    other.shutdown().expect("shuts down");
}

/// A thread outside of the pool drops it while another thread waits for a result.
#[test]
fn while_another_thread_joins() {
    let _watchdog = watchdog("while_another_thread_joins", PATIENCE);
    for _ in 0..200 {
        let (builder, token) = traced(2);
        let pool = builder.build().expect("starts");
        let (start, started) = mpsc::channel();
        let handle = pool.submit(move || started.recv().expect("sent")).expect("open");
        let joiner = thread::spawn(move || handle.join().expect("drained"));
        let dropper = thread::spawn(move || drop(pool));
        start.send(7).expect("received");
        assert_eq!(joiner.join().expect("joins"), 7);
        dropper.join().expect("drops");
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
