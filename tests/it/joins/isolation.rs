//! What a worker runs while a join waits on it, which tasks run elsewhere meanwhile, and what is counted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use longshore::Context;

use super::{fib, free_fib};
use crate::support::{Gate, Hits, Rig, let_time_pass, scaled, wait_until};

/// Adds to the sum under the lock, in parts that thieves may take. Fails if another task holds the lock.
fn under_the_lock(lock: &Mutex<u64>, holder: &Mutex<Option<ThreadId>>) {
    let mut sum = lock.lock().expect("not poisoned");
    *holder.lock().expect("not poisoned") = Some(thread::current().id());
    let (a, b) = longshore::join(|| free_fib(4), || longshore::join(|| free_fib(3), || free_fib(2)));
    *sum += a + b.0 + b.1;
    *holder.lock().expect("not poisoned") = None;
}

/// A task that holds a lock during a join is never made to run another task that wants the lock.
#[test]
fn a_lock_may_be_held_over_a_join() {
    for workers in [1, 2, 3] {
        let rig = Rig::new(workers);
        let lock = Arc::new((Mutex::new(0), Mutex::new(None)));
        let rounds = scaled(10_000) / 3;
        let task = || {
            let lock = lock.clone();
            move || {
                // `lock` would fail, or hang, if this thread held it already.
                assert_ne!(*lock.1.lock().expect("not poisoned"), Some(thread::current().id()));
                under_the_lock(&lock.0, &lock.1);
            }
        };
        let handles = rig.submit_batch((0..rounds).map(|_| task())).expect("open");
        for _ in 0..rounds / 10 {
            rig.join(task(), task());
            rig.install(task());
        }
        handles.into_iter().for_each(|handle| handle.join().expect("ran"));
        let tasks = rounds + rounds / 10 * 3;
        assert_eq!(*lock.0.lock().expect("not poisoned"), 6 * tasks as u64);
        rig.finish();
    }
}

/// A piece of work that must not run on a thread that waits for something else.
#[derive(Default)]
struct Foreign {
    waiting: Mutex<Option<ThreadId>>,
    ran_there: AtomicBool,
}

impl Foreign {
    /// Joins `b`, which another worker has taken by then, on the thread that must not be disturbed.
    fn wait_for(&self, b: impl FnOnce() + Send) {
        let taken = Gate::new();
        let a = || {
            taken.visitor().pass();
            *self.waiting.lock().expect("not poisoned") = Some(thread::current().id());
        };
        longshore::join(a, || {
            taken.open();
            b();
        });
        *self.waiting.lock().expect("not poisoned") = None;
    }

    fn run(&self) {
        if *self.waiting.lock().expect("not poisoned") == Some(thread::current().id()) {
            self.ran_there.store(true, Ordering::Relaxed);
        }
    }

    #[track_caller]
    fn assert_kept_away(&self) {
        assert!(!self.ran_there.load(Ordering::Relaxed), "a wait has run what it does not wait for");
    }
}

/// A thief that waits for another pool in the first half of a join serves its own pool meanwhile. The other
/// half of that join is no part of the tasks that it runs, and workers that wait for these tasks must not
/// take it.
#[test]
fn a_waiter_takes_no_older_forks_of_its_thief() {
    let (rig, other) = (Rig::new(2), Rig::new(1));
    for _ in 0..20 {
        let foreign = Foreign::default();
        let (ready, serving, done) = (Gate::new(), Gate::new(), Gate::new());
        let wait = || {
            serving.open();
            done.visitor().pass();
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                ready.visitor().pass();
                rig.join(|| other.install(wait), || foreign.run());
            });
            rig.enter(|_| {
                ready.open();
                serving.visitor().pass();
                // Taken by the worker that serves its pool. It takes long enough for the waiter to look for
                // work.
                foreign.wait_for(|| let_time_pass(Duration::from_millis(2)));
                done.open();
            });
        });
        foreign.assert_kept_away();
    }
    rig.finish();
    other.finish();
}

/// The job that the thief has taken waits for another pool, and the thief runs another task, which forks.
#[test]
fn a_waiter_takes_no_forks_of_tasks_that_its_thief_serves() {
    let (rig, other) = (Rig::new(2), Rig::new(1));
    for _ in 0..20 {
        let foreign = Foreign::default();
        let (serving, done) = (Gate::new(), Gate::new());
        let wait = || {
            serving.open();
            done.visitor().pass();
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                serving.visitor().pass();
                rig.install(|| longshore::join(|| let_time_pass(Duration::from_millis(2)), || foreign.run()));
                done.open();
            });
            rig.enter(|_| foreign.wait_for(|| other.install(wait)));
        });
        foreign.assert_kept_away();
    }
    rig.finish();
    other.finish();
}

/// A waiter takes parts of the work that it waits for, also if the thief has served other tasks in between.
#[test]
fn a_waiter_helps_its_thief() {
    let (rig, other) = (Rig::new(2), Rig::new(1));
    for _ in 0..200 {
        let part = || {
            let meeting = Gate::new();
            let (_, helper) = longshore::join(
                || meeting.visitor().pass(),
                || {
                    meeting.open();
                    thread::current().id()
                },
            );
            helper
        };
        rig.enter(|_| {
            let here = thread::current().id();
            Foreign::default().wait_for(|| {
                assert_eq!(part(), here, "the waiting thread");
                assert_eq!(other.install(|| 5), 5);
                part(); // on the waiting thread, or on a stand-in that the wait for the other pool has left
            });
        });
    }
    rig.finish();
    other.finish();
}

/// The leaves of a tree run on the waiting worker and on thieves. Each stolen half is counted by its thief,
/// and no half counts as a task.
#[test]
fn stolen_halves_are_counted_and_are_no_tasks() {
    let rig = Rig::new(2);
    for _ in 0..100 {
        let meeting = Gate::new();
        rig.join(|| meeting.visitor().pass(), || meeting.open());
    }
    let stats = rig.finish();
    let stolen: u64 = stats.workers.iter().map(|worker| worker.stolen_forks).sum();
    assert_eq!(stolen, 100, "{stats:?}");
    let alone = Rig::new(1);
    assert_eq!(alone.enter(|cx| fib(cx, 15)), 610);
    assert_eq!(alone.finish().workers[0].stolen_forks, 0);
}

/// After a long serial part the first fork reaches the other worker, which was asleep.
#[test]
fn one_fork_after_a_long_serial_part() {
    let rig = Rig::new(2);
    for _ in 0..20 {
        rig.enter(|cx| {
            let_time_pass(Duration::from_millis(3));
            let meeting = Gate::new();
            cx.join(|_| meeting.visitor().pass(), |_| meeting.open());
        });
    }
    rig.finish();
}

/// A serial part shows its younger forks when it calls `offer`.
#[test]
fn offer_shows_the_oldest_fork_that_is_left() {
    let rig = Rig::new(3);
    for _ in 0..50 {
        let (first, second) = (Gate::new(), Gate::new());
        rig.enter(|cx| {
            let inner = |cx: Context<'_>| {
                let a = |cx: Context<'_>| {
                    first.wait_for(1);
                    wait_until("the younger fork is taken", || {
                        cx.offer();
                        second.visitor().is_open()
                    });
                };
                cx.join(a, |_| second.open());
            };
            cx.join(inner, |_| {
                first.open();
                first.visitor().pass();
            });
        });
    }
    rig.finish();
}

/// Tasks from outside get their turn, whichever queue they are in, while all workers run a tree of forks.
#[test]
fn tasks_need_not_wait_for_the_end_of_a_tree() {
    const LEVELS: usize = 400;
    const TASKS: usize = 40;
    /// Leaves one fork behind on each level, and forks at the bottom until `done`.
    fn descend(cx: Context<'_>, levels: usize, forked: &(dyn Fn() + Sync), done: &(dyn Fn() -> bool + Sync)) {
        if levels > 0 {
            cx.join(|cx| descend(cx, levels - 1, forked, done), |_| forked());
            return;
        }
        while !done() {
            cx.join(|_| (), |_| ());
        }
    }
    let rig = Rig::new(2);
    for _ in 0..5 {
        let hits = Hits::new(TASKS);
        let submitted = Gate::new();
        let (taken, taken_meanwhile) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let forked = || {
            submitted.visitor().pass();
            taken.fetch_add(1, Ordering::Relaxed);
        };
        let done = || {
            let done = hits.total() == TASKS;
            if !done {
                taken_meanwhile.store(taken.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            done
        };
        thread::scope(|scope| {
            scope.spawn(|| rig.enter(|cx| descend(cx, LEVELS, &forked, &done)));
            submitted.wait_for(1);
            // Each thread has a home of its own, so each inbox gets tasks.
            let submit = |first: usize| {
                let (rig, hits) = (&rig, &hits);
                move || (first..TASKS).step_by(4).for_each(|n| rig.execute(hits.task(n)).expect("open"))
            };
            (0..4)
                .map(|first| scope.spawn(submit(first)))
                .for_each(|thread| thread.join().expect("no panic"));
            submitted.open();
        });
        hits.assert_once_each();
        let taken = taken_meanwhile.into_inner();
        assert!(taken < LEVELS / 2, "{taken} forks were taken before");
    }
    rig.finish();
}
