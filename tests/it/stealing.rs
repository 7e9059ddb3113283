//! Promises of push pools only: queues of single workers, and thieves.

use std::sync::{Arc, Mutex};

use longshore::{JoinHandle, Placement, PlacementView, Pool, WorkerState, WorkerStats, current_worker};

use crate::support::{Gate, Hits, Rig, quiet_panic, wait_until};

#[test]
fn tasks_in_the_deque_of_a_blocked_worker_are_run_by_its_peer() {
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
    wait_until("the other worker ran all tasks", || hits.total() == 500);
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

/// Gives a pool one task at a time, while all its workers sleep.
struct Calm<'a> {
    rig: &'a Rig,
    /// How often each worker had parked when it was last given a task.
    slept: Vec<u64>,
}

impl<'a> Calm<'a> {
    fn new(rig: &'a Rig) -> Self {
        Calm { rig, slept: vec![0; rig.workers()] }
    }

    /// Waits until every worker sleeps, which is after its last look for tasks. (A worker that still looks
    /// may take a task that is meant for another one.) Returns how often each worker has parked.
    fn wait(&self) -> Vec<u64> {
        let sleeps = |(worker, &before): (&WorkerStats, &u64)| {
            worker.state == WorkerState::Parked && worker.parked > before
        };
        let mut stats = self.rig.stats();
        wait_until("all workers sleep", || {
            stats = self.rig.stats();
            stats.workers.iter().zip(&self.slept).all(sleeps)
        });
        stats.workers.iter().map(|worker| worker.parked).collect()
    }

    /// The number of the worker that runs the task submitted by `submit`.
    fn worker_of(&mut self, submit: impl FnOnce(&Rig) -> JoinHandle<Option<usize>>) -> usize {
        let slept = self.wait();
        let worker = submit(self.rig).join().expect("ran").expect("on a worker");
        self.slept[worker] = slept[worker];
        worker
    }
}

#[test]
fn a_sent_task_wakes_its_worker_and_no_other() {
    let rig = Rig::new(4);
    let mut calm = Calm::new(&rig);
    for round in 0..200 {
        let send = |rig: &Rig| rig.task().worker(round % 4).submit(current_worker).expect("open");
        assert_eq!(calm.worker_of(send), round % 4);
    }
    let stats = rig.finish();
    assert!(stats.workers.iter().all(|worker| (worker.executed, worker.stolen) == (50, 0)), "{stats}");
}

#[test]
fn tasks_with_the_same_key_go_to_one_worker() {
    let rig = Rig::new(4);
    let mut calm = Calm::new(&rig);
    let mut worker_of =
        |key: &str| calm.worker_of(|rig| rig.task().key(key).submit(current_worker).expect("open"));
    let mut used = std::collections::HashSet::new();
    for key in (0..20).map(|n| format!("picture {n}")) {
        let first = worker_of(&key);
        assert!((0..3).all(|_| worker_of(&key) == first));
        used.insert(first);
    }
    assert!(used.len() >= 3, "keys are spread: {used:?}");
    rig.finish();
}

#[test]
fn tasks_sent_to_a_busy_worker_start_in_order_and_are_left_by_its_peers() {
    let rig = Rig::new(2);
    let gate = Gate::new();
    gate.hold(&rig, 2);
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..100 {
        let order = order.clone();
        let task = move || order.lock().expect("no panic").push((number, current_worker()));
        rig.task().worker(0).execute(task).expect("open");
    }
    // Worker 1 has tasks of its own meanwhile, so it does not search.
    let ended = Gate::new();
    let held = ended.visitor();
    rig.task().worker(1).execute(move || held.pass()).expect("open");
    gate.open();
    wait_until("worker 0 has run its tasks", || order.lock().expect("no panic").len() == 100);
    ended.open();
    let order = order.lock().expect("no panic");
    let own: Vec<_> =
        order.iter().filter(|(_, worker)| *worker == Some(0)).map(|(number, _)| *number).collect();
    assert!(own.is_sorted(), "{own:?}");
    drop(order);
    rig.finish();
}

#[test]
fn a_placement_rule_sees_the_workers() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = seen.clone();
    let rule = move |pool: &PlacementView<'_>| {
        let parked = (0..pool.workers()).map(|i| pool.is_parked(i)).collect::<Vec<_>>();
        let depths = (0..pool.workers()).map(|i| pool.depth(i)).collect::<Vec<_>>();
        notes.lock().expect("no panic").push((parked, depths));
        1
    };
    let rig = Rig::with(Pool::builder().workers(2).placement(Placement::Custom(Arc::new(rule))));
    Calm::new(&rig).wait();
    let gate = Gate::new();
    gate.hold(&rig, 2);
    (0..3).for_each(|_| rig.execute(|| ()).expect("open"));
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    assert_eq!(seen[0], (vec![true, true], vec![0, 0]));
    assert_eq!(seen[2..], [0, 1, 2].map(|depth| (vec![false, false], vec![0, depth])));
    gate.open();
    rig.finish();
}

#[test]
fn a_rule_that_panics_is_counted() {
    let rule = |_: &PlacementView<'_>| -> usize { quiet_panic("a bad rule") };
    let rig = Rig::with(Pool::builder().workers(2).placement(Placement::Custom(Arc::new(rule))));
    (0..10).for_each(|_| rig.execute(|| ()).expect("open"));
    let stats = rig.finish();
    assert_eq!((stats.hook_panics, stats.completed), (10, 10));
}
