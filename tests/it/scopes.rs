//! Scopes: all tasks end before their scope does, whatever they borrow, spawn, panic with or wait for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use longshore::{JoinError, Pool, Scope};

use crate::support::{Gate, Rig, quiet_panic, text};

/// A binary tree of tasks of this depth. Counts its nodes.
fn grow<'scope>(scope: &'scope Scope<'scope, '_>, depth: u32, nodes: &'scope AtomicUsize) {
    nodes.fetch_add(1, Ordering::Relaxed);
    if depth > 0 {
        scope.spawn(move || grow(scope, depth - 1, nodes));
        scope.spawn(move || grow(scope, depth - 1, nodes));
    }
}

/// The same with a scope for each node.
fn grow_nested(depth: u32, nodes: &AtomicUsize) {
    nodes.fetch_add(1, Ordering::Relaxed);
    if depth > 0 {
        longshore::scope(|scope| {
            scope.spawn(|| grow_nested(depth - 1, nodes));
            scope.spawn(|| grow_nested(depth - 1, nodes));
        });
    }
}

#[test]
fn tasks_borrow_and_spawn_tasks() {
    for workers in [1, 2, 8] {
        let rig = Rig::new(workers);
        for _ in 0..20 {
            let nodes = AtomicUsize::new(0);
            rig.scope(|scope| grow(scope, 10, &nodes));
            assert_eq!(nodes.load(Ordering::Relaxed), 2047);
            rig.in_place_scope(|scope| grow(scope, 10, &nodes));
            assert_eq!(nodes.load(Ordering::Relaxed), 2 * 2047);
            rig.install(|| grow_nested(7, &nodes));
            assert_eq!(nodes.load(Ordering::Relaxed), 2 * 2047 + 255);
        }
        rig.finish();
    }
}

#[test]
fn closures_of_every_size_are_called_once() {
    let rig = Rig::new(2);
    let sum = AtomicUsize::new(0);
    let (small, middle, large) = ([1u8; 3], [1u8; 300], Box::new([1u8; 100_000]));
    rig.scope(|scope| {
        let sum = &sum;
        let add = move |bytes: &[u8]| {
            _ = sum.fetch_add(bytes.iter().map(|&byte| usize::from(byte)).sum(), Ordering::Relaxed);
        };
        scope.spawn(move || add(&small));
        scope.spawn(move || add(&middle));
        let large = *large;
        scope.spawn(move || add(&large));
        scope.spawn(|| ());
    });
    assert_eq!(sum.load(Ordering::Relaxed), 100_303);
    rig.finish();
}

#[test]
fn the_first_panic_continues_when_all_tasks_have_ended() {
    for workers in [1, 3] {
        let rig = Rig::new(workers);
        let ended = AtomicUsize::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            rig.scope(|scope| {
                for n in 0..100 {
                    let ended = &ended;
                    scope.spawn(move || {
                        ended.fetch_add(1, Ordering::Relaxed);
                        if n % 10 == 0 {
                            quiet_panic("a task");
                        }
                    });
                }
            });
        }));
        assert_eq!(text(&*caught.expect_err("panics")), "a task");
        assert_eq!(ended.load(Ordering::Relaxed), 100);

        let caught = catch_unwind(AssertUnwindSafe(|| {
            rig.scope(|scope| {
                scope.spawn(|| _ = ended.fetch_add(1, Ordering::Relaxed));
                quiet_panic("the body")
            })
        }));
        assert_eq!(text(&*caught.map(|(): ()| ()).expect_err("panics")), "the body");
        assert_eq!(ended.load(Ordering::Relaxed), 101);
        let stats = rig.finish();
        assert_eq!(stats.panicked + stats.completed, stats.submitted);
    }
}

#[test]
fn handles_return_results_that_borrow() {
    let rig = Rig::new(2);
    let words = ["push".to_owned(), "steal".to_owned()];
    let longest = rig.scope(|scope| {
        let handles: Vec<_> = words.iter().map(|word| scope.submit(move || (word.len(), word))).collect();
        handles.into_iter().map(|handle| handle.join().expect("ran")).max().map(|(_, word)| word.as_str())
    });
    assert_eq!(longest, Some("steal"));
    rig.finish();
}

#[test]
fn a_panic_goes_to_the_handle_or_else_to_the_scope() {
    let rig = Rig::new(2);
    rig.scope(|scope| {
        let handle = scope.submit(|| -> u8 { quiet_panic("to the handle") });
        let Err(JoinError::Panicked(payload)) = handle.join() else { panic!("it panicked") };
        assert_eq!(payload.message(), Some("to the handle"));
    });
    let gate = Gate::new();
    let visitor = gate.visitor();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        rig.scope(|scope| {
            drop(scope.submit(move || {
                visitor.pass();
                quiet_panic("to the scope")
            }));
            gate.open();
        });
    }));
    assert_eq!(text(&*caught.expect_err("panics")), "to the scope");
    rig.finish();
}

#[test]
fn a_cancelled_task_of_a_scope_never_starts() {
    let rig = Rig::new(1);
    let ran = AtomicBool::new(false);
    rig.scope(|scope| {
        let handle = scope.submit(|| ran.store(true, Ordering::Relaxed));
        assert!(handle.cancel());
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    });
    assert!(!ran.load(Ordering::Relaxed));
    rig.finish();
}

#[test]
fn an_in_place_scope_stays_on_its_thread() {
    let rig = Rig::new(2);
    let here = thread::current().id();
    let not_send = Rc::new(());
    let seen = Mutex::new(Vec::new());
    rig.in_place_scope(|scope| {
        assert_eq!(thread::current().id(), here);
        scope.spawn(|| seen.lock().expect("no panic").push(thread::current().id()));
        drop(not_send);
    });
    assert!(seen.into_inner().expect("no panic").iter().all(|&id| id != here));
    rig.finish();
}

/// The scope's own worker is the only one. Threads that are no workers spawn the tasks.
#[test]
fn threads_that_are_no_workers_spawn_into_the_scope_of_a_worker() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        for _ in 0..50 {
            let ran = AtomicUsize::new(0);
            rig.install(|| {
                longshore::scope(|scope| {
                    let ran = &ran;
                    thread::scope(|threads| {
                        for _ in 0..3 {
                            threads.spawn(move || {
                                for _ in 0..10 {
                                    scope.spawn(move || _ = ran.fetch_add(1, Ordering::Relaxed));
                                }
                            });
                        }
                    });
                });
            });
            assert_eq!(ran.load(Ordering::Relaxed), 30);
        }
        rig.finish();
    }
}

/// While a task that holds a lock waits for its scope, it is not made to run another task that wants the
/// lock.
#[test]
fn a_scope_under_a_lock_runs_nothing_foreign() {
    let rig = Rig::new(2);
    let lock = Arc::new(Mutex::new(0u32));
    let handles = rig.submit_batch((0..500).map(|_| {
        let lock = lock.clone();
        move || {
            let mut count = lock.lock().expect("not poisoned");
            let parts = AtomicUsize::new(0);
            longshore::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| _ = parts.fetch_add(1, Ordering::Relaxed));
                }
            });
            assert_eq!(parts.load(Ordering::Relaxed), 4);
            *count += 1;
        }
    }));
    handles.expect("open").into_iter().for_each(|handle| handle.join().expect("ran"));
    assert_eq!(*lock.lock().expect("not poisoned"), 500);
    rig.finish();
}

/// Tasks with scopes wait for each other in a chain.
#[test]
fn scopes_in_a_chain_of_waiting_tasks() {
    for workers in [1, 2, 4] {
        let rig = Rig::new(workers);
        for _ in 0..20 {
            let mut last = rig.submit(|| 0u64).expect("open");
            for _ in 0..50 {
                let before = last;
                last = rig
                    .submit(move || {
                        let count = AtomicUsize::new(0);
                        longshore::scope(|scope| {
                            scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed));
                            scope.spawn(|| _ = count.fetch_add(1, Ordering::Relaxed));
                        });
                        before.join().expect("ran") + count.load(Ordering::Relaxed) as u64
                    })
                    .expect("open");
            }
            assert_eq!(last.join().expect("ran"), 100);
        }
        rig.finish();
    }
}

#[test]
fn scopes_of_other_pools_and_of_closed_ones() {
    let (a, b) = (Rig::new(1), Rig::new(1));
    let ran = AtomicUsize::new(0);
    a.scope(|outer| {
        outer.spawn(|| {
            b.scope(|inner| {
                inner.spawn(|| {
                    a.scope(|innermost| innermost.spawn(|| _ = ran.fetch_add(1, Ordering::Relaxed)))
                });
            });
        });
    });
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    a.finish();
    b.finish();

    let closed = Pool::builder().workers(2).build().expect("starts");
    closed.shutdown().expect("ends");
    closed.scope(|scope| grow(scope, 5, &ran));
    closed.in_place_scope(|scope| grow(scope, 5, &ran));
    assert_eq!(ran.load(Ordering::Relaxed), 127);
}

#[test]
fn a_scope_with_discarded_tasks_panics() {
    let rig = Rig::new(1);
    let pool = rig.pool().clone();
    let gate = Gate::new();
    let visitor = gate.visitor();
    let scoped = thread::spawn(move || {
        catch_unwind(AssertUnwindSafe(|| {
            pool.in_place_scope(|scope| {
                scope.spawn(move || visitor.pass());
                scope.spawn(|| ());
            });
        }))
    });
    gate.wait_for(1);
    let closer = {
        let pool = rig.pool().clone();
        thread::spawn(move || pool.shutdown_now())
    };
    crate::support::wait_until("the second task is discarded", || rig.stats().cancelled == 1);
    gate.open();
    assert_eq!(closer.join().expect("no panic").expect("ends"), 1);
    let payload = scoped.join().expect("no panic").expect_err("not all tasks have run");
    assert!(text(&*payload).contains("before all tasks"));
    rig.finish();
}

#[test]
fn a_scope_of_deep_recursion_continues_on_fresh_stacks() {
    fn descend(levels: u32) -> u32 {
        if levels == 0 {
            return 0;
        }
        let below = Mutex::new(0);
        longshore::scope(|scope| scope.spawn(|| *below.lock().expect("no panic") = descend(levels - 1)));
        1 + below.into_inner().expect("no panic")
    }
    let levels = if cfg!(longshore_no_recycling) { 10 } else { 20_000 };
    let rig = Rig::with(Pool::builder().workers(1));
    assert_eq!(rig.install(|| descend(levels)), levels);
    rig.finish();
}
