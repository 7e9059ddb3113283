//! While every worker is blocked, tasks are cancelled in each way: captures, places and weights are free
//! before any worker moves.

use std::time::{Duration, Instant};

use longshore::{CancelToken, Group, JoinError, JoinHandle, OnFull, SubmitErrorKind, TaskError};

use super::*;
use crate::support::{Census, Gate, wait_until};

const CAPACITY: usize = 10;

/// A bounded pool whose only worker is held, with its queue full of tasks from `submit`, which ends them when
/// called. Checks that nothing of them is left before the worker goes on.
struct Scene {
    /// Before the pool, so that a failing test releases it first.
    gate: Gate,
    rig: Rig,
    census: Census,
}

impl Scene {
    fn new() -> Self {
        let rig = Rig::with(
            Pool::builder().workers(1).queue_capacity(CAPACITY).on_full(OnFull::Reject).budget(100),
        );
        let gate = Gate::new();
        gate.hold(&rig, 1);
        Scene { rig, gate, census: Census::default() }
    }

    fn task(&self) -> impl FnOnce() + Send + 'static + use<> {
        let captured = self.census.citizen();
        move || captured.check()
    }

    fn fill<T>(&self, mut submit: impl FnMut() -> T) -> Vec<T> {
        let tasks = (0..CAPACITY).map(|_| submit()).collect();
        assert_eq!(self.rig.stats().waiting, CAPACITY as u64);
        assert_eq!(self.census.alive(), CAPACITY as i64);
        let refused = self.rig.try_execute(|| ()).expect_err("full");
        assert_eq!(refused.kind, SubmitErrorKind::Full);
        tasks
    }

    /// Everything has ended, `expired` of it by its deadline.
    #[track_caller]
    fn assert_over(self, expired: usize) {
        self.assert_gone();
        let stats = self.rig.stats();
        let cancelled = CAPACITY - expired;
        assert_eq!((stats.waiting, stats.running), (0, 1), "{stats:?}");
        assert_eq!((stats.cancelled, stats.expired), (cancelled as u64, expired as u64), "{stats:?}");
        // All places can be taken again, and by tasks that run.
        let again: Vec<_> = (0..CAPACITY).map(|n| self.rig.try_submit(move || n).expect("free")).collect();
        assert_eq!(self.rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        self.gate.open();
        assert!(again.into_iter().map(|task| task.join().expect("runs")).eq(0..CAPACITY));
        let stats = self.rig.finish();
        assert_eq!(stats.completed, 1 + CAPACITY as u64, "the empty entries are not counted: {stats:?}");
        assert_eq!((stats.cancelled, stats.expired), (cancelled as u64, expired as u64), "{stats:?}");
    }

    #[track_caller]
    fn assert_gone(&self) {
        self.census.assert_all_gone();
        assert_eq!(self.rig.stats().waiting, 0);
    }
}

fn all_cancelled<T: Send>(handles: Vec<JoinHandle<T>>) {
    for handle in handles {
        assert!(handle.is_finished());
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    }
}

#[test]
fn by_the_handle() {
    let scene = Scene::new();
    let handles = scene.fill(|| scene.rig.submit(scene.task()).expect("open"));
    assert!(handles.iter().all(JoinHandle::cancel));
    assert!(handles.iter().all(JoinHandle::cancel), "again, without an effect");
    scene.assert_gone();
    all_cancelled(handles);
    scene.assert_over(0);
}

#[test]
fn by_the_handle_of_a_batch() {
    let scene = Scene::new();
    let batch = scene.rig.submit_batch((0..CAPACITY).map(|_| scene.task())).expect("open");
    assert!(batch.iter().all(JoinHandle::cancel));
    all_cancelled(batch);
    scene.assert_over(0);
}

#[test]
fn by_the_handle_of_a_task_with_conditions() {
    let scene = Scene::new();
    let token = CancelToken::new();
    let within = Duration::from_secs(3600);
    let builder = || scene.rig.task().token(&token).start_within(within).weight(10);
    let handles = scene.fill(|| builder().submit(scene.task()).expect("open"));
    assert!(handles.iter().all(JoinHandle::cancel));
    scene.assert_gone();
    assert!(builder().try_submit(|| ()).is_ok_and(|task| task.cancel()), "the weights are free, too");
    all_cancelled(handles);
    token.cancel();
    assert_eq!(scene.rig.stats().cancelled, 1 + CAPACITY as u64);
    scene.gate.open();
    scene.rig.finish();
}

#[test]
fn by_a_token_without_handles() {
    let scene = Scene::new();
    let token = CancelToken::new();
    scene.fill(|| scene.rig.task().token(&token).execute(scene.task()).expect("open"));
    token.cancel();
    scene.assert_over(0);
}

#[test]
fn by_a_token_with_handles_and_weights() {
    let scene = Scene::new();
    let parent = CancelToken::new();
    let token = parent.child();
    let submit = || scene.rig.task().token(&token).weight(10).submit(scene.task()).expect("open");
    let handles = scene.fill(submit);
    parent.cancel();
    scene.assert_gone();
    let heavy = scene.rig.task().weight(100).try_submit(|| 5).expect("the budget is free");
    assert!(heavy.cancel());
    all_cancelled(handles);
    scene.gate.open();
    let stats = scene.rig.finish();
    assert_eq!((stats.completed, stats.cancelled), (1, 1 + CAPACITY as u64), "{stats:?}");
}

#[test]
fn by_a_token_that_is_cancelled_already() {
    let scene = Scene::new();
    let token = CancelToken::new();
    token.cancel();
    for _ in 0..3 * CAPACITY {
        scene.rig.task().token(&token).execute(scene.task()).expect("accepted");
        let handle = scene.rig.task().token(&token).submit(scene.task()).expect("accepted");
        assert!(matches!(handle.join(), Err(JoinError::Cancelled)));
    }
    scene.assert_gone();
    assert_eq!(scene.rig.stats().cancelled, 6 * CAPACITY as u64);
    scene.gate.open();
    scene.rig.finish();
}

#[test]
fn by_the_deadline() {
    let scene = Scene::new();
    // Far enough that the queue is full before the first deadline passes, on a loaded machine, too; if not,
    // the first task is gone already, and the scene is set again.
    let deadline = Instant::now() + Duration::from_millis(400);
    let submit = || scene.rig.task().deadline(deadline).execute(scene.task()).expect("open");
    (0..CAPACITY).for_each(|_| submit());
    wait_until("the deadline has passed for all", || scene.rig.stats().expired == CAPACITY as u64);
    scene.assert_over(CAPACITY);
}

#[test]
fn by_a_deadline_that_has_passed_already() {
    let scene = Scene::new();
    for _ in 0..3 * CAPACITY {
        scene.rig.task().start_within(Duration::ZERO).execute(scene.task()).expect("accepted");
    }
    scene.assert_gone();
    scene.gate.open();
    assert_eq!(scene.rig.finish().expired, 3 * CAPACITY as u64);
}

#[test]
fn by_the_group() {
    let scene = Scene::new();
    let group: Group<(), (), _> = Group::clone(&scene.rig.group());
    scene.fill(|| group.submit(scene.task()).expect("open"));
    group.cancel();
    scene.assert_gone();
    let results = group.join_all();
    assert_eq!(results.len(), CAPACITY);
    let is_cancelled =
        |result: Result<(), _>| matches!(result, Err(TaskError::NotFinished(JoinError::Cancelled)));
    assert!(results.into_iter().all(is_cancelled));
    scene.assert_over(0);
}

#[test]
fn by_the_first_failure_of_a_group() {
    let rig = Rig::with(Pool::builder().workers(1));
    let gate = Gate::new();
    let visitor = gate.visitor();
    let (census, group) = (Census::default(), rig.group::<(), &str>().stop_at_first_failure());
    group
        .submit_fallible(move || {
            visitor.pass();
            Err("on purpose")
        })
        .expect("open");
    gate.wait_for(1);
    let watched = Gate::new();
    for _ in 0..10 {
        let captured = census.citizen();
        group.submit(move || captured.check()).expect("open");
    }
    // Behind them, so the worker is held again before it finds any of their entries only if these are gone.
    watched.hold_later(&rig);
    gate.open();
    let failure = group.join().expect_err("the first one fails");
    assert_eq!(failure.index, 0);
    census.assert_all_gone();
    watched.open();
    assert_eq!(rig.finish().cancelled, 10);
}

#[test]
fn by_the_token_of_a_lane_and_by_handles_of_a_lane() {
    for way in ["handle", "token"] {
        let scene = Scene::new();
        let lane = scene.rig.lane(1).queue_capacity(CAPACITY - 1).build().expect("a lane");
        let token = CancelToken::new();
        let submit = || match way {
            "handle" => lane.submit(scene.task()).expect("open"),
            _ => lane.task().token(&token).submit(scene.task()).expect("open"),
        };
        let handles: Vec<_> = (0..CAPACITY).map(|_| submit()).collect();
        assert_eq!(scene.rig.try_execute(|| ()).expect_err("full").kind, SubmitErrorKind::Full);
        assert_eq!((lane.stats().waiting, lane.stats().finished), (CAPACITY, 0));
        match way {
            "handle" => assert!(handles.iter().all(JoinHandle::cancel)),
            _ => assert!(token.cancel()),
        }
        scene.assert_gone();
        let stats = lane.stats();
        assert_eq!((stats.waiting, stats.running, stats.finished), (0, 0, CAPACITY as u64), "{stats:?}");
        all_cancelled(handles);
        let again: Vec<_> = (0..CAPACITY - 1).map(|n| lane.submit(move || n).expect("free")).collect();
        scene.gate.open();
        assert!(again.into_iter().map(|task| task.join().expect("runs")).eq(0..CAPACITY - 1));
        let stats = scene.rig.finish();
        assert_eq!((stats.completed, stats.cancelled), (CAPACITY as u64, CAPACITY as u64), "{stats:?}");
        wait_until("the lane is empty", || lane.stats().finished == 2 * CAPACITY as u64 - 1);
    }
}

#[test]
fn in_a_rendezvous_pool() {
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(0).on_full(OnFull::Reject));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let census = Census::default();
    // The pool admits as many tasks as it has workers; the only one is taken.
    let captured = census.citizen();
    assert!(rig.try_execute(move || captured.check()).is_err());
    gate.open();
    wait_until("the place is free", || rig.stats().running == 0);
    rig.pause();
    let captured = census.citizen();
    let queued = rig.try_submit(move || captured.check()).expect("free");
    assert!(rig.try_execute(|| ()).is_err(), "full");
    assert!(queued.cancel());
    census.assert_all_gone();
    let next = rig.try_submit(|| 3).expect("the place is free again");
    rig.resume();
    assert_eq!(next.join().expect("runs"), 3);
    rig.finish();
}

#[test]
fn waiters_for_a_place_get_it() {
    let scene = Scene::new();
    let token = CancelToken::new();
    scene.fill(|| scene.rig.task().token(&token).execute(scene.task()).expect("open"));
    let pool = scene.rig.pool().clone();
    let waiting = std::thread::spawn(move || {
        pool.task().on_full(OnFull::Block).submit(|| 7).map_err(|refused| refused.kind)
    });
    wait_until("it waits", || scene.rig.stats().blocked == 1);
    token.cancel();
    let handle = waiting.join().expect("no panic").expect("accepted");
    assert_eq!(scene.rig.stats().waiting, 1, "it has the place, though no worker has moved");
    scene.gate.open();
    assert_eq!(handle.join().expect("runs"), 7);
    scene.rig.finish();
}

#[test]
fn a_drop_that_panics_does_no_harm() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            crate::support::quiet_panic("a drop panics on purpose");
        }
    }
    let (sender, reports) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let report = move |_| _ = sender.lock().expect("no panic").send(());
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(4).panic_handler(report));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let token = CancelToken::new();
    let bomb = || {
        let bomb = Bomb;
        move || drop(bomb)
    };
    rig.task().token(&token).execute(bomb()).expect("open");
    let with_handle = rig.task().token(&token).submit(bomb()).expect("open");
    let plain = rig.submit(bomb()).expect("open");
    assert!(plain.cancel());
    token.cancel();
    assert!(matches!(with_handle.join(), Err(JoinError::Cancelled)));
    assert_eq!(rig.stats().waiting, 0);
    reports.recv_timeout(crate::support::PATIENCE).expect("a task without a handle reports the panic");
    gate.open();
    assert_eq!(rig.finish().cancelled, 3);
    assert!(reports.try_recv().is_err(), "one report");
}

#[test]
fn a_storm_of_cancellations_keeps_the_queues_bounded() {
    let rig = Rig::with(Pool::builder().workers(1).queue_capacity(4).on_full(OnFull::Reject));
    let gate = Gate::new();
    gate.hold(&rig, 1);
    let (mut accepted, mut refused) = (0u64, 0);
    while refused < 100 {
        match rig.try_submit(|| ()) {
            Ok(task) => {
                assert!(task.cancel());
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
        assert!(accepted < 100_000, "the empty entries are bounded");
    }
    gate.open();
    wait_until("the entries are skipped", || rig.try_execute(|| ()).is_ok());
    let stats = rig.finish();
    assert_eq!((stats.cancelled, stats.completed), (accepted, 2), "{stats:?}");
}
