//! Placement rules. Every task runs by every rule. A pull pool accepts the rules and does not use them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use longshore::{AnyPool, Placement, PlacementView};

use super::*;
use crate::support::{Gate, quiet_panic};

fn rules() -> Vec<Placement> {
    let custom = |rule: fn(&PlacementView<'_>) -> usize| Placement::Custom(Arc::new(rule));
    vec![
        Placement::Home,
        Placement::RoundRobin,
        Placement::LeastOfTwo,
        custom(|pool| pool.draw(pool.workers())),
        custom(|pool| pool.workers()),
        custom(|_| usize::MAX),
        custom(|_| quiet_panic("a bad rule")),
    ]
}

#[test]
fn every_task_runs_by_every_rule() {
    for rule in rules() {
        for workers in [1, 3] {
            let rig = Rig::with(<Pool as AnyPool>::builder().workers(workers).placement(rule.clone()));
            let ran = Arc::new(AtomicUsize::new(0));
            let task = || {
                let ran = ran.clone();
                move || _ = ran.fetch_add(1, Ordering::Relaxed)
            };
            (0..1_000).for_each(|_| rig.execute(task()).expect("open"));
            assert_eq!(rig.execute_batch((0..1_000).map(|_| task())).expect("open"), 1_000);
            let stats = rig.finish();
            assert_eq!((stats.completed, ran.load(Ordering::Relaxed)), (2_000, 2_000), "{rule:?}");
        }
    }
}

#[test]
fn tasks_of_many_workers_start_at_once_by_every_rule() {
    for rule in rules() {
        let rig = Rig::with(<Pool as AnyPool>::builder().workers(4).placement(rule));
        let gate = Gate::new();
        gate.hold(&rig, 4);
        gate.open();
        rig.finish();
    }
}

#[test]
fn rules_are_named_in_the_configuration() {
    let named = |rule| format!("{:?}", <Pool as AnyPool>::builder().placement(rule));
    assert!(named(Placement::RoundRobin).contains("RoundRobin"));
    assert!(named(rules().swap_remove(3)).contains("Custom"));
}
