//! What the drop-in for rayon-core needs of the library: the rules of rayon-core, and threads that the user
//! supplies.

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use longshore::Pool;
use longshore::rayon_core_support::{DropInPool, DropInScope, DropInSettings, DropInWorker, with_worker};

use support::{PATIENCE, Watchdog, wait_until};

/// For counters of which only the sum matters.
const ORDER: Ordering = Ordering::Relaxed;

fn watchdog() -> Watchdog {
    support::watchdog("rayon_core_support", PATIENCE)
}

fn settings(workers: usize) -> DropInSettings {
    DropInSettings { workers, stack_size: 2 << 20, on_start: None, on_exit: None, attachment: Box::new(()) }
}

/// A pool whose threads are joined when this is dropped.
struct Supplied {
    pool: DropInPool,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Supplied {
    fn new(workers: usize) -> Self {
        Self::with(settings(workers))
    }

    fn with(settings: DropInSettings) -> Self {
        let pool = DropInPool::new(settings);
        let threads = std::iter::from_fn(|| pool.supply());
        let threads = threads.map(|worker| thread::spawn(|| worker.run())).collect();
        Supplied { pool, threads }
    }
}

impl Drop for Supplied {
    fn drop(&mut self) {
        self.pool.close(None);
        self.threads.drain(..).for_each(|thread| thread.join().expect("ends without a panic"));
    }
}

fn spawn<F: FnOnce() + Send + 'static>(worker: DropInWorker<'_>, task: F) {
    assert!(worker.execute(task).is_ok(), "the pool is open");
}

fn current<R>(f: impl FnOnce(DropInWorker<'_>) -> R) -> R {
    with_worker(|worker| f(worker.expect("on a worker")))
}

#[test]
fn each_supplied_thread_is_one_worker_from_hook_to_hook() {
    let _watchdog = watchdog();
    let hooks = Arc::new(Mutex::new(Vec::new()));
    let hook = |name: &'static str| {
        let hooks = hooks.clone();
        Box::new(move |index: usize| hooks.lock().expect("no panic").push((name, index)))
    };
    let settings =
        DropInSettings { on_start: Some(hook("start")), on_exit: Some(hook("exit")), ..settings(3) };
    let supplied = Supplied::with(settings);
    assert_eq!((supplied.threads.len(), supplied.pool.view().workers()), (3, 3));
    let (sender, receiver) = channel();
    assert!(supplied.pool.broadcast(move |worker| {
        sender.send((worker.index(), thread::current().id())).expect("the receiver waits");
    }));
    let mut reports: Vec<_> =
        (0..3).map(|_| receiver.recv_timeout(PATIENCE).expect("each worker reports")).collect();
    reports.sort_by_key(|(index, _)| *index);
    let threads: Vec<_> = supplied.threads.iter().map(|thread| thread.thread().id()).collect();
    assert_eq!(reports, threads.into_iter().enumerate().collect::<Vec<_>>());
    drop(supplied);
    let mut hooks = hooks.lock().expect("no panic").clone();
    hooks.sort_unstable();
    let expected = ["exit", "start"].map(|name| [(name, 0), (name, 1), (name, 2)]).concat();
    assert_eq!(hooks, expected);
}

#[test]
fn a_worker_without_a_thread_does_not_hold_the_pool() {
    let _watchdog = watchdog();
    let pool = DropInPool::new(settings(2));
    drop(pool.supply().expect("the first"));
    let worker = pool.supply().expect("the second");
    let thread = thread::spawn(|| worker.run());
    assert_eq!(pool.install(|_| 6 * 7), 42);
    pool.close(None);
    thread.join().expect("ends");
}

#[test]
fn an_adopted_thread_works_only_while_it_waits() {
    let _watchdog = watchdog();
    // On a thread of its own, because it stays a worker for the rest of its life.
    thread::spawn(|| {
        let pool = DropInPool::new(settings(2));
        assert_eq!(pool.adopt_current_thread(), Some(0));
        let worker = pool.supply().expect("the second");
        let other = thread::spawn(|| worker.run());
        assert_eq!(current(|worker| worker.index()), 0);
        let (sender, receiver) = channel();
        current(|worker| {
            spawn(worker, move || sender.send(current(|worker| worker.index())).expect("waits"))
        });
        assert_eq!(receiver.recv_timeout(PATIENCE), Ok(1), "the thread blocks, so the other worker takes it");
        // A broadcast to both needs this thread, which waits for the scope.
        let ran = AtomicUsize::new(0);
        pool.in_place_scope(|scope| {
            let task = |_: &DropInScope, _: DropInWorker<'_>| _ = ran.fetch_add(1, Ordering::Relaxed);
            // SAFETY: `ran` outlives the scope, and this is the frame of the scope.
            assert!(unsafe { scope.spawn_broadcast(task) });
        });
        assert_eq!(ran.into_inner(), 2);
        pool.close(Some(0));
        other.join().expect("the pool ends without the adopted thread");
        assert_eq!(current(|worker| worker.join(|| 1, |_| 2)), (1, 2), "joins work after the end");
    })
    .join()
    .expect("no panic");
}

/// The second half of a join blocks until a task has run that was queued before it, on two workers. Only the
/// worker that waits for the join can run that task.
#[test]
fn a_join_that_waits_runs_other_tasks() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(2);
    for _ in 0..100 {
        let (sender, receiver) = channel();
        let taken = &Barrier::new(2);
        let first = move || {
            taken.wait();
            current(|worker| spawn(worker, move || sender.send(5).expect("waits")));
        };
        let second = move |_| {
            taken.wait();
            receiver.recv_timeout(PATIENCE)
        };
        let result = supplied.pool.install(|worker| worker.join(first, second));
        assert_eq!(result.1, Ok(5));
    }
}

/// The same for a scope: its only task blocks until a task from outside of the scope has run.
#[test]
fn a_scope_that_waits_runs_other_tasks() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(2);
    for _ in 0..100 {
        let (sender, receiver) = channel();
        let receiver = Mutex::new(receiver);
        let begun = Barrier::new(2);
        let received = Mutex::new(None);
        supplied.pool.install(|worker| {
            worker.scope(|scope| {
                let task = |_: &DropInScope| {
                    begun.wait();
                    let value = receiver.lock().expect("no panic").recv_timeout(PATIENCE);
                    *received.lock().expect("no panic") = Some(value);
                };
                // SAFETY: what the task borrows outlives the scope, and this is the frame of the scope.
                unsafe { scope.spawn(task) };
                begun.wait();
                current(|worker| spawn(worker, move || sender.send(5).expect("waits")));
            })
        });
        assert_eq!(received.into_inner().expect("no panic"), Some(Ok(5)));
    }
}

/// The second half of a join broadcasts. The worker that waits for it must run its part.
#[test]
fn a_join_that_waits_takes_part_in_a_broadcast() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(2);
    let broadcast = |pool: &DropInPool| {
        let ran = AtomicUsize::new(0);
        pool.in_place_scope(|scope| {
            let task = |_: &DropInScope, _: DropInWorker<'_>| _ = ran.fetch_add(1, Ordering::Relaxed);
            // SAFETY: `ran` outlives the scope, and this is the frame of the scope.
            assert!(unsafe { scope.spawn_broadcast(task) });
        });
        ran.into_inner()
    };
    let pool = &supplied.pool;
    let work = |worker: DropInWorker<'_>| {
        let taken = Barrier::new(2);
        let wait_and = |then: &(dyn Fn() -> usize + Sync)| {
            taken.wait();
            then()
        };
        worker.join(|| wait_and(&|| 0), |_| wait_and(&|| broadcast(pool))).1
    };
    for _ in 0..200 {
        assert_eq!(pool.install(work), 2, "both halves on the workers' threads");
        assert_eq!(pool.enter(work), 2, "the first half on a thread that leases a worker");
    }
}

#[test]
fn a_thread_that_takes_part_runs_no_foreign_task() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(3);
    let here = thread::current().id();
    let mut leases = 0;
    wait_until("a thread that may take part does so", || {
        let taken = Barrier::new(2);
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        leases += supplied.pool.enter(|worker| {
            let foreign = || {
                taken.wait();
                for _ in 0..20 {
                    let counts = counts.clone();
                    let count =
                        move || counts[usize::from(thread::current().id() == here)].fetch_add(1, ORDER);
                    current(|worker| spawn(worker, move || _ = count()));
                }
                // This worker is blocked, and one waits for the join, so the third has to run them.
                wait_until("the third worker runs the tasks", || counts[0].load(ORDER) == 20);
            };
            worker.join(|| taken.wait(), |_| foreign());
            usize::from(thread::current().id() == here)
        });
        leases == 20
    });
}

#[test]
fn the_tasks_of_one_worker_start_newest_first() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(1);
    let (sender, receiver) = channel();
    supplied.pool.install(|worker| {
        for number in 0..1000 {
            let sender = sender.clone();
            spawn(worker, move || sender.send(number).expect("waits"));
        }
    });
    drop(sender);
    assert!(receiver.iter().eq((0..1000).rev()));
}

#[test]
fn a_broadcast_runs_when_the_own_tasks_have_run() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(1);
    let (sender, receiver) = channel();
    supplied.pool.install(|worker| {
        let last = sender.clone();
        assert!(worker.broadcast(move |_| last.send(usize::MAX).expect("waits")));
        for number in 0..100 {
            let sender = sender.clone();
            spawn(worker, move || sender.send(number).expect("waits"));
        }
    });
    let order: Vec<_> = (0..101).map(|_| receiver.recv_timeout(PATIENCE).expect("all run")).collect();
    assert!(order.into_iter().eq((0..100).rev().chain([usize::MAX])));
}

#[test]
fn a_yield_takes_the_own_fork_on_a_single_worker() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(1);
    let yield_now = |worker: DropInWorker<'_>| worker.yield_now();
    let yield_local = |worker: DropInWorker<'_>| worker.yield_local();
    let kinds: [&(dyn Fn(DropInWorker<'_>) -> bool + Sync); 2] = [&yield_now, &yield_local];
    for yields in kinds {
        let has_run = AtomicBool::new(false);
        supplied.pool.install(|worker| {
            let until_it_has_run = || {
                assert!(worker_has_pending());
                while !has_run.load(Ordering::Relaxed) {
                    assert!(current(yields));
                }
                assert!(!current(yields), "nothing is left");
            };
            worker.join(until_it_has_run, |_| has_run.store(true, Ordering::Relaxed))
        });
    }
    fn worker_has_pending() -> bool {
        current(|worker| worker.has_pending())
    }
}

#[test]
fn a_panic_comes_out_of_a_scope_with_a_broadcast() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(3);
    let ran = AtomicUsize::new(0);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        supplied.pool.in_place_scope(|scope| {
            let task = |_: &DropInScope, worker: DropInWorker<'_>| {
                ran.fetch_add(1, Ordering::Relaxed);
                if worker.index() == 1 {
                    std::panic::resume_unwind(Box::new(7u8));
                }
            };
            // SAFETY: `ran` outlives the scope, and this is the frame of the scope.
            assert!(unsafe { scope.spawn_broadcast(task) });
        });
    }));
    assert_eq!(result.expect_err("a panic").downcast_ref(), Some(&7u8));
    assert_eq!(ran.into_inner(), 3, "the others have run");
}

/// On one worker the order is exact. A task of the outer scope lies below the last task of the inner one.
#[test]
fn a_scope_that_has_ended_runs_no_task_of_the_scope_around_it() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(1);
    let order = Mutex::new(Vec::new());
    let note = |what: &'static str| order.lock().expect("no panic").push(what);
    supplied.pool.install(|worker| {
        worker.scope(|outer| {
            worker.scope(|inner| {
                // SAFETY: what the tasks borrow outlives both scopes, and this is the frame of both.
                unsafe { outer.spawn(|_| note("outer")) };
                // SAFETY: as above.
                unsafe { inner.spawn(|_| note("inner")) };
            });
            note("the inner scope has ended");
        })
    });
    assert_eq!(order.into_inner().expect("no panic"), ["inner", "the inner scope has ended", "outer"]);
}

#[test]
fn the_first_panic_comes_out_of_a_scope() {
    let _watchdog = watchdog();
    let supplied = Supplied::new(1);
    let panic_of = |yields: bool| {
        let scope = || {
            supplied.pool.install(|worker| {
                worker.scope(|scope| {
                    // SAFETY: the task borrows nothing, and this is the frame of the scope.
                    unsafe { scope.spawn(|_| std::panic::resume_unwind(Box::new("task"))) };
                    assert!(!yields || worker.yield_local());
                    std::panic::resume_unwind(Box::new("body"))
                })
            })
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scope));
        *result.expect_err("a panic").downcast::<&str>().expect("one of the two")
    };
    assert_eq!([true, false].map(panic_of), ["task", "body"]);
}

#[test]
fn a_task_of_an_ordinary_pool_is_found() {
    let pool = Pool::builder().workers(2).build().expect("starts");
    let found = pool.submit(|| {
        current(|worker| {
            let view = worker.view();
            (view.workers(), view.attachment().is_none(), worker.join(|| 1, |_| 2))
        })
    });
    assert_eq!(found.expect("open").join().expect("ran"), (2, true, (1, 2)));
    assert!(with_worker(|worker| worker.is_none()));
}
