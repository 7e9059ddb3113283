//! `shutdown_now`: tasks that have not started never start, running tasks end, and the statistics tell them
//! apart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{JoinError, ShutdownError, SubmitErrorKind};

use super::*;
use crate::support::{Census, Gate, Hits, wait_until};

#[test]
fn queued_handles_resolve_before_running_tasks_end() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        let running: Vec<_> = (0..workers)
            .map(|_| {
                let visitor = gate.visitor();
                rig.submit(move || visitor.pass()).expect("open")
            })
            .collect();
        gate.wait_for(workers);
        let census = Census::default();
        let queued: Vec<_> = (0..2_000)
            .map(|_| {
                let captured = census.citizen();
                rig.submit(move || captured.check()).expect("open")
            })
            .collect();
        let hits = Hits::new(500);
        rig.execute_batch((0..500).map(|task| hits.task(task))).expect("open");
        let pool = rig.pool().clone();
        let ends = thread::spawn(move || pool.shutdown_now());
        for handle in queued {
            assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
        }
        assert!(running.iter().all(|handle| !handle.is_finished()), "the held tasks still run");
        gate.open();
        assert_eq!(ends.join().expect("no panic"), Ok(2_500));
        for handle in running {
            handle.join().expect("the running tasks have ended");
        }
        let stats = rig.finish();
        assert_eq!((stats.completed, stats.cancelled), (workers as u64, 2_500));
        assert_eq!(hits.total(), 0);
        census.assert_all_gone();
    }
}

#[test]
fn tasks_can_submit_no_more() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let (pool, ran) = (rig.pool().clone(), Arc::new(AtomicBool::new(false)));
    let sets = ran.clone();
    let running = rig
        .submit(move || {
            visitor.pass();
            let set = || {
                let sets = sets.clone();
                move || sets.store(true, Ordering::Relaxed)
            };
            [
                longshore::execute(set()).map_err(|error| error.kind),
                longshore::submit(set()).map(drop).map_err(|error| error.kind),
                pool.execute(set()).map_err(|error| error.kind),
                pool.execute_batch([set(), set()]).map(drop).map_err(|error| {
                    assert_eq!((error.accepted.len(), error.rejected()), (0, 2));
                    error.kind
                }),
                pool.submit_batch([set(), set()]).map(drop).map_err(|error| error.kind),
            ]
        })
        .expect("open");
    gate.wait_for(1);
    let queued = rig.submit(|| ()).expect("open");
    let pool = rig.pool().clone();
    let ends = thread::spawn(move || pool.shutdown_now());
    assert!(queued.join().is_err_and(|error| error.is_cancelled()), "the pool stops");
    gate.open();
    assert_eq!(running.join().expect("ran"), [Err(SubmitErrorKind::Closed); 5]);
    assert_eq!(ends.join().expect("no panic"), Ok(1));
    rig.finish();
    assert!(!ran.load(Ordering::Relaxed));
}

/// A task waits for other tasks of its pool when the pool stops: its wait ends.
#[test]
fn a_wait_inside_a_task_ends() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        let (visitor, ready) = (gate.visitor(), gate.visitor());
        if workers == 2 {
            gate.hold(&rig, 1);
        }
        let outer = rig
            .submit(move || {
                // Newest first: the task that is held at the gate runs before the others, on top of this
                // task.
                let handles: Vec<_> = (0..100).map(|_| longshore::submit(|| ()).expect("inside")).collect();
                let holds = longshore::submit(move || visitor.pass()).expect("inside");
                let held = holds.join();
                (held.is_ok(), handles.into_iter().filter(|handle| handle.cancel()).count())
            })
            .expect("open");
        gate.wait_for(workers);
        assert!(!ready.is_open());
        let pool = rig.pool().clone();
        let ends = thread::spawn(move || pool.shutdown_now());
        wait_until("the queued tasks are discarded", || rig.stats().cancelled == 100);
        gate.open();
        assert_eq!(outer.join().expect("ends"), (true, 100));
        assert_eq!(ends.join().expect("no panic"), Ok(100));
        rig.finish();
    }
}

#[test]
fn it_cuts_a_drain_short() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let handles = rig.submit_batch((0..300).map(|n| move || n)).expect("open");
    assert_eq!(rig.shutdown_timeout(Duration::ZERO), Err(ShutdownError::TimedOut));
    let (drains, stops) = (rig.pool().clone(), rig.pool().clone());
    let drain = thread::spawn(move || drains.shutdown());
    let stop = thread::spawn(move || stops.shutdown_now());
    for handle in handles {
        assert!(handle.join().is_err_and(|error| error.is_cancelled()));
    }
    gate.open();
    assert_eq!(drain.join().expect("no panic"), Ok(()));
    assert_eq!(stop.join().expect("no panic"), Ok(300));
    rig.finish();
}

#[test]
fn all_callers_get_the_sum() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    rig.execute_batch((0..1_000).map(|_| || ())).expect("open");
    let (called, calls) = mpsc::channel();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (pool, called) = (rig.pool().clone(), called.clone());
            thread::spawn(move || {
                called.send(()).expect("received");
                pool.shutdown_now()
            })
        })
        .collect();
    assert_eq!(calls.iter().take(4).count(), 4);
    wait_until("the queued tasks are discarded", || rig.stats().cancelled == 1_000);
    gate.open();
    for caller in callers {
        assert_eq!(caller.join().expect("no panic"), Ok(1_000));
    }
    rig.finish();
}

#[test]
fn of_an_idle_and_of_an_ended_pool() {
    for workers in [1, 8] {
        let rig = Rig::new(workers);
        assert_eq!(rig.shutdown_now(), Ok(0));
        assert_eq!(rig.shutdown_now(), Ok(0));
        rig.shutdown().expect("has ended");
        assert!(rig.execute(|| ()).is_err());
        rig.finish();
    }
}

/// Destructors of discarded closures use the pool: they submit (and are refused), cancel and drop handles,
/// and discard more tasks.
#[test]
fn discarded_closures_may_use_the_pool() {
    struct Wild {
        pool: Arc<Pool>,
        handle: Option<longshore::JoinHandle<()>>,
        refused: mpsc::Sender<bool>,
    }
    impl Drop for Wild {
        fn drop(&mut self) {
            let outside = self.pool.execute(|| ()).is_err();
            // Refused on a worker; on the thread that ends the pool it reaches the global pool.
            let _ = longshore::execute(|| ());
            if let Some(handle) = self.handle.take() {
                handle.cancel();
            }
            let _ = self.pool.stats();
            self.refused.send(outside).expect("received");
        }
    }
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let gate = Gate::new();
        gate.hold(&rig, workers);
        let (refused, answers) = mpsc::channel();
        let mut handle = None;
        for _ in 0..500 {
            // Each closure holds the handle of the previous task.
            let (pool, refused) = (rig.pool().clone(), refused.clone());
            let wild = Wild { pool, handle, refused };
            handle = Some(rig.submit(move || drop(wild)).expect("open"));
        }
        drop((handle, refused));
        let pool = rig.pool().clone();
        let ends = thread::spawn(move || pool.shutdown_now());
        assert_eq!(answers.iter().take(500).filter(|&refused| refused).count(), 500);
        gate.open();
        ends.join().expect("no panic").expect("shuts down");
        let stats = rig.finish();
        assert_eq!((stats.completed, stats.cancelled), (workers as u64, 500));
    }
}
