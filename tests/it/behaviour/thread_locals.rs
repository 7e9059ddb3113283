//! Thread-locals: destructors of ending threads use the pool, among them the pool's own workers. Cases that
//! could end the process are in `process_end.rs`.

use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use longshore::{ShutdownError, SubmitErrorKind, current_worker};

use super::*;
use crate::support::{Hits, PATIENCE, at_thread_exit, wait_for_started_workers, wait_until, watchdog};

/// Whether this thread has used the pool before decides which of the library's own thread-locals still exist.
#[test]
fn a_dying_thread_may_submit_and_join() {
    for used_before in [false, true] {
        let rig = Rig::new(2);
        wait_for_started_workers(&rig);
        let hits = Hits::new(300);
        let (sender, receiver) = mpsc::channel();
        let (pool, inner) = (rig.pool().clone(), hits.clone());
        let dying = thread::spawn(move || {
            let last = pool.clone();
            at_thread_exit(move || {
                for task in 0..100 {
                    last.execute(inner.task(task)).expect("open");
                }
                last.execute_batch((100..200).map(|task| inner.task(task))).expect("open");
                // More captures than fit into a task: they are stored in a block, which the library keeps in
                // a thread-local.
                let ballast = [1u64; 20];
                let sum: u64 = (200..300)
                    .map(|task| {
                        let run = inner.task(task);
                        let task = move || {
                            run();
                            ballast.iter().sum::<u64>()
                        };
                        last.submit(task).expect("open").join().expect("ran")
                    })
                    .sum();
                sender.send((sum, current_worker())).expect("received");
            });
            if used_before {
                pool.submit(|| [0u8; 200]).expect("open").join().expect("ran");
            }
        });
        dying.join().expect("no panic in the destructor");
        assert_eq!(receiver.recv().expect("sent"), (2_000, None));
        rig.finish();
        hits.assert_once_each();
    }
}

/// The destructors of a worker's thread-locals run after the pool has ended: submissions are refused, and
/// nothing hangs.
#[test]
fn a_dying_worker_gets_an_error() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let (sender, receiver) = mpsc::channel();
        let pool = Arc::downgrade(rig.pool());
        let register = move || {
            at_thread_exit(move || {
                let pool = pool.upgrade().expect("the test still has it");
                let kinds = [
                    pool.execute(|| ()).expect_err("ended").kind,
                    pool.submit(|| [0u8; 200]).map(drop).expect_err("ended").kind,
                    pool.execute_batch([|| ()]).expect_err("ended").kind,
                    longshore::execute(|| ()).expect_err("ended").kind,
                ];
                let _ = (pool.stats(), pool.workers(), format!("{pool:?}"));
                sender.send((kinds, current_worker())).expect("received");
            });
        };
        rig.submit(register).expect("open").join().expect("ran");
        // Ends the pool. Returns when the threads have ended, their destructors included.
        rig.shutdown().expect("shuts down");
        let (kinds, worker) = receiver.try_recv().expect("the thread has ended");
        use SubmitErrorKind::{Closed, NoPool};
        assert_eq!((kinds, worker), ([Closed, Closed, Closed, NoPool], None));
        rig.finish();
    }
}

fn descend(levels: u32, last_act: impl FnOnce() + Send + 'static) {
    if levels == 0 {
        at_thread_exit(last_act);
        return;
    }
    longshore::submit(move || descend(levels - 1, last_act)).expect("inside").join().expect("ran");
}

/// A deep recursion continues on further threads, which act as the worker. Their thread-locals are destroyed
/// while the worker waits for their end, so they must not wait for the end of the pool.
#[test]
fn a_dying_thread_that_acted_as_a_worker_gets_an_error() {
    let rig = Rig::with(Pool::builder().workers(1).stack_size(64 << 10));
    let (sender, receiver) = mpsc::channel();
    let pool = Arc::downgrade(rig.pool());
    let last_act = move || {
        let pool = pool.upgrade().expect("the test still has it");
        sender.send((pool.shutdown(), thread::current().id())).expect("received");
    };
    let deep = if cfg!(longshore_no_recycling) { 1 } else { 1_000 };
    let start = move || {
        descend(deep, last_act);
        thread::current().id()
    };
    let worker = rig.submit(start).expect("open").join().expect("ran");
    rig.submit(|| ()).expect("the pool still works").join().expect("ran");
    if deep > 1 {
        let (answer, thread) = receiver.recv().expect("sent");
        assert_eq!(answer, Err(ShutdownError::FromWorker));
        assert_ne!(thread, worker, "another thread acted as the worker");
    }
    rig.finish();
}

/// Handles in a worker's thread-local are dropped with it, whether or not their tasks have ended.
#[test]
fn a_dying_worker_drops_handles() {
    let rig = Rig::new(2);
    let other = Rig::new(1);
    let pool = other.pool().clone();
    let keep = move || {
        let handles: Vec<_> = (0..10u32).map(|n| pool.submit(move || [n; 50]).expect("open")).collect();
        let own: Vec<_> = (0..10u32).map(|n| longshore::submit(move || [n; 50]).expect("inside")).collect();
        at_thread_exit(move || drop((handles, own)));
    };
    rig.submit(keep).expect("open").join().expect("ran");
    assert_eq!(rig.finish().completed, 11);
    assert_eq!(other.finish().completed, 10);
}

/// The last owner of a pool is a thread-local of a thread outside of the pool.
#[test]
fn a_dying_thread_may_drop_the_pool() {
    let _watchdog = watchdog("a_dying_thread_may_drop_the_pool", PATIENCE);
    for _ in 0..50 {
        let token = Arc::new(());
        let held = token.clone();
        let pool = Pool::builder().workers(2).on_exit(move |_| _ = &held).build().expect("starts");
        let hits = Hits::new(50);
        let inner = hits.clone();
        let dying = thread::spawn(move || {
            pool.execute_batch((0..50).map(|task| inner.task(task))).expect("open");
            at_thread_exit(move || drop(pool));
        });
        dying.join().expect("no panic in the destructor");
        if cfg!(all(windows, not(longshore_portable))) {
            // No other thread can end while this one runs its destructors.
            wait_until("the pool has ended", || Arc::strong_count(&token) == 1);
        }
        assert_eq!(Arc::strong_count(&token), 1, "the drop has waited");
        hits.assert_once_each();
    }
}

/// The last owner of a pool is a thread-local of a worker of another pool.
#[test]
fn a_dying_worker_may_drop_another_pool() {
    let _watchdog = watchdog("a_dying_worker_may_drop_another_pool", PATIENCE);
    let token = Arc::new(());
    let held = token.clone();
    let inner = Pool::builder().workers(2).on_exit(move |_| _ = &held).build().expect("starts");
    let outer = Pool::builder().workers(2).build().expect("starts");
    let inner = Mutex::new(Some(inner));
    outer
        .submit(move || at_thread_exit(move || drop(inner.lock().expect("not poisoned").take())))
        .expect("open")
        .join()
        .expect("ran");
    drop(outer);
    wait_until("the inner pool has ended", || Arc::strong_count(&token) == 1);
}
