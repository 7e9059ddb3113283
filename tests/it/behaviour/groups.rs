//! Groups: many tasks that are awaited together.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{Group, JoinError, TaskError};

use super::*;
use crate::support::{Census, Gate, quiet_panic, wait_until};

#[test]
fn results_are_in_the_order_of_submission() {
    for workers in [1, 3] {
        let rig = Rig::new(workers);
        let group = rig.group::<_, Infallible>();
        for i in 0..500u64 {
            group.submit(move || i * i).expect("open");
        }
        let results = group.join().expect("none fails");
        assert_eq!(results, (0..500).map(|i| i * i).collect::<Vec<u64>>());
        assert!(group.join().expect("empty").is_empty());
        group.submit(|| 7).expect("it can be used again");
        assert_eq!(group.join().expect("none fails"), [7]);
        rig.finish();
    }
}

#[test]
fn failures_are_collected_and_counted() {
    let rig = Rig::new(2);
    let group = rig.group();
    for i in 0..6u32 {
        group
            .submit_fallible(move || if i % 2 == 0 { Ok(i) } else { Err(format!("{i} is odd")) })
            .expect("open");
    }
    group.submit(|| quiet_panic("on purpose")).expect("open");
    let all = group.join_all();
    let ok: Vec<_> = all.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(ok, [&0, &2, &4]);
    assert!(matches!(&all[3], Err(TaskError::Failed(text)) if text == "3 is odd"));
    assert!(matches!(&all[6], Err(TaskError::NotFinished(JoinError::Panicked(_)))));
    let stats = rig.finish();
    assert_eq!((stats.completed, stats.failed, stats.panicked), (3, 3, 1), "{stats:?}");
}

#[test]
fn the_first_failure_stops_tasks_that_have_not_begun() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let group = rig.group().stop_at_first_failure();
    let ran = Arc::new(AtomicUsize::new(0));
    let census = Census::default();
    for i in 0..100 {
        let (ran, captured) = (ran.clone(), census.citizen());
        let task = move || {
            captured.check();
            ran.fetch_add(1, Ordering::Relaxed);
            if i == 40 { Err("the fortieth") } else { Ok(i) }
        };
        group.submit_fallible(task).expect("open");
    }
    gate.open();
    let failure = group.join().expect_err("one fails");
    assert_eq!(failure.index, 40, "{failure}");
    assert!(matches!(failure.error, TaskError::Failed("the fortieth")));
    // The pool chooses the order in which its worker runs the tasks. No task after the failure has begun.
    let stats = rig.finish();
    assert_eq!(stats.completed + stats.failed + stats.cancelled, 101, "{stats:?}");
    assert_eq!(stats.completed + stats.failed - 1, ran.load(Ordering::Relaxed) as u64);
    census.assert_all_gone();
}

#[test]
fn a_panic_stops_as_well_and_running_tasks_are_awaited() {
    let rig = Rig::new(2);
    let group = rig.group::<(), Infallible>().stop_at_first_failure();
    let (gate, token) = (Gate::new(), group.token());
    let (visitor, ended) = (gate.visitor(), Arc::new(AtomicUsize::new(0)));
    let running = {
        let ended = ended.clone();
        move || {
            visitor.pass();
            wait_until("its token is cancelled", || token.is_cancelled());
            ended.fetch_add(1, Ordering::Release);
        }
    };
    group.submit(running).expect("open");
    gate.wait_for(1);
    group.submit(|| quiet_panic("on purpose")).expect("open");
    wait_until("the group's token is cancelled", || group.token().is_cancelled());
    group.submit(|| panic!("never begins")).expect("accepted");
    gate.open();
    let failure = group.join().expect_err("one panicked");
    assert_eq!(failure.index, 1);
    assert_eq!(ended.load(Ordering::Acquire), 1, "the running task was awaited");
    rig.finish();
}

#[test]
fn cancelling_a_group_spares_running_tasks() {
    let rig = Rig::new(1);
    let group = rig.group::<_, Infallible>();
    let gate = Gate::new();
    let visitor = gate.visitor();
    group.submit(move || visitor.pass()).expect("open");
    gate.wait_for(1);
    (0..10).for_each(|_| group.submit(|| ()).expect("open"));
    group.cancel();
    group.cancel();
    gate.open();
    let all = group.join_all();
    assert!(all[0].is_ok());
    let cancelled =
        |result: &Result<(), _>| matches!(result, Err(TaskError::NotFinished(JoinError::Cancelled)));
    assert!(all[1..].iter().all(cancelled));
    rig.finish();
}

/// Adds two tasks to the group, and each of them two more, down to a depth of 0.
fn tree(group: Group<u32, String, Pool>, depth: u32) -> impl FnOnce() -> Result<u32, String> + Send {
    move || {
        if depth > 0 {
            for _ in 0..2 {
                let task: Box<dyn FnOnce() -> Result<u32, String> + Send> =
                    Box::new(tree(group.clone(), depth - 1));
                group.submit_fallible(task).map_err(|error| error.to_string())?;
            }
        }
        if depth == 3 { Err("three".into()) } else { Ok(depth) }
    }
}

#[test]
fn tasks_add_tasks_to_their_group_and_its_end_is_exact() {
    for workers in [1, 2] {
        let rig = Rig::new(workers);
        let group = rig.group();
        group.submit_fallible(tree(group.clone(), 8)).expect("open");
        let all = group.join_all();
        assert_eq!(all.len(), (1 << 9) - 1);
        assert_eq!(all.iter().filter(|result| result.is_err()).count(), 1 << 5);
        assert_eq!(rig.finish().failed, 1 << 5);
    }
}

#[test]
fn a_group_of_a_lane_has_bounded_concurrency() {
    let rig = Rig::new(4);
    let lane = rig.lane(2).build().expect("a limit");
    let group = lane.group::<_, Infallible>();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for i in 0..500 {
        let (now, most) = (now.clone(), most.clone());
        let task = move || {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            i
        };
        group.submit(task).expect("open");
    }
    assert_eq!(group.join().expect("none fails"), (0..500).collect::<Vec<_>>());
    assert!(most.load(Ordering::SeqCst) <= 2);
    rig.finish();
}

#[test]
fn joined_inside_a_task_of_a_pool_of_one() {
    let rig = Rig::new(1);
    let pool = rig.pool().clone();
    let outer = move || {
        let group = pool.group::<_, Infallible>();
        (0..50).for_each(|i| group.submit(move || i).expect("open"));
        group.join().expect("none fails").into_iter().sum::<u32>()
    };
    assert_eq!(rig.submit(outer).expect("open").join().expect("runs"), 1225);
    rig.finish();
}

/// The closure of a task that never starts is dropped by the thread that submits it. Its drop may use the
/// group.
#[test]
fn a_cancelled_group_drops_a_closure_that_submits_to_the_group() {
    struct Retry(Group<u32, Infallible, Pool>);

    impl Drop for Retry {
        fn drop(&mut self) {
            self.0.submit(|| 2).expect("open");
        }
    }

    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let group: Group<u32, Infallible, Pool> = rig.group();
    group.cancel();
    let retry = Retry(group.clone());
    group
        .submit(move || {
            let _retry = &retry;
            1
        })
        .expect("open");
    assert_eq!(group.join_all().len(), 2);
    gate.open();
    rig.finish();
}
