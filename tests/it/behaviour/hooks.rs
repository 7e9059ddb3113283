//! The start, exit and panic hooks: when they are called, what they may do, and what their panics cause.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak, mpsc};
use std::thread;
use std::time::Duration;

use longshore::{BuildError, ShutdownError, SubmitErrorKind, current_worker};

use super::*;
use crate::support::{Gate, Hits, quiet_panic, wait_until};

#[test]
fn start_and_exit_run_once_on_each_workers_own_thread() {
    for workers in [1, 2, 8, 64] {
        let (starts, exits) = (Hits::new(workers), Hits::new(workers));
        let threads = Arc::new(Mutex::new(vec![None; workers]));
        let (started, at_start) = (starts.clone(), threads.clone());
        let (exited, at_exit) = (exits.clone(), threads.clone());
        let rig = Rig::with(
            Pool::builder()
                .workers(workers)
                .on_start(move |worker| {
                    assert_eq!(current_worker(), Some(worker));
                    started.hit(worker);
                    at_start.lock().expect("not poisoned")[worker] = Some(thread::current().id());
                })
                .on_exit(move |worker| {
                    assert_eq!(current_worker(), Some(worker));
                    let threads = at_exit.lock().expect("not poisoned");
                    assert_eq!(threads[worker], Some(thread::current().id()));
                    exited.hit(worker);
                }),
        );
        starts.assert_once_each(); // `build` has waited for the hooks
        assert_eq!(exits.total(), 0);
        for _ in 0..100 {
            let run = rig.submit(|| (current_worker(), thread::current().id())).expect("open");
            let (worker, thread) = run.join().expect("runs");
            let threads = threads.lock().expect("not poisoned");
            assert_eq!(threads[worker.expect("on a worker")], Some(thread));
        }
        let stats = rig.finish();
        exits.assert_once_each();
        starts.assert_once_each();
        assert_eq!(stats.hook_panics, 0);
    }
}

/// All threads of a pool share the hook's captures, which are dropped when the last of them has ended.
#[test]
fn a_panic_in_the_start_hook_fails_the_build_and_leaves_no_thread() {
    for (workers, bad) in [(1, 0), (4, 0), (4, 3), (16, 7)] {
        let token = Arc::new(());
        let held = token.clone();
        let built = Pool::builder()
            .workers(workers)
            .on_start(move |worker| {
                let _held = &held;
                if worker == bad {
                    quiet_panic(format!("worker {worker} says no"));
                }
            })
            .build();
        match built {
            Err(BuildError::StartHookPanicked { worker, payload }) => {
                assert_eq!(worker, bad);
                assert_eq!(payload.message(), Some(format!("worker {bad} says no").as_str()));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(Arc::strong_count(&token), 1, "a thread is left");
    }
}

#[test]
fn all_start_hooks_panic() {
    let exits = Arc::new(AtomicUsize::new(0));
    let counted = exits.clone();
    let built = Pool::builder()
        .workers(8)
        .on_start(|_| quiet_panic("no"))
        .on_exit(move |_| _ = counted.fetch_add(1, Ordering::Relaxed))
        .build();
    let error = built.expect_err("fails");
    assert!(matches!(error, BuildError::StartHookPanicked { .. }));
    assert!(error.to_string().contains("no"), "{error}");
    assert_eq!(exits.load(Ordering::Relaxed), 0, "a worker that has not started does not call its exit hook");
    assert_eq!(Arc::strong_count(&exits), 1, "a thread is left");
}

#[test]
fn panics_in_the_exit_hook_are_counted() {
    let rig = Rig::with(Pool::builder().workers(5).on_exit(|worker| {
        if worker != 2 {
            quiet_panic("at the exit");
        }
    }));
    rig.execute(|| ()).expect("open");
    assert_eq!(rig.finish().hook_panics, 4);
}

#[test]
fn panics_in_the_panic_handler_are_counted() {
    let rig = Rig::with(Pool::builder().workers(2).panic_handler(|_| quiet_panic("again")));
    for _ in 0..100 {
        rig.execute(|| quiet_panic("first")).expect("open");
    }
    let stats = rig.finish();
    assert_eq!((stats.panicked, stats.hook_panics), (100, 100));
}

#[test]
fn start_hooks_may_submit() {
    for workers in [1, 4] {
        let hits = Hits::new(10 * workers);
        let (inner, sum) = (hits.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = sum.clone();
        let rig = Rig::with(Pool::builder().workers(workers).on_start(move |worker| {
            for task in 0..10 {
                longshore::execute(inner.task(10 * worker + task)).expect("a hook has a pool");
            }
            let handle = longshore::submit(move || worker + 1).expect("a hook has a pool");
            counted.fetch_add(handle.join().expect("runs"), Ordering::Relaxed);
        }));
        assert_eq!(sum.load(Ordering::Relaxed), workers * (workers + 1) / 2);
        rig.finish();
        hits.assert_once_each();
    }
}

/// A task that an exit hook submits either runs or is returned. If it were accepted and never run, its handle
/// would wait for ever and the counts would not add up.
#[test]
fn tasks_of_exit_hooks_are_not_lost() {
    for workers in [1, 4] {
        let accepted = Arc::new(AtomicUsize::new(0));
        let ran = Arc::new(AtomicUsize::new(0));
        let (counts, runs) = (accepted.clone(), ran.clone());
        let rig = Rig::with(Pool::builder().workers(workers).on_exit(move |_| {
            let runs = runs.clone();
            match longshore::execute(move || _ = runs.fetch_add(1, Ordering::Relaxed)) {
                Ok(()) => _ = counts.fetch_add(1, Ordering::Relaxed),
                Err(refused) => assert_eq!(refused.kind, SubmitErrorKind::Closed),
            }
        }));
        let stats = rig.finish();
        assert_eq!(ran.load(Ordering::Relaxed), accepted.load(Ordering::Relaxed), "{stats:?}");
        assert_eq!(stats.hook_panics, 0);
    }
}

/// The same with a handle: whatever the exit hook gets, its join ends.
#[test]
fn exit_hooks_may_join_their_tasks() {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let rig = Rig::with(Pool::builder().workers(2).on_exit(move |_| {
        let outcome = match longshore::submit(|| 3) {
            Ok(mut handle) => handle.join_timeout(Duration::from_secs(20)).map(|result| result.is_ok()),
            Err(_) => Some(false),
        };
        sender.lock().expect("not poisoned").send(outcome).expect("received");
    }));
    rig.shutdown().expect("shuts down");
    for _ in 0..2 {
        assert!(receiver.recv().expect("sent").is_some(), "the wait ends");
    }
    rig.finish();
}

#[test]
fn hooks_may_not_shut_their_pool_down() {
    let pool = Arc::new(OnceLock::<Weak<Pool>>::new());
    let answers = Arc::new(Mutex::new(Vec::new()));
    let (at_exit, at_panic) = (pool.clone(), pool.clone());
    let (exit_answers, panic_answers) = (answers.clone(), answers.clone());
    let ask = |pool: &OnceLock<Weak<Pool>>, answers: &Mutex<Vec<_>>| {
        let answer = pool.get().expect("set").upgrade().expect("alive").shutdown();
        answers.lock().expect("not poisoned").push(answer);
    };
    let rig = Rig::with(
        Pool::builder()
            .workers(2)
            .on_exit(move |_| ask(&at_exit, &exit_answers))
            .panic_handler(move |_| ask(&at_panic, &panic_answers)),
    );
    pool.set(Arc::downgrade(rig.pool())).expect("set once");
    rig.execute(|| quiet_panic("for the handler")).expect("open");
    wait_until("the handler has asked", || answers.lock().expect("not poisoned").len() == 1);
    rig.submit(|| ()).expect("the pool still works").join().expect("runs");
    let stats = rig.finish();
    let answers = answers.lock().expect("not poisoned");
    assert_eq!(*answers, [Err(ShutdownError::FromWorker); 3]);
    assert_eq!(stats.hook_panics, 0);
}

/// `build` does not return before the start hooks have returned.
#[test]
fn build_waits_for_the_start_hooks() {
    let gate = Gate::new();
    let visitor = gate.visitor();
    let (built, is_built) = mpsc::channel();
    let builder = thread::spawn(move || {
        let pool = Pool::builder().workers(2).on_start(move |_| visitor.pass()).build();
        built.send(()).expect("received");
        pool.expect("starts")
    });
    gate.wait_for(2);
    assert!(is_built.try_recv().is_err());
    gate.open();
    builder.join().expect("builds").shutdown().expect("shuts down");
}
