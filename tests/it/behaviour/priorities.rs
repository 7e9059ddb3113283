//! High and low priority: before and after normal tasks, within limits.

use std::sync::{Arc, Mutex};

use longshore::Priority;

use super::*;
use crate::support::{Gate, Hits};

/// The limits that the documentation states.
const NORMAL_TURN: usize = 16;
const LOW_TURN: usize = 64;

/// The order in which one worker begins `counts` tasks of each priority (high, normal, low) that are queued
/// before it starts.
fn order(counts: [usize; 3]) -> Vec<Priority> {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let order = Arc::new(Mutex::new(Vec::new()));
    // The lowest priority first, so that the order of arrival is the reverse of the order of priority.
    let priorities = [Priority::Low, Priority::Normal, Priority::High];
    for (priority, count) in priorities.into_iter().zip(counts.into_iter().rev()) {
        for _ in 0..count {
            let order = order.clone();
            let task = move || order.lock().expect("no panic").push(priority);
            rig.task().priority(priority).execute(task).expect("open");
        }
    }
    gate.open();
    rig.finish();
    let order = order.lock().expect("no panic").clone();
    assert_eq!(order.len(), counts.iter().sum::<usize>());
    order
}

#[test]
fn high_tasks_run_first_and_low_tasks_last() {
    let order = order([10, 10, 10]);
    let place = |priority| order.iter().position(|&p| p == priority).expect("there");
    let last = |priority| order.iter().rposition(|&p| p == priority).expect("there");
    assert!(place(Priority::High) <= 1 && last(Priority::High) <= 11, "{order:?}");
    assert!(place(Priority::Low) >= 18, "{order:?}");
}

#[test]
fn no_task_starves_under_tasks_of_higher_priority() {
    let order = order([1000, 30, 10]);
    let gaps = |wanted: fn(Priority) -> bool| {
        let places: Vec<usize> = (0..order.len()).filter(|&i| wanted(order[i])).collect();
        let gaps = places.windows(2).map(|w| w[1] - w[0]).chain([places[0]]);
        gaps.max().expect("some")
    };
    assert!(gaps(|p| p != Priority::High) <= NORMAL_TURN, "{order:?}");
    assert!(gaps(|p| p == Priority::Low) <= LOW_TURN, "{order:?}");
}

#[test]
fn low_tasks_progress_behind_normal_tasks() {
    let order = order([0, 1000, 10]);
    let low: Vec<usize> = (0..order.len()).filter(|&i| order[i] == Priority::Low).collect();
    assert!(low.windows(2).all(|w| w[1] - w[0] <= LOW_TURN) && low[0] <= LOW_TURN, "{low:?}");
}

#[test]
fn every_priority_from_everywhere_runs_once() {
    let rig = Rig::new(3);
    let hits = Hits::new(3000);
    let priority = |i: usize| [Priority::High, Priority::Normal, Priority::Low][i % 3];
    std::thread::scope(|scope| {
        for part in 0..2 {
            let (rig, hits) = (&rig, &hits);
            scope.spawn(move || {
                for i in (part * 1000)..(part + 1) * 1000 {
                    rig.task().priority(priority(i)).execute(hits.task(i)).expect("open");
                }
            });
        }
        // And from inside.
        let (pool, tasks) = (rig.pool().clone(), (2000..3000).map(|i| hits.task(i)).collect::<Vec<_>>());
        let inside = move || {
            for (i, task) in tasks.into_iter().enumerate() {
                pool.task().priority(priority(i)).execute(task).expect("open");
            }
        };
        rig.submit(inside).expect("open").join().expect("runs");
    });
    rig.finish();
    hits.assert_once_each();
}

#[test]
fn a_shutdown_drains_or_discards_every_priority() {
    for stops in [false, true] {
        let rig = Rig::new(1);
        let gate = Gate::new();
        gate.hold(&rig, 1);
        let submit = |priority| rig.task().priority(priority).submit(move || priority).expect("open");
        let handles = [Priority::High, Priority::Normal, Priority::Low].map(submit);
        if stops {
            std::thread::scope(|scope| {
                let ending = scope.spawn(|| rig.shutdown_now());
                assert!(handles.into_iter().all(|handle| handle.join().is_err_and(|e| e.is_cancelled())));
                gate.open();
                assert_eq!(ending.join().expect("no panic").expect("from outside"), 3);
            });
        } else {
            gate.open();
            rig.shutdown().expect("from outside");
            handles.into_iter().for_each(|handle| _ = handle.join().expect("drained"));
        }
        rig.finish();
    }
}

#[test]
fn a_purge_empties_every_priority() {
    let rig = Rig::new(1);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let submit = |priority| rig.task().priority(priority).submit(|| ()).expect("open");
    let handles = [Priority::High, Priority::Normal, Priority::Low].map(submit);
    assert_eq!(rig.purge(), 3);
    assert!(handles.into_iter().all(|handle| handle.join().is_err_and(|error| error.is_cancelled())));
    gate.open();
    assert_eq!(rig.finish().cancelled, 3);
}
