//! What only a pool that pushes has: queues of the workers' own, and thieves.

use crate::support::{Gate, Hits, Rig, wait_until};

#[test]
fn work_in_the_deque_of_a_blocked_worker_is_run_by_others() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    let hits = Hits::new(500);
    let (visitor, local) = (gate.visitor(), hits.clone());
    rig.execute(move || {
        for task in 0..500 {
            longshore::execute(local.task(task)).expect("inside a task");
        }
        visitor.pass();
    })
    .expect("open");
    wait_until("the other worker ran everything", || hits.total() == 500);
    hits.assert_once_each();
    gate.open();
    let stats = rig.finish();
    let stolen: u64 = stats.workers.iter().map(|worker| worker.stolen).sum();
    assert!(stolen >= 500, "they were stolen: {stats:?}");
}

#[test]
fn queue_depth_tells_where_tasks_wait() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let (visitor, ready) = (gate.visitor(), Gate::new());
    let told = ready.visitor();
    ready.open();
    let handle = rig
        .submit(move || {
            for _ in 0..40 {
                longshore::execute(|| ()).expect("inside");
            }
            told.pass();
            visitor.pass();
            longshore::current_worker().expect("on a worker")
        })
        .expect("open");
    ready.wait_for(1);
    gate.wait_for(2);
    let depths: Vec<_> = rig.stats().workers.iter().map(|worker| worker.queue_depth).collect();
    gate.open();
    let worker = handle.join().expect("ran");
    assert_eq!(depths[worker], 40, "its own deque: {depths:?}");
    assert_eq!(depths[1 - worker], 0, "{depths:?}");
    rig.finish();
}

#[test]
fn stolen_tasks_are_counted_by_the_thief() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    let visitor = gate.visitor();
    let holder = rig.submit(move || {
        for _ in 0..200 {
            longshore::execute(|| ()).expect("inside");
        }
        visitor.pass();
        longshore::current_worker().expect("on a worker")
    });
    wait_until("the other worker has run them", || rig.stats().completed == 200);
    gate.open();
    let holder = holder.expect("open").join().expect("ran");
    let stats = rig.finish();
    let thief = &stats.workers[1 - holder];
    assert!(thief.stolen >= 200, "{stats:?}");
    assert_eq!((thief.executed, stats.workers[holder].executed), (200, 1));
}
