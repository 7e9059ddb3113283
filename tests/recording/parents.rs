//! Every way into and out of a queue: the parents that the analysis finds are the true ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use longshore::{AnyPool, CancelToken, OnFull, Pool, Priority, PullPool};
use longshore_trace::run::{Parent, Run, Task};

use super::{compute, ran, ran_as, recorded, recorded_with};

fn tasks<'a>(run: &'a Run, label: &'a str) -> impl Iterator<Item = &'a Task> {
    run.tasks.iter().filter(move |task| task.has_run() && run.label(task.label) == label)
}

/// Most tasks labelled `child` come from tasks labelled `parent`, and none comes from another label.
#[track_caller]
fn come_from(run: &Run, child: &str, parent: &str) {
    let (mut right, mut wrong, mut unknown) = (0, 0, 0);
    for task in tasks(run, child) {
        match task.parent {
            Parent::Task(of) if run.label(run.tasks[of as usize].label) == parent => right += 1,
            Parent::Unknown => unknown += 1,
            Parent::Task(_) | Parent::Thread(_) => wrong += 1,
        }
    }
    assert!(right >= 9 * (wrong + unknown), "{child}: {right} right, {wrong} wrong, {unknown} unknown");
}

fn trees<P: AnyPool>() {
    let (run, _) = recorded::<P>(3, |pool| {
        for _ in 0..200 {
            pool.execute(|| {
                longshore::label("root");
                for _ in 0..5 {
                    longshore::execute(|| {
                        longshore::label("child");
                        compute(20);
                        longshore::execute(|| longshore::label("grandchild")).expect("accepts");
                    })
                    .expect("accepts");
                }
            })
            .expect("accepts");
        }
    });
    assert_eq!(["root", "child", "grandchild"].map(|label| ran_as(&run, label)), [200, 1000, 1000]);
    come_from(&run, "child", "root");
    come_from(&run, "grandchild", "child");
    let from_outside = tasks(&run, "root").filter(|task| matches!(task.parent, Parent::Thread(_))).count();
    assert!(from_outside >= 180, "{from_outside} of 200 roots come from a thread");
}

#[test]
fn tasks_of_tasks() {
    trees::<Pool>();
    trees::<PullPool>();
}

#[test]
fn stolen_tasks_have_a_victim() {
    let (run, _) = recorded::<Pool>(4, |pool| {
        pool.execute(|| {
            longshore::label("root");
            for _ in 0..500 {
                longshore::execute(|| {
                    longshore::label("child");
                    compute(50);
                })
                .expect("accepts");
            }
            compute(5_000);
        })
        .expect("accepts");
    });
    come_from(&run, "child", "root");
    let stolen = tasks(&run, "child").filter(|task| task.victim.is_some()).count();
    assert!(stolen > 0, "three workers have nothing else to do");
}

fn routes<P: AnyPool>() {
    let (run, _) = recorded::<P>(2, |pool| {
        for i in 0..50u32 {
            pool.task().priority(Priority::High).label("high").execute(|| compute(5)).expect("accepts");
            pool.task().priority(Priority::Low).label("low").execute(|| compute(5)).expect("accepts");
            pool.task().worker(1).label("sent").execute(|| compute(5)).expect("accepts");
            pool.task().key(i).label("keyed").execute(|| compute(5)).expect("accepts");
        }
        pool.execute_batch((0..1_000).map(|_| || longshore::label("batch"))).expect("accepts");
        for handle in pool.broadcast(|_| longshore::label("broadcast")).expect("accepts") {
            handle.join().expect("no panic");
        }
        pool.submit(|| {
            (0..20).for_each(|_| {
                longshore::execute(|| longshore::label("inner")).expect("accepts");
            });
        })
        .expect("accepts")
        .join()
        .expect("no panic");
    });
    let counts =
        ["high", "low", "sent", "keyed", "batch", "broadcast", "inner"].map(|label| ran_as(&run, label));
    assert_eq!(counts, [50, 50, 50, 50, 1_000, 2, 20]);
}

#[test]
fn every_route() {
    routes::<Pool>();
    routes::<PullPool>();
}

fn overflow<P: AnyPool>() {
    let (run, _) = recorded::<P>(1, |pool| {
        (0..3_000).for_each(|_| pool.execute(|| longshore::label("one")).expect("accepts"));
    });
    assert_eq!(ran_as(&run, "one"), 3_000);
}

#[test]
fn a_full_inbox_spills() {
    overflow::<Pool>();
    overflow::<PullPool>();
}

fn bounded<P: AnyPool>(on_full: OnFull) {
    let builder = || P::builder().workers(2).queue_capacity(4).on_full(on_full);
    let inside = Arc::new(AtomicUsize::new(0));
    let count = &inside;
    let (run, _) = recorded_with::<P>(builder, |pool| {
        for _ in 0..200 {
            let inside = count.clone();
            let outer = move || {
                longshore::label("outer");
                if longshore::current_worker().is_some() {
                    inside.fetch_add(1, Ordering::Relaxed);
                    (0..3).for_each(|_| {
                        longshore::execute(|| longshore::label("inner")).expect("accepts");
                    });
                }
            };
            pool.execute(outer).expect("accepts");
        }
    });
    assert_eq!(ran_as(&run, "outer"), 200);
    // Tasks that the submitting thread runs are outside of the pool, and so is what they submit.
    assert_eq!(ran_as(&run, "inner"), 3 * inside.load(Ordering::Relaxed));
}

#[test]
fn bounded_pools() {
    for on_full in [OnFull::Block, OnFull::CallerRuns] {
        bounded::<Pool>(on_full);
        bounded::<PullPool>(on_full);
    }
}

fn cancelled<P: AnyPool>() {
    let ended = Arc::new(AtomicU64::new(0));
    let (run, _) = recorded::<P>(2, |pool| {
        let token = CancelToken::new();
        for i in 0..300 {
            let ended = ended.clone();
            let task = move || _ = ended.fetch_add(1, Ordering::Relaxed);
            match i % 4 {
                0 => _ = pool.task().token(&token).submit(task).expect("accepts").cancel(),
                1 => pool.task().token(&token).execute(task).expect("accepts"),
                2 => pool.task().start_within(Duration::ZERO).execute(task).expect("accepts"),
                _ => pool.submit(task).expect("accepts").join().expect("no panic"),
            }
            if i == 150 {
                token.cancel();
            }
        }
        let lane = pool.lane(2).build().expect("a lane");
        (0..100).for_each(|_| lane.execute(|| compute(10)).expect("accepts"));
        let group = pool.group::<u32, std::convert::Infallible>();
        (0..100).for_each(|n| group.submit(move || n).expect("accepts"));
        assert_eq!(group.join().expect("no failure").len(), 100);
    });
    assert!(super::ran(&run) >= ended.load(Ordering::Relaxed));
}

#[test]
fn cancelled_and_expired_tasks_lanes_and_groups() {
    cancelled::<Pool>();
    cancelled::<PullPool>();
}

#[test]
fn streams_and_yields() {
    let (_, _) = recorded::<Pool>(2, |pool| {
        let sum: u64 = pool.map_unordered(0..500u64, |n| n * 2).sum();
        assert_eq!(sum, 249_500);
        let yields = pool.submit(|| {
            (0..50).for_each(|_| longshore::execute(|| compute(5)).expect("accepts"));
            while longshore::yield_now() {}
        });
        yields.expect("accepts").join().expect("no panic");
    });
}

/// Waits that nest deeper than one stack go on with another thread, which records into the same track.
#[test]
fn nested_waits_on_fresh_stacks() {
    fn down(left: usize) {
        if left > 0 {
            longshore::submit(move || down(left - 1)).expect("accepts").join().expect("no panic");
        }
    }
    fn scenario<P: AnyPool>() {
        let small = || P::builder().workers(1).stack_size(128 << 10);
        let (run, _) = recorded_with::<P>(small, |pool| {
            pool.submit(|| down(2_000)).expect("accepts").join().expect("no panic");
        });
        assert_eq!(ran(&run), 2_001);
    }
    scenario::<Pool>();
    scenario::<PullPool>();
}
